"""The four answers to "what may be done next?" that every error of the fleet carries.

Errors are sorted by what the caller may do, not by where they came from. A payments system that only knows "failed"
repeats what may already have happened, and that is how one debt is paid twice: `Unknown` is the class that prevents
it. A room raises its own subclass beside the code that found the trouble; the subclass fixes `code`, `http_status`
and `runbook`, the instance carries the sentence for the reader and the ids as attributes.
"""

from typing import ClassVar


class Reaction(Exception):
    """An error that says what may be done next; only its four kinds and their subclasses are raised.

    `code` is stable snake_case and part of the HTTP contract, `http_status` is the answer to a direct caller,
    `runbook` is the slug of the page for the operator (None when no person has to act).
    """

    code: ClassVar[str] = "reaction"
    http_status: ClassVar[int] = 500
    runbook: ClassVar[str | None] = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class Refused(Reaction):
    """The caller is wrong and a repeat cannot help; `field` and `rule` say what was wrong, if one field was."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[int] = 400

    def __init__(self, message: str, *, field: str | None = None, rule: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.rule = rule


class TryLater(Reaction):
    """Nothing happened and nothing was committed; the same call again is safe and may succeed."""

    code: ClassVar[str] = "try_later"
    http_status: ClassVar[int] = 503


class Unknown(Reaction):
    """It may have happened: keep the state, observe the world, never do it anew."""

    code: ClassVar[str] = "unknown_outcome"
    http_status: ClassVar[int] = 503


class Broken(Reaction):
    """An invariant is false: freeze what it concerns and call a person."""

    code: ClassVar[str] = "broken_invariant"
    http_status: ClassVar[int] = 500
