"""The demo's webhook sender: what is no answer is asked again, as a real upstream does."""

from __future__ import annotations

from typing import Any

from shared.sandbox.demo.deliver import Deliverer
from shared.sandbox.posting import Outcome


class _Line:
    name, text = "4479119533", "{}"


class _Fleet:
    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)

    def post_payment(self, _text: str) -> Outcome:
        return self._outcomes.pop(0)


def test_an_answer_whose_body_was_cut_off_by_a_kill_is_no_answer() -> None:
    fleet: Any = _Fleet(_told(200, b""), _told(200, b'{"accumul'), _told(200, b'{"accumulation_id": 7}'))
    deliverer = Deliverer(fleet, 1)
    line: Any = _Line()
    assert deliverer.deliver(line) == 7
    assert deliverer.delivered.times == {7: 1}
    deliverer.close()


def _told(status: int, body: bytes) -> Outcome:
    return Outcome(status=status, body=body)
