"""One line of `gcpay config check`, and how a question that fails becomes a red one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.http.catching import caught
from shared.telemetry.redaction import without_secrets


@dataclass(frozen=True)
class Line:
    """What was checked of whom, whether it is well, and a sentence for the person who reads it."""

    service: str
    check: str
    ok: bool
    says: str


class NotWell(Exception):
    """The dependency answers and is not what it must be; the text is for the person."""


def tried(service: str, check: str, ask: Callable[[], str]) -> list[Line]:
    """The line of one question: what it says when all is well, else why not."""
    answer = caught(ask)
    if isinstance(answer, NotWell):
        return [Line(service, check, False, str(answer))]
    if isinstance(answer, Exception):  # in the words of a library, which may repeat what it was given
        kind = type(answer).__name__
        return [Line(service, check, False, without_secrets(f"{_one_line(answer) or 'no answer'} ({kind})"))]
    return [Line(service, check, True, answer)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
