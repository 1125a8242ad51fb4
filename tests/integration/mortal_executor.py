"""An executor in a process of its own, against a real node, that ends itself with SIGKILL at a given step.

A step is what a kill can come before or after: a commit, a signature, a copy into the archive, a send.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from GCHostPay3.promised import PromisedNonces
from shared.archive import archive_at
from shared.chain import EthereumChain, LocalSigner
from shared.chain.careful import CarefulSigner
from shared.db import Connection, Database, plain
from shared.db.roles import EXECUTOR, OWNER
from shared.messages import PayOrder
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.chain.rpc import Rpc
from tests.integration.executor_world import World


@dataclass(frozen=True)
class Place:
    """What outlives every process: the database, the node, and the folder with the archive of signed bytes."""

    host: str
    port: int
    database: str
    node: str
    folder: Path


@dataclass
class Death:
    """Comes at the step `at`, counted from 1; 0: never."""

    at: int
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class MortalDatabase:
    real: Database
    death: Death

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.real.transaction() as conn:
            yield conn
            self.death.step("before a commit")
        self.death.step("after a commit")

    def read(self) -> Any:
        return self.real.read()


@dataclass
class Mortal:
    """Anything else, of which one call is a step."""

    real: Any
    call: str
    death: Death

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)
        return self._stepping(real) if name == self.call else real

    def _stepping(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.death.step(f"before {self.call}")
            answer = real(*arguments)
            self.death.step(f"after {self.call}")
            return answer

        return call


def live(place: Place, order: PayOrder, now: datetime, dies_at: int, delivered: bool) -> None:
    """One life: take the pay order in if it is `delivered`, and work until it is settled. Leaves the names of its steps
    in the folder if it gets so far. The sweep comes to those who are not killed."""
    death = Death(dies_at)
    world = _world(place, death)
    world.now = now
    node = Rpc(place.node)
    if delivered:
        world.pay(order)
    for _ in range(12):
        world.settle_down()
        node.call("anvil_mine", "0x1")
        world.wait()
        if dies_at == 0:
            world.sweep()
        if world.state(order) == "settled":
            break
    (place.folder / "steps.json").write_text(json.dumps(death.steps))


def _world(place: Place, death: Death) -> World:
    def connect(role: str) -> Database:
        return Database(plain(host=place.host, port=place.port, database=place.database, user=role), pool_size=4)

    mortal: Any = MortalDatabase(connect(EXECUTOR), death)
    urls = [place.node, place.node.replace("127.0.0.1", "localhost")]
    chain: Any = Mortal(EthereumChain.connect(urls, None, CHAIN_ID, 10), "send_raw", death)
    world = World.of(connect(OWNER), mortal, chain)
    key: Any = Mortal(LocalSigner(HOST_WALLET.private_key), "sign", death)
    archive: Any = Mortal(archive_at(str(place.folder / "signed-bytes")), "keep", death)
    world.x = replace(world.x, archive=archive, signer=CarefulSigner(key, PromisedNonces(mortal)))
    return world
