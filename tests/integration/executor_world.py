"""An executor on a real database with its role's rights, a chain in memory and tasks that a test delivers itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from GCHostPay3.approve import TakenIn, take_in
from GCHostPay3.drive import Driven, drive
from GCHostPay3.executor import Executor, Task, Waits
from GCHostPay3.policy import PayLimits
from GCHostPay3.promised import PromisedNonces
from GCHostPay3.sweep import Swept, sweep
from shared.chain import Chain, LocalSigner
from shared.chain.careful import CarefulSigner
from shared.db import Database
from shared.messages import (
    EXECUTOR_TO_CONDUCTOR,
    EXECUTOR_TO_EXECUTOR,
    DriveAccount,
    Keyring,
    Opened,
    PayOrder,
    TransferFinal,
    TransferVoided,
    batch_unique_id,
    open_sealed,
)
from shared.money import Ether
from shared.queue import Destination, Outbox, Sealer
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.fakes_archive import fake_archive
from shared.sandbox.fakes_chain import FakeChain

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEPOSIT = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ONE_ETH = Ether(10**18)
SOME_ETH = Ether(40_000_000_000_000_000)
WALLET_ETH = Ether(10 * 10**18)
LIMITS = PayLimits(
    max_transfer=Ether(2 * 10**18),
    max_daily=Ether(5 * 10**18),
    gas_reserve=Ether(10**16),
    max_fee_per_gas_wei=200 * 10**9,
    inflight_cap=4,
)
KEYRING = Keyring(internal=["a secret of the fleet for tests"])
URL = "https://executor.test"


@dataclass
class World:
    """One executor, the owner's view of its database, and the clock."""

    owner: Database
    x: Executor
    sender: FakeTaskSender
    now: datetime = START
    finals: list[TransferFinal] = field(default_factory=list)
    voided: list[TransferVoided] = field(default_factory=list)

    @classmethod
    def of(cls, owner: Database, role: Database, chain: Chain, limits: PayLimits = LIMITS) -> World:
        sender = FakeTaskSender()
        destinations = {
            EXECUTOR_TO_CONDUCTOR: Destination("gchostpay1-response-queue", "https://conductor.test"),
            EXECUTOR_TO_EXECUTOR: Destination("gchostpay3-retry-queue", URL),
        }
        outbox = Outbox(role, sender, Sealer(KEYRING, destinations), uuid4)
        signer = CarefulSigner(LocalSigner(HOST_WALLET.private_key), PromisedNonces(role))
        return cls(owner, Executor(role, chain, signer, outbox, limits, CHAIN_ID, fake_archive(), Waits()), sender)

    @property
    def chain(self) -> FakeChain:
        assert isinstance(self.x.chain, FakeChain)
        return self.x.chain

    def with_limits(self, **changed: Any) -> None:
        self.x = replace(self.x, limits=replace(self.x.limits, **changed))

    # --- what others do -----------------------------------------------------------------------------------------------

    def a_payable_order(
        self,
        amount: Ether = SOME_ETH,
        to: str = DEPOSIT,
        *,
        context: str = "batch",
        order_status: str = "adopted",
        request_status: str = "paying",
        from_currency: str = "eth",
        batch: UUID | None = None,
        number: int = 1,
    ) -> PayOrder:
        """Rows as batcher and conductor leave them, and the message that asks for the payment.

        `batch` is one that has an order already; `number` is the place of this one among its orders.
        """
        new_batch = batch is None and context == "batch"
        batch = uuid4() if new_batch else batch
        unique_id = batch_unique_id(str(batch), number) if batch else f"instant-{uuid4().hex[:12]}"
        cn_api_id = uuid4().hex[:14]
        with self.owner.transaction() as conn:
            if new_batch:
                assert batch is not None
                self._a_batch(conn, batch, amount)
            order = conn.one(
                """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
                       from_network, to_currency, to_network, amount_wei, payout_address, cn_api_id, payin_address,
                       key_alias, created_at, updated_at)
                   values (:context, :batch, :number, :status, :currency, 'eth', 'usdt', 'eth', :amount, :payout,
                       :cn_api_id, :payin, 'primary', :now, :now) returning id""",
                context=context,
                batch=batch,
                number=number,
                status=order_status,
                currency=from_currency,
                amount=amount.wei,
                payout=HOST_WALLET.address,
                cn_api_id=cn_api_id,
                payin=to.lower(),
                now=self.now,
            )
            assert order is not None
            conn.run(
                """insert into hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id,
                       amount_wei, payin_address, request_status, polls, created_at, updated_at)
                   values (:unique_id, :context, :batch, :order_id, :cn_api_id, :amount, :payin, :status, 0, :now,
                       :now)""",
                unique_id=unique_id,
                context=context,
                batch=batch,
                order_id=order["id"],
                cn_api_id=cn_api_id,
                amount=amount.wei,
                payin=to,
                status=request_status,
                now=self.now,
            )
        return PayOrder(unique_id, context, cn_api_id, "eth", "eth", amount.wei, to)

    def _a_batch(self, conn: Any, batch: UUID, amount: Ether) -> None:
        conn.run(
            """insert into batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
                   total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei,
                   expected_usdt_units, feed_answer, feed_decimals, created_at, updated_at)
               values (:batch, 'swapping', 'received', 1, 100000000, 1, :amount, 0, :amount, 0, 97000000, 1, 8,
                   :now, :now)""",
            batch=batch,
            amount=amount.wei,
            now=self.now,
        )

    def a_pending_payment(self, net: Ether) -> None:
        with self.owner.transaction() as conn:
            conn.run(
                """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id,
                       client_wallet_address, client_payout_currency, client_payout_network, payment_timestamp,
                       raw_amount_text,
                       payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, gross_wei,
                       fee_wei, net_wei, conversion_status, created_at, updated_at)
                   values (:ref, '', 1, '1', '0x', 'usdt', 'eth', '', '50', 50000000, 0, 0, 50000000, :net, 0, :net,
                       'pending', :now, :now)""",
                ref=uuid4().hex,
                net=net.wei,
                now=self.now,
            )

    def pause_sending(self) -> None:
        self.write(
            "insert into pause (stage, reason, paused_by, paused_at) values ('sending', 'a drill', 'tester', :now)",
            now=self.now,
        )

    def resume_sending(self) -> None:
        self.write("delete from pause where stage = 'sending'")

    def set_order(self, order: PayOrder, status: str) -> None:
        self.write(
            "update exchange_order set order_status = :status where cn_api_id = :cn", status=status, cn=order.cn_api_id
        )

    def write(self, sql: str, **params: object) -> None:
        with self.owner.transaction() as conn:
            conn.run(sql, **params)

    # --- what the executor does ---------------------------------------------------------------------------------------

    def task(self) -> Task:
        return Task(self.now, "t" * 32)

    def pay(self, order: PayOrder) -> TakenIn:
        return take_in(self.x, order, self.task())

    def drive(self, message_id: UUID | None = None) -> Driven:
        """One drive at the present time, whatever the queue holds."""
        return drive(self.x, DriveAccount(HOST_WALLET.address, CHAIN_ID), self.task(), message_id)

    def sweep(self) -> Swept:
        return sweep(self.x, self.task())

    def deliver(self) -> list[Driven]:
        """The tasks that are due, once each; reports to the conductor are kept in `finals`."""
        driven = []
        due = self.sender.take()
        for one in due:
            if one.schedule_at is not None and one.schedule_at > self.now:
                self.sender.tasks.append(one)
                continue
            opened = self.open(one.body)
            if isinstance(opened.message, TransferFinal):
                self.finals.append(opened.message)
            elif isinstance(opened.message, TransferVoided):
                self.voided.append(opened.message)
            else:
                assert isinstance(opened.message, DriveAccount)
                driven.append(drive(self.x, opened.message, self.task(), opened.message_uuid))
        return driven

    def open(self, body: bytes) -> Opened:
        token = body.decode().split('"')[3]
        return open_sealed([EXECUTOR_TO_CONDUCTOR, EXECUTOR_TO_EXECUTOR], token, KEYRING, self.now)

    def settle_down(self) -> None:
        """Delivers until only timers are left."""
        for _ in range(100):
            if not any(one.schedule_at is None or one.schedule_at <= self.now for one in self.sender.tasks):
                return
            self.deliver()
        raise AssertionError("the executor does not come to rest")

    def wait(self, seconds: int = 12) -> None:
        """Time passes, and what is due is delivered."""
        self.now += timedelta(seconds=seconds)
        self.settle_down()

    def run_to_the_end(self) -> None:
        """Blocks come and time passes until nothing waits any more."""
        for _ in range(30):
            self.settle_down()
            self.chain.mine()
            if not self.sender.tasks:
                return
            self.wait()
        raise AssertionError("the executor does not come to an end")

    # --- what there is to see -----------------------------------------------------------------------------------------

    def rows(self, sql: str, **params: object) -> list[Any]:
        with self.owner.read() as conn:
            return list(conn.all(sql, **params))

    def value(self, sql: str, **params: object) -> Any:
        (row,) = self.rows(sql, **params)
        (value,) = row.values()
        return value

    def state(self, order: PayOrder) -> str:
        return str(self.value("select transfer_status from transfer where unique_id = :id", id=order.unique_id))

    def reason(self, order: PayOrder) -> str:
        return str(self.value("select reason from transfer where unique_id = :id", id=order.unique_id))

    def account(self) -> Any:
        (row,) = self.rows("select account_status, reason, next_nonce, drive_lease_by from account")
        return row

    def story(self, order: PayOrder) -> list[str]:
        rows = self.rows(
            "select event from history where machine = 'transfer' and subject = :id order by id", id=order.unique_id
        )
        return [row["event"] for row in rows]

    def alerts(self) -> list[str]:
        return [row["kind"] for row in self.rows("select kind from alert order by id")]

    def slots(self) -> list[Any]:
        return self.rows("select nonce, unique_id, outcome, hold_wei, gas_wei, evidence from slot order by nonce")

    def attempts(self) -> list[Any]:
        return self.rows(
            "select nonce, seq, kind, raw, tx_hash, cap_wei, first_send_started_at, first_block from attempt"
        )
