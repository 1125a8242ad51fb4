"""What is promised of each line, and whether a measurement keeps it. Nothing else may say "reached"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Reached = Literal["must", "ambitious", "no"]


@dataclass(frozen=True, slots=True)
class Target:
    """A line's targets. The ratio is ours / limit; `better` says in which direction it improves.

    `also` are figures beside the ratio that the ambitious target asks for, each with the most it may be.
    """

    name: str
    what: str
    limit: str
    unit: str
    better: Literal["more", "less"]
    must: float | None
    ambitious: float
    also: Mapping[str, float]

    def reached(self, ratio: float | None, beside: Mapping[str, float]) -> Reached:
        """What the figures have reached. What was not measured has reached nothing."""
        if ratio is None:
            return "no"
        if self._keeps(ratio, self.ambitious) and all(
            name in beside and beside[name] <= most for name, most in self.also.items()
        ):
            return "ambitious"
        return "must" if self.must is not None and self._keeps(ratio, self.must) else "no"

    def _keeps(self, ratio: float, target: float) -> bool:
        return ratio >= target if self.better == "more" else ratio <= target


def _target(
    name: str,
    what: str,
    limit: str,
    unit: str,
    better: Literal["more", "less"],
    must: float | None,
    ambitious: float,
    **also: float,
) -> Target:
    return Target(name, what, limit, unit, better, must, ambitious, also)


TARGETS: Final = (
    _target(
        "intake",
        "webhooks over HTTP, all checks on, 8 connections",
        "R: pgbench, one commit per payment row and outbox row, 8 clients",
        "/s",
        "more",
        0.25,
        0.40,
        p99_ms=10,
    ),
    _target(
        "pending",
        "the pending total, beside the finished payments",
        "S: the same sum without an index",
        "ms",
        "less",
        1 / 30,
        1 / 60,
        growth=1.3,
    ),
    _target(
        "claim",
        "pending total and claim of one batch, books and history included",
        "C: a plain UPDATE of as many pending rows",
        "ms",
        "less",
        2.0,
        1.4,
    ),
    _target(
        "distribution",
        "shares of one batch, books and history included",
        "F: a plain UPDATE of as many rows to a constant",
        "rows/s",
        "more",
        0.45,
        0.55,
        growth=13,
    ),
    _target(
        "reserve",
        "nonce reserved, signed and stored, one transfer at a time",
        "P: pgbench, the same rows without checks and signing, 8 clients",
        "/s",
        "more",
        0.15,
        0.20,
    ),
    _target(
        "reserve_batched",
        "the same, many transfers in one reservation",
        "signing alone",
        "/s",
        "more",
        0.55,
        0.75,
    ),
    _target(
        "start",
        "importing the slowest service that does not sign",
        "I: importing flask, the Google libraries and web3",
        "s",
        "less",
        0.40,
        0.25,
    ),
    _target(
        "demo",
        "seconds of gcpay demo beyond what chain and exchange impose",
        "10 s",
        "s",
        "less",
        None,
        1.0,
    ),
)

BY_NAME: Final = {target.name: target for target in TARGETS}
