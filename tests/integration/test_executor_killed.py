"""kill -9 of a real process at every step of T0 to T8, against a real node: the next one pays once, the same bytes."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.chain import EthereumChain
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder
from shared.sandbox.chain import CHAIN_ID, Chain
from shared.sandbox.chain.rpc import Rpc
from tests.conftest import Postgres
from tests.integration.executor_world import SOME_ETH, World
from tests.integration.mortal_executor import Place, live

ROOT = Path(__file__).parents[2]
DEPOSIT = "0x00000000000000000000000000000000000A11CE"
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.integration.mortal_executor"])


@pytest.fixture(scope="module")
def node() -> Iterator[Rpc]:
    with Chain.start(block_time_s=None) as running:
        rpc = Rpc(running.url)
        rpc.call("evm_setAutomine", False)
        rpc.call("anvil_mine", "0x5")
        yield rpc


def a_life(place: Place, order: PayOrder, world: World, dies_at: int, *, delivered: bool) -> int | None:
    """A process lives until it is done, or killed; its exit code."""
    process = _PROCESSES.Process(target=live, args=(place, order, world.now, dies_at, delivered))
    process.start()
    process.join(60)
    world.now += timedelta(minutes=5)  # leases of the dead end, and the sweep comes
    return process.exitcode


def test_whoever_is_killed_at_whatever_step_the_order_is_paid_once_on_the_real_chain(
    node: Rpc,
    postgres: Postgres,
    database_name: str,
    database: Database,
    database_as: Callable[[str], Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the server that forks does not look where we look
    place = Place(postgres.server.host, postgres.server.port, database_name, node.url, tmp_path)
    world = World.of(database, database_as(EXECUTOR), EthereumChain.connect([node.url], None, CHAIN_ID, 10))
    for never in (0, 10_000):  # the first one also opens the account
        assert a_life(place, world.a_payable_order(to=DEPOSIT), world, never, delivered=True) == 0
    steps = json.loads((tmp_path / "steps.json").read_text())
    assert {"before a commit", "after sign", "before keep", "before send_raw", "after send_raw"} <= set(steps)

    killed = 0
    for number in range(1, len(steps) + 1):
        order = world.a_payable_order(to=DEPOSIT)
        nonce = world.account()["next_nonce"]
        ended = a_life(place, order, world, number, delivered=True)
        killed += ended == -signal.SIGKILL
        raws = [bytes(row["raw"]) for row in world.attempts() if row["nonce"] == nonce]
        unknown = world.rows("select 1 as one from transfer where unique_id = :id", id=order.unique_id) == []
        assert a_life(place, order, world, 0, delivered=unknown) == 0
        told = f"killed at step {number}, {steps[number - 1]}"
        assert world.state(order) == "settled", told
        assert world.account()["next_nonce"] == nonce + 1, told
        (attempt,) = [row for row in world.attempts() if row["nonce"] == nonce]
        assert raws in ([], [bytes(attempt["raw"])]), told
        assert node.number("eth_getBalance", DEPOSIT, "latest") == (number + 2) * SOME_ETH.wei, told
    assert killed == len(steps)
