"""However a demo is ended, and whenever: no process of it is left, whoever its parent was."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from tests.e2e.command import Running, running
from tests.e2e.waiting import until

STARTING = 6
"""So many processes live long before the services are healthy: some parts run, some are just being started."""
_STOPS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGKILL", -9)]


@pytest.mark.parametrize(("stop", "code"), _STOPS)
def test_a_demo_that_is_stopped_while_it_starts_leaves_no_process(stop: str, code: int) -> None:
    with running("demo", "--json") as demo:
        demo.wait_for_processes(STARTING)
        _must_end(demo, stop, code)


def test_demos_that_are_stopped_in_the_middle_of_a_swap_leave_no_process() -> None:
    with running("demo", "--json") as interrupted, running("demo", "--json") as killed:
        for demo in (interrupted, killed):
            until("its transfer to be on its way", partial(_has_sent, demo))
        assert min(len(interrupted.processes()), len(killed.processes())) > 15
        interrupted.popen.send_signal(signal.SIGINT)
        killed.popen.send_signal(signal.SIGKILL)
        _must_have_ended(interrupted, 130)
        _must_have_ended(killed, -9)


def test_a_demo_that_is_stopped_while_its_services_are_killed_and_started_again_leaves_no_process() -> None:
    with running("demo", "--chaos", "14", "--json") as demo:
        until("a service to be killed", lambda: "is killed" in _said_while_it_runs(demo))
        demo.processes()
        _must_end(demo, "SIGINT", 130)


def test_ctrl_c_twice_does_not_hurry_past_the_cleaning_up() -> None:
    with running("demo", "--json") as demo:
        demo.wait_for_processes(STARTING)
        demo.popen.send_signal(signal.SIGINT)
        for _ in range(5):
            until("the stop to begin or end", lambda: demo.popen.poll() is not None or len(demo.processes()) < STARTING)
            demo.popen.send_signal(signal.SIGINT)
        # The last one may meet Python itself on its way out, when all is cleaned up.
        _must_have_ended(demo, 130, -signal.SIGINT)


def test_under_nohup_a_hang_up_ends_nothing() -> None:
    with running("demo", "--json", under=["nohup"]) as demo:
        demo.wait_for_processes(STARTING)
        demo.popen.send_signal(signal.SIGHUP)
        demo.wait_for_processes(STARTING + 3)
        _must_end(demo, "SIGTERM", 143)


def _must_end(demo: Running, stop: str, code: int) -> None:
    demo.popen.send_signal(getattr(signal, stop))
    _must_have_ended(demo, code)


def _must_have_ended(demo: Running, *codes: int) -> None:
    demo.must_leave_no_process()
    ended = demo.end(patience_s=10)
    assert ended.code in codes
    assert ended.out == ""
    assert "Traceback" not in ended.err
    if ended.code != -signal.SIGKILL:  # who is killed outright cannot tidy up; the next start of anybody does
        assert demo.left_on_disk() == []


def _has_sent(demo: Running) -> bool:
    return "[money: on its way on the chain]" in _said_while_it_runs(demo)


def _said_while_it_runs(demo: Running) -> str:
    assert demo.popen.poll() is None, demo.told_so_far()
    return demo.told_so_far()
