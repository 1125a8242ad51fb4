"""A plan of chaos is a pure function of its seed, and every plan breaks something of every class."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.sandbox.chain.endpoint import KNOWN_FAULTS
from shared.sandbox.chaos.plan import (
    LASTS_S,
    Action,
    CutCommits,
    CutSessions,
    DatabaseDown,
    ExchangeFails,
    KillService,
    KillTaskServer,
    KillWorker,
    NodeFails,
    PurgeQueues,
    TasksGoWrong,
    plan,
)
from shared.sandbox.exchange.faults import KNOWN, ROUTES
from shared.sandbox.fault_board import FaultBoard
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.postgres_proxy import Moment
from shared.sandbox.tasks import FaultKind

PLANS = [plan(seed) for seed in range(200)]


def test_equal_seeds_give_equal_plans_in_every_process_and_other_seeds_others() -> None:
    assert plan(7) == plan(7)
    assert len({str(each) for each in PLANS}) == len(PLANS)
    script = "from shared.sandbox.chaos.plan import plan; print(plan(7))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(plan(7))


@pytest.mark.parametrize("actions", PLANS[:50])
def test_every_plan_breaks_something_of_every_class_in_time(actions: tuple[Action, ...]) -> None:
    broken = [action.breaks for action in actions]
    assert {each.fault.kind for each in broken if isinstance(each, TasksGoWrong)} == set(FaultKind)
    assert {each.moment for each in broken if isinstance(each, CutCommits)} == set(Moment)
    for kinds in (
        (KillWorker,),
        (KillService,),
        (CutSessions, DatabaseDown),
        (PurgeQueues, KillTaskServer),
        (NodeFails,),
        (ExchangeFails,),
    ):
        assert any(isinstance(each, kinds) for each in broken), kinds
    times = [action.at_s for action in actions]
    assert times == sorted(times)
    assert 0 == times[0] <= times[-1] <= LASTS_S


def test_the_plans_together_kill_every_service_and_use_every_fault_that_they_name() -> None:
    broken = [action.breaks for actions in PLANS for action in actions]
    assert {each.service for each in broken if isinstance(each, KillService)} == set(SERVICES)
    assert {each.service for each in broken if isinstance(each, KillWorker)} == set(SERVICES)
    assert {each.name for each in broken if isinstance(each, NodeFails)} == set(KNOWN_FAULTS)


def test_the_node_and_the_exchange_know_every_fault_that_a_plan_asks_for() -> None:
    boards = {NodeFails: FaultBoard(KNOWN_FAULTS), ExchangeFails: FaultBoard(KNOWN, ROUTES)}
    for breaks in [action.breaks for actions in PLANS for action in actions]:
        match breaks:
            case NodeFails(name, times, fields):
                boards[NodeFails].pin({"name": name, "times": times, **fields})
            case ExchangeFails(name, route, times, fields):
                boards[ExchangeFails].pin({"name": name, "times": times, "route": route, **fields})
    assert all(board.listed() for board in boards.values())


@pytest.mark.parametrize("actions", PLANS[:50])
def test_no_plan_spends_all_the_attempts_that_a_batch_has_to_open_its_order(actions: tuple[Action, ...]) -> None:
    spent = [each for each in actions if isinstance(each.breaks, ExchangeFails) and each.breaks.route == "create"]
    assert len(spent) <= 2
    assert all(each.breaks.times == 1 for each in spent if isinstance(each.breaks, ExchangeFails))


def test_each_breakage_is_told_in_words_a_person_understands() -> None:
    sentences = {str(action.breaks) for actions in PLANS for action in actions}
    assert "a task for /drive in gchostpay3-retry-queue is lost" in sentences
    assert "a database connection is cut after COMMIT" in sentences
    assert "the exchange, asked for create: drop after commit" in sentences
    assert "GCHostPay3 is killed, master and workers" in sentences
    assert not [each for each in sentences if "_" in each.replace("GCMicroBatchProcessor", "") or "{" in each]
