"""Other senders' incidents: on the real services every one has the end that it must have."""

from __future__ import annotations

import pytest

from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.named import NAMED
from shared.sandbox.simulator.session import Session

ASKED_FOR = (
    *("OZ #817", "OZ #818", "OZ #836", "OZ #843", "rrelayer #113", "celo #11790", "BTCPay #6540", "BTCPay #5913"),
    *("Orchestrate #42", "FireFly's lost hash", "USDT blacklist", "USDT fee transfer"),
    *("L-01", "L-02", "L-03", "L-04", "L-19", "L-20", "L-36", "L-50", "L-52", "L-53"),
)


PLAYED_AS_A_ROW = "L-"  # the predecessor's, which tests/simulation/incidents plays with the other rows of their list
OTHERS = [history for history in NAMED if not history.name.startswith(PLAYED_AS_A_ROW)]


@pytest.mark.parametrize("history", OTHERS, ids=lambda history: history.name)
def test_the_incident_has_another_end_here(session: Session, history: History) -> None:
    failure = play(session, 0, history=history).failure
    if failure is not None:
        told = play(session, 0, history=history, listening=True).lines[-40:]
        raise AssertionError("\n".join([f"{history.name}: {failure.invariant}: {failure.detail}", *told]))


@pytest.mark.parametrize("incident", ASKED_FOR)
def test_every_incident_has_its_history(incident: str) -> None:
    assert any(history.name.split(",")[0] == incident for history in NAMED)


def test_every_history_says_what_happened_where() -> None:
    for history in NAMED:
        assert history.script.__doc__, history.name
    assert len({history.name for history in NAMED}) == len(NAMED)


def test_a_named_history_is_the_same_every_time(session: Session) -> None:
    for history in NAMED[:3]:
        first, again = (play(session, 0, history=history, listening=True).lines for _ in range(2))
        assert first == again
        assert len(first) > 10
