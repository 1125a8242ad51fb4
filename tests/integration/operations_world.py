"""Batcher, conductor, executor and an operator on one database, each with its own rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from shared.db import Database
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, OPERATOR
from shared.exchange import Unclear
from shared.ops.acts import Act, Doing, Performed, perform
from shared.ops.acts.log import entries, verify_chain
from shared.ops.views import Explanation, Status, Waits, explain, parked, status
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.batcher_world import TERMS, BatcherWorld
from tests.integration.conductor_world import World as ConductorWorld
from tests.integration.executor_world import WALLET_ETH
from tests.integration.executor_world import World as ExecutorWorld
from tests.integration.test_fence_across_services import Fleet

UNCLEAR = Unclear("time-out", maybe_created=True)
BY, REASON = "Ada", "the exchange answers again"


@dataclass
class Operations:
    """The fleet of the fence's tests, and a person beside it."""

    owner: Database
    operator: Database
    fleet: Fleet

    @classmethod
    def of(cls, owner: Database, database_as: Callable[[str], Database]) -> Operations:
        chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
        fleet = Fleet(
            BatcherWorld.of(owner, database_as(BATCHER)),
            ConductorWorld.of(owner, database_as(CONDUCTOR)),
            ExecutorWorld.of(owner, database_as(EXECUTOR), chain),
        )
        return cls(owner, database_as(OPERATOR), fleet)

    unclear = UNCLEAR

    # --- what is so ---------------------------------------------------------------------------------------------------

    def a_batch(self) -> UUID:
        """Two payments in a batch whose order is adopted; nothing was delivered yet."""
        self.fleet.batcher.payments("60", "40")
        return UUID(self.fleet.batcher.tick().body["batch_conversion_id"])

    def a_batch_with_spent_attempts(self) -> UUID:
        """The exchange never gave a clear answer."""
        batcher = self.fleet.batcher
        for _ in range(5):
            batcher.exchange.answer_next(UNCLEAR)
        batcher.payments("60", "40")
        batch = UUID(batcher.tick().body["batch_conversion_id"])
        for _ in range(6):
            self.fleet.sweep()
        assert self.batch_status(batch) == "parked"
        return batch

    def a_parked_payment(self) -> str:
        """One of which nobody said what arrived; the tick has parked it."""
        self.fleet.batcher.payments("60")
        with self.owner.transaction() as conn:
            conn.run(
                """update payout_accumulation set conversion_status = 'parked', parked_reason = 'it came as doge',
                          gross_wei = null, fee_wei = null, net_wei = null, due_at = :now""",
                now=self.fleet.now,
            )
            conn.run("delete from book_entry")
        return "payment-1"

    def a_held_transfer(self) -> tuple[UUID, str]:
        """The executor may not pay so much in one transfer."""
        self.fleet.executor.with_limits(max_transfer=TERMS.guard.max_transfer.zero())
        batch = self.a_batch()
        self.fleet.rest()
        assert self.fleet.column("select transfer_status from transfer") == ["held"]
        return batch, f"batch_{batch}"

    def freeze(self) -> None:
        with self.owner.transaction() as conn:
            conn.run("update account set account_status = 'frozen', reason = 'a drill'")

    # --- what a person does -------------------------------------------------------------------------------------------

    def do(self, act: Act, *, yes: bool = True, by: str = BY, reason: str = REASON) -> Performed:
        limits = self.fleet.batcher.batcher.terms.limits
        doing = Doing(self.operator, by, reason, yes, self.fleet.now, "t" * 32, uuid4, limits)
        return perform(doing, act)

    def explain(self, name: object) -> Explanation:
        with self.operator.read() as conn:
            return explain(conn, str(name), self.fleet.now, self.fleet.batcher.batcher.terms.limits)

    def parked(self) -> list[Waits]:
        with self.operator.read() as conn:
            return parked(conn, self.fleet.batcher.batcher.terms.limits)

    def status(self) -> Status:
        with self.operator.read() as conn:
            return status(conn, self.fleet.now, self.fleet.batcher.batcher.terms.limits)

    def verify(self) -> int:
        with self.operator.read() as conn:
            return verify_chain(conn).number

    def log(self) -> list[Any]:
        with self.operator.read() as conn:
            return entries(conn)

    # --- what there is to see -----------------------------------------------------------------------------------------

    def batch_status(self, batch: UUID) -> str:
        return str(self.fleet.batcher.batch(batch)["conversion_status"])

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table, to show that nothing changed."""
        with self.owner.read() as conn:
            names = [
                row["name"]
                for row in conn.all("select tablename::text as name from pg_tables where schemaname = 'public'")
            ]
            return {name: conn.all(f"select t::text as row from {name} as t order by 1") for name in sorted(names)}
