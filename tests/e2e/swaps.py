"""Batches on the running fleet: payments in, faults placed, the end awaited, and what must be true of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.db import Row
from shared.ops.books_report import reconcile
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.fleet import Fleet
from shared.sandbox.loopback import call_json
from shared.sandbox.tasks import Fault
from tests.e2e.bodies import a_payment
from tests.e2e.standing import tasks_of
from tests.e2e.waiting import until

SWEEPS = ("batcher-sweep", "conductor-sweep", "executor-sweep")
_numbers = itertools.count(70_000)


@dataclass(frozen=True)
class Swaps:
    """One fleet, and the batches that a test has made on it."""

    fleet: Fleet
    batches: list[str] = field(default_factory=list)

    def pay(self, count: int = 3, **changed: object) -> list[str]:
        """So many payments of 10 USD (or as `changed`); their references."""
        usual = {"payment_amount_usd": "10", "nowpayments_outcome_amount": "0.004"}
        refs = [str(next(_numbers)) for _ in range(count)]
        for ref in refs:
            outcome = self.fleet.post_payment(a_payment(ref, **(usual | changed)))
            assert outcome.status == 200, outcome
        return refs

    def tick(self) -> Mapping[str, Any]:
        """One tick that makes a batch; what it answered."""
        tick = self.fleet.tick()
        assert tick.status == 200, tick
        assert isinstance(tick.body, dict)
        assert tick.body["batch_created"] is True, tick
        self.batches.append(tick.body["batch_conversion_id"])
        return tick.body

    def ticks_at_once(self, count: int) -> str:
        """So many ticks at the same time, of which one makes a batch; its id."""
        fleet = self.fleet

        def tick(_number: int) -> dict[str, Any]:
            answer = fleet.post("GCMicroBatchProcessor", "/check-threshold", "{}", fleet.world.identities.scheduler)
            assert answer.status == 200, answer
            told = json.loads(answer.body)
            assert isinstance(told, dict)
            return told

        with ThreadPoolExecutor(count) as pool:
            told = list(pool.map(tick, range(count)))
        (batch,) = [each["batch_conversion_id"] for each in told if each["batch_created"]]
        assert {each["outcome"] for each in told} <= {"batch_created", "below_threshold", "changed_meanwhile"}
        self.batches.append(batch)
        return str(batch)

    def sweep(self) -> None:
        """Let the scheduler run every sweep now."""
        for job in SWEEPS:
            self.fleet.scheduler.run(job)

    def swap(self, *, sweeping: bool = False) -> Row:
        """Pay, tick, wait for the shares; the batch's row, after everything that must be true was looked at."""
        self.pay()
        batch = str(self.tick()["batch_conversion_id"])
        return self.completed(batch, sweeping=sweeping)

    def completed(self, batch: str, *, sweeping: bool = False) -> Row:
        """Wait until the batch is shared out, sweeping all the while if wanted, and look at everything."""

        def ended() -> bool:
            if sweeping:
                self.sweep()
            return bool(self.row(batch)["conversion_status"] not in ("pending", "swapping"))

        until(f"the end of batch {batch}", ended)
        row = self.row(batch)
        assert row["conversion_status"] == "completed", row
        self.must_be_right(batch)
        return row

    def row(self, batch: str) -> Row:
        """The batch's row."""
        return self.rows("select * from batch_conversions where batch_conversion_id::text = :batch", batch=batch)[0]

    def rows(self, sql: str, **params: object) -> list[Row]:
        """Any rows, as an operator reads them."""
        with self.fleet.database.read() as conn:
            return conn.all(sql, **params)

    def must_be_right(self, batch: str) -> None:
        """Promises 2, 3 and 4 for one batch, asked of the rows and of the chain."""
        (paid,) = self.rows(_TRANSFERS, batch=batch)
        row = self.row(batch)
        assert paid["value_wei"] == row["ordered_wei"] == paid["members_wei"] + row["dust_in_wei"] - row["dust_out_wei"]
        assert (paid["outcome"], paid["transfers"], paid["nonces"]) == ("settled", 1, 1)
        (shared,) = self.rows(_SHARES, batch=batch)
        assert shared["shares"] == row["usdt_arrived_units"] == shared["arrived"]
        assert shared["payments"] == shared["completed"] == row["payment_count"]

    def everything_must_be_right(self) -> None:
        """The whole fleet: the chain saw as many transactions as batches, and the books explain every unit."""
        fleet = self.fleet
        rpc = Rpc(fleet.urls["chain"])
        sent = int(str(rpc.call("eth_getTransactionCount", HOST_WALLET.address, "latest")), 16)
        (slots,) = self.rows("select count(*) as n, coalesce(max(nonce) + 1, 0) as next from slot")
        (transfers,) = self.rows("select count(*) as n from transfer where transfer_status <> 'void'")
        assert sent == slots["n"] == slots["next"] == transfers["n"]
        report = until("the books to explain the wallet", lambda: self._balanced(), 20)
        assert report.everything_balances
        assert self.rows("select 1 from outbox where sent_at is null") == []
        assert set(fleet.health().values()) == {"healthy"}

    def _balanced(self) -> Any:
        report = reconcile(self.fleet.database, self.fleet.chain, self.fleet.chain_settings)
        return report if report.everything_balances else None

    @contextmanager
    def tasks_go_wrong(self, *faults: Fault) -> Iterator[None]:
        """Faults of the task service for the length of a block; every one of them must strike."""
        control = tasks_of(self.fleet)
        placed = [control.add_fault(fault) for fault in faults]
        try:
            yield
            fired = {int(str(each["id"])): int(str(each["fired"])) for each in control.faults()}
            assert [faults[index] for index, number in enumerate(placed) if not fired[number]] == []
        finally:
            control.clear_faults()

    def exchange(self, method: str, what: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The exchange's own control, as its operator has it."""
        reply = call_json(method, f"{self.fleet.urls['exchange']}/_sim{what}", body)
        assert reply.status == 200, reply
        return reply.body

    def orders_of_exchange(self) -> dict[str, dict[str, Any]]:
        """Every order as the exchange knows it, by its id."""
        return {str(order["id"]): order for order in self.exchange("GET", "/orders")["orders"]}


_TRANSFERS = """
select min(t.value_wei) as value_wei, min(s.outcome) as outcome, count(distinct t.unique_id) as transfers,
       count(distinct s.nonce) as nonces,
       (select sum(m.wei) from batch_member as m where m.batch_conversion_id::text = :batch) as members_wei
  from transfer as t join slot as s on s.unique_id = t.unique_id
 where t.batch_conversion_id::text = :batch and t.transfer_status <> 'void'
"""
_SHARES = """
select sum(p.converted_usdt_amount_units) as shares, count(*) as payments,
       count(*) filter (where p.conversion_status = 'completed') as completed,
       (select sum(a.usdt_units) from arrival as a where a.batch_conversion_id::text = :batch) as arrived
  from payout_accumulation as p
 where p.batch_conversion_id::text = :batch
"""
