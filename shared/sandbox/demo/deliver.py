"""Plays upstream: posts each payment's webhook, as often and as concurrently as wanted, and remembers the answers."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from shared.ops.exits import Exit, Leave
from shared.sandbox.demo.options import Line
from shared.sandbox.fleet import Fleet
from shared.sandbox.posting import Outcome

_PATIENCE_S = 90.0
_PAUSE_S = 0.5
_TRY_AGAIN = {None, 408, 429, 500, 502, 503, 504}
_SHOWN_NAME = 60


@dataclass(frozen=True)
class Refusal:
    """A line that intake said no to, in intake's words."""

    name: str
    http_status: int
    code: str
    message: str

    def as_json(self) -> dict[str, object]:
        return {
            "payment_ref": self.name,
            "http_status": self.http_status,
            "code": self.code,
            "message": self.message,
        }


@dataclass
class Delivered:
    """What came of all lines: how often each recorded payment (by its row's id) was confirmed, and what was refused."""

    times: Counter[int] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)


class Deliverer:
    """Posts one line after the other, so that the rows' order is the file's; the copies of a line go out at once."""

    def __init__(self, fleet: Fleet, times: int) -> None:
        self._fleet, self._times = fleet, times
        self._pool = ThreadPoolExecutor(max_workers=min(times, 32))
        self.delivered = Delivered()

    def deliver(self, line: Line) -> Refusal | int:
        """Post every copy of the line; the row's id, or what intake refused. Leaves with 69 if intake never answers."""
        answers = list(self._pool.map(self._post, [line] * self._times))
        refusals = [_refusal(line, outcome) for outcome in answers if not outcome.ok]
        if refusals:
            self.delivered.refusals.append(refusals[0])
        row_id = 0
        for outcome in answers:
            if outcome.ok:
                row_id = int(str(_body_of(outcome)["accumulation_id"]))
                self.delivered.times[row_id] += 1
        return refusals[0] if refusals else row_id

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def _post(self, line: Line) -> Outcome:
        """As a webhook sender does: a 5xx, silence or nobody there means "again", anything else is an answer."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while _says_nothing(outcome := self._fleet.post_payment(line.text)):
            if time.monotonic() > give_up_at:
                break
            time.sleep(_PAUSE_S)
        else:
            return outcome
        raise Leave(f"Intake did not take {line.name}: {outcome.status or outcome.reason}.", Exit.UNAVAILABLE)


def _says_nothing(outcome: Outcome) -> bool:
    # A process that is killed while it answers leaves a 200 whose body never came: recorded or not, nobody was told.
    return outcome.status in _TRY_AGAIN or (outcome.ok and "accumulation_id" not in _body_of(outcome))


def _refusal(line: Line, outcome: Outcome) -> Refusal:
    body = _body_of(outcome)
    code, message = str(body.get("code", "")), str(body.get("message", ""))
    return Refusal(line.name[:_SHOWN_NAME], outcome.status or 0, code, message)


def _body_of(outcome: Outcome) -> Mapping[str, object]:
    try:
        body = json.loads(outcome.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
