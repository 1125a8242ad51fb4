"""A wallet whose database can be set back to an earlier moment while chain, archive and queue go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from shared.books import batch_ordered, payment_received, post
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder, batch_unique_id
from shared.money import Ether
from shared.ops.recovery import Recovery, Report, recover
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.conftest import TEMPLATE, Postgres
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World

FIRST_NONCE = 7
STAGES = (
    "payments",
    "claimed",
    "adopted",
    "checking",
    "paying",
    "created",
    "approved",
    "reserved",
    "signed",
    "live",
    "included",
    "settled",
)


@dataclass
class Batch:
    """A batch of two payments on its way, stage by stage, as the other services write it."""

    batch_id: UUID = field(default_factory=uuid4)
    cn_api_id: str = field(default_factory=lambda: uuid4().hex[:14])
    refs: tuple[str, str] = field(default_factory=lambda: (uuid4().hex, uuid4().hex))
    amount: Ether = SOME_ETH
    to: str = DEPOSIT

    @property
    def unique_id(self) -> str:
        return batch_unique_id(str(self.batch_id))

    @property
    def order(self) -> PayOrder:
        return PayOrder(self.unique_id, "batch", self.cn_api_id, "eth", "eth", self.amount.wei, self.to)


class Timeline:
    """One wallet's world, its backups, and the recovery."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._name = postgres.create(TEMPLATE)
        self._names = [self._name]
        self._opened: list[Database] = []
        self.chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: FIRST_NONCE})
        self.world = World.of(self._open(), self._open(EXECUTOR), self.chain)
        self.archive = self.world.x.archive

    def close(self) -> None:
        for database in self._opened:
            database.close()
        for name in self._names:
            self._postgres.drop(name)

    # --- going back ---------------------------------------------------------------------------------------------------

    def backup(self) -> str:
        """A copy of the database as it is now; its name."""
        self._disconnect()
        copy = self._postgres.create(self._name)
        self._names.append(copy)
        return copy

    def restore(self, backup: str) -> None:
        """The database is the copy from now on, and the executor a new process."""
        self._disconnect()
        self._name = self._postgres.create(backup)
        self._names.append(self._name)
        before = self.world
        self.world = World.of(self._open(), self._open(EXECUTOR), self.chain)
        self.world.now = before.now
        self.world.x = replace(self.world.x, archive=self.archive, limits=before.x.limits)

    def _disconnect(self) -> None:
        """A database with a session cannot be copied; a pool opens new ones when it is asked again."""
        for database in self._opened:
            database.close()

    def _open(self, role: str | None = None) -> Database:
        database = self._postgres.connect(self._name) if role is None else self._postgres.connect(self._name, role)
        self._opened.append(database)
        return database

    # --- recovering ---------------------------------------------------------------------------------------------------

    def recover(self, on_step: Callable[[str], None] = lambda _name: None, **options: Any) -> Report:
        world = self.world
        return recover(
            Recovery(
                database=world.owner,
                chain=self.chain,
                archive=self.archive,
                by="alice",
                reason="a restore",
                now=world.now,
                trace="r" * 32,
                on_step=on_step,
                **options,
            )
        )

    # --- a batch, stage by stage --------------------------------------------------------------------------------------

    def bring(self, batch: Batch, stage: str, start: str | None = None) -> None:
        """Takes the batch from the stage after `start` (None: from nothing) to this stage."""
        begin = 0 if start is None else STAGES.index(start) + 1
        for each in STAGES[begin : STAGES.index(stage) + 1]:
            getattr(self, f"_{each}")(batch)

    def _payments(self, batch: Batch) -> None:
        for ref in batch.refs:
            self.receive_payment(batch, ref)

    def receive_payment(self, batch: Batch, ref: str) -> None:
        """Intake records a payment."""
        net = Ether(batch.amount.wei // 2)
        with self.world.owner.transaction() as conn:
            conn.run(
                """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id,
                       client_wallet_address, client_payout_currency, client_payout_network, payment_timestamp,
                       raw_amount_text, payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros,
                       pending_usd_amount_micros, gross_wei, fee_wei, net_wei, conversion_status, created_at,
                       updated_at)
                   values (:ref, '', 1, '1', '0x', 'usdt', 'eth', '', '50', 50000000, 0, 0, 50000000, :net, 0, :net,
                       'pending', :now, :now)""",
                ref=ref,
                net=net.wei,
                now=self.world.now,
            )
            post(conn, payment_received(ref, net, Ether(0), net), self.world.now, "t")

    def _claimed(self, batch: Batch) -> None:
        now = self.world.now
        with self.world.owner.transaction() as conn:
            conn.run(
                """insert into batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
                       total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei,
                       dust_out_wei, expected_usdt_units, feed_answer, feed_decimals, created_at, updated_at)
                   values (:batch, 'pending', 'received', 2, 100000000, 80000000, :amount, 0, :amount, 0, 97000000,
                       250000000000, 8, :now, :now)""",
                batch=batch.batch_id,
                amount=batch.amount.wei,
                now=now,
            )
            conn.run(
                """insert into batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, live)
                   select :batch, id, pending_usd_amount_micros, net_wei, true from payout_accumulation
                    where payment_ref = any(:refs::text[])""",
                batch=batch.batch_id,
                refs=list(batch.refs),
            )
            conn.run(
                """update payout_accumulation set conversion_status = 'swapping', batch_conversion_id = :batch
                    where payment_ref = any(:refs::text[])""",
                batch=batch.batch_id,
                refs=list(batch.refs),
            )
            conn.run(
                """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
                       from_network, to_currency, to_network, amount_wei, payout_address, key_alias, created_at,
                       updated_at)
                   values ('batch', :batch, 1, 'sending', 'eth', 'eth', 'usdt', 'eth', :amount, :payout, 'primary',
                       :now, :now)""",
                batch=batch.batch_id,
                amount=batch.amount.wei,
                payout=HOST_WALLET.address,
                now=now,
            )
            amounts = {"received": batch.amount, "members": batch.amount, "dust_in": Ether(0), "dust_out": Ether(0)}
            post(conn, batch_ordered(str(batch.batch_id), **amounts), now, "t")

    def _adopted(self, batch: Batch) -> None:
        self.world.write(
            """update exchange_order set order_status = 'adopted', cn_api_id = :cn_api_id, payin_address = :payin
                where batch_conversion_id = :batch and order_status = 'sending'""",
            cn_api_id=batch.cn_api_id,
            payin=batch.to.lower(),
            batch=batch.batch_id,
        )
        self.world.write(
            "update batch_conversions set conversion_status = 'swapping' where batch_conversion_id = :batch",
            batch=batch.batch_id,
        )

    def _checking(self, batch: Batch) -> None:
        self.world.write(
            """insert into hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei,
                   payin_address, request_status, polls, created_at, updated_at)
               select :unique_id, 'batch', :batch, id, cn_api_id, amount_wei, payin_address, 'checking', 0, :now, :now
                 from exchange_order where cn_api_id = :cn_api_id""",
            unique_id=batch.unique_id,
            batch=batch.batch_id,
            cn_api_id=batch.cn_api_id,
            now=self.world.now,
        )

    def _paying(self, batch: Batch) -> None:
        self.world.write(
            "update hostpay_request set request_status = 'paying', updated_at = :now where unique_id = :id",
            id=batch.unique_id,
            now=self.world.now,
        )

    def _created(self, batch: Batch) -> None:
        self.world.pause_sending()
        self.world.pay(batch.order)
        self.world.resume_sending()

    def _approved(self, batch: Batch) -> None:
        self.world.drive()
        assert self.world.state(batch.order) == "approved"

    def _reserved(self, batch: Batch) -> None:
        self.world.drive()
        assert self.world.state(batch.order) == "reserved"

    def _signed(self, batch: Batch) -> None:
        self.world.drive()
        assert self.world.state(batch.order) == "signed"

    def _live(self, batch: Batch) -> None:
        self.world.drive()
        assert self.world.state(batch.order) == "live"

    def _included(self, batch: Batch) -> None:
        self.chain.mine()
        self.world.drive()
        assert self.world.state(batch.order) == "included"

    def _settled(self, batch: Batch) -> None:
        self.chain.finalize()
        self.world.drive()
        assert self.world.state(batch.order) == "settled"

    # --- what there is to see -----------------------------------------------------------------------------------------

    def payments(self, batch: Batch) -> set[tuple[str, UUID | None]]:
        rows = self.world.rows(
            """select conversion_status, batch_conversion_id from payout_accumulation
                where payment_ref = any(:refs::text[])""",
            refs=list(batch.refs),
        )
        return {(row["conversion_status"], row["batch_conversion_id"]) for row in rows}

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table that a recovery may write."""
        tables = (
            "payout_accumulation", "batch_conversions", "batch_member", "exchange_order", "hostpay_request", "transfer",
            "slot", "attempt", "account", "history", "posting", "book_entry", "foreign_nonce", "alert", "pause",
            "signed_nonce", "cancel_request",
        )  # fmt: skip
        return {name: self.world.rows(f"select * from {name} order by {name}::text") for name in tables}
