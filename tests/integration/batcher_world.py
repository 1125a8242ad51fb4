"""A batcher on a real database with its role's rights, an exchange and a chain in memory, and a conductor that is
played by the test: it pays, sees arrivals and reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from flask import Flask

from GCMicroBatchProcessor.batcher import Batcher, Terms
from GCMicroBatchProcessor.price_guard import GuardLimits
from GCMicroBatchProcessor.routes import routes_of
from shared.books import Balances, payment_received, post, totals, transfer_settled, usdt_arrived
from shared.db import Database, refusal_recorder
from shared.exchange import ETH_TO_USDT, Creation, ExchangeUnreadable, OrderRequest, Pair, Quote, QuoteRefused
from shared.exchange import Limits as Range
from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.lifecycle import Limits
from shared.messages import (
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_BATCHER_EXECUTED,
    CONDUCTOR_TO_BATCHER_FAILED,
    Edge,
    Keyring,
    PayBatch,
    SwapExecuted,
    SwapFailed,
    batch_unique_id,
    open_sealed,
    seal,
)
from shared.money import Ether, Percent, Price, Tether, Usd
from shared.queue import Destination, Outbox, Sealer
from shared.sandbox.fake_exchange import FakeExchange
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.fakes_chain import GWEI, FakeChain
from tests.unit.http_world import AUDIENCE, ISSUER, KnownKeys, bearer, issuer_key, settings

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEDULER = "scheduler@project.example"
CONDUCTOR = "conductor@project.example"
BATCHER_IDENTITY = "batcher@project.example"
KEYRING = Keyring(internal=["a secret of the fleet for tests"])
WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
FEED = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
ETH_TX, USDT_TX, REFUND_TX = "0x" + "e1" * 32, "0x" + "d2" * 32, "0x" + "f3" * 32
TERMS = Terms(
    threshold=Usd.parse("100"),
    funding="received",
    guard=GuardLimits(
        quote_band=Percent.parse("5"),
        order_value_band=Percent.parse("10"),
        max_transfer=Ether.parse("1"),
        max_gas_share=Percent.parse("10"),
        payment_value_band=Percent.parse("50"),
    ),
    result_band=Percent.parse("10"),
    exchange_decimals=8,
    gas_ceiling_wei=200 * GWEI,
    key_alias="primary",
    payout_address=WALLET,
    refund_address=WALLET,
    usdt_contract_address=USDT,
    price_feed_address=FEED,
    price_feed_max_age_s=3600,
    limits=Limits(),
)


class ProcessDied(Exception):
    """Stands for a process that ends at this line; nothing after it runs."""


class Exchange(FakeExchange):
    """The fake, with an answer to nothing on command, and a moment before it is asked for an order."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()  # "range", "estimate"
        self.refuses: QuoteRefused | None = None
        self.before_quoted: Callable[[], None] | None = None
        self.before_asked: Callable[[], None] | None = None
        self.asked = 0

    def range(self, pair: Pair) -> Range:
        self._read("range")
        return super().range(pair)

    def estimate(self, pair: Pair, amount: Ether) -> Quote:
        self._read("estimate")
        if self.before_quoted is not None:
            self.before_quoted()
        return super().estimate(pair, amount)

    def quote_price(self, pair: Pair, probe: Ether) -> Price:
        self._read("estimate")
        return super().quote_price(pair, probe)

    def create(self, request: OrderRequest) -> Creation:
        self.asked += 1
        if self.before_asked is not None:
            self.before_asked()
        return super().create(request)

    def _read(self, question: str) -> None:
        if question in self.unreadable:
            raise ExchangeUnreadable(question, "no answer")
        if self.refuses is not None:
            raise self.refuses


@dataclass
class Answered:
    """What the caller got."""

    status: int
    body: Any


@dataclass
class BatcherWorld:
    """One batcher and everything around it."""

    owner: Database
    batcher: Batcher
    sender: FakeTaskSender
    exchange: Exchange
    chain: FakeChain
    now: datetime = START
    _payments: int = 0
    _app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self._wire()

    @classmethod
    def of(cls, owner: Database, role: Database, terms: Terms = TERMS) -> BatcherWorld:
        sender, exchange, chain = FakeTaskSender(), Exchange(), FakeChain(1, {})
        chain.price = Price(2_500 * 10**8, 8)
        chain.base_fee_wei = GWEI
        destination = Destination("gchostpay1-batch-queue", "https://conductor.test")
        outbox = Outbox(role, sender, Sealer(KEYRING, {BATCHER_TO_CONDUCTOR: destination}), uuid4)
        return cls(owner, Batcher(role, outbox, exchange, chain, uuid4, terms), sender, exchange, chain)

    def _wire(self) -> None:
        self._app = create_service(
            settings(),
            "batcher",
            routes_of(self.batcher, [SCHEDULER], [CONDUCTOR], [BATCHER_IDENTITY]),
            [],
            refusal_recorder(self.batcher.database),
            keyring=KEYRING,
            clock=lambda: self.now,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )

    def with_terms(self, *, guard: Mapping[str, Any] | None = None, **changed: Any) -> None:
        """Other settings, as after a new deployment."""
        terms = replace(self.batcher.terms, **changed)
        if guard is not None:
            terms = replace(terms, guard=replace(terms.guard, **guard))
        self.batcher = replace(self.batcher, terms=terms)
        self._wire()

    def with_batcher(self, batcher: Batcher) -> None:
        """Other doors."""
        self.batcher = batcher
        self._wire()

    def wait(self, **span: int) -> None:
        self.now += timedelta(**span)

    # --- what others do -----------------------------------------------------------------------------------------------

    def a_payment(self, usd: str, eth: str | None = None) -> int:
        """A pending payment as intake leaves it, with its books; the ETH by default at 2,500 USD. Its id."""
        worth = Usd.parse(usd)
        net = Price(2_500, 0).ether_for(worth) if eth is None else Ether.parse(eth)
        return self.a_payment_of(worth, net)

    def a_payment_of(self, worth: Usd, net: Ether | None) -> int:
        self._payments += 1
        reference = f"payment-{self._payments}"
        with self.owner.transaction() as conn:
            row = conn.one(
                """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id,
                       client_wallet_address, client_payout_currency, client_payout_network, payment_timestamp,
                       raw_amount_text, payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros,
                       pending_usd_amount_micros, gross_wei, fee_wei, net_wei, conversion_status, created_at,
                       updated_at)
                   values (:ref, '', 1, '1', '0x', 'usdt', 'eth', '', '', :usd, 0, 0, :usd, :net,
                       case when :net::numeric is null then null else 0 end, :net, 'pending', :now, :now)
                   returning id""",
                ref=reference,
                usd=worth.micros,
                net=None if net is None else net.wei,
                now=self.now,
            )
            assert row is not None
            if net is not None:
                post(conn, payment_received(reference, net, Ether.zero(), net), self.now, "t")
        return int(row["id"])

    def payments(self, *usd: str) -> list[int]:
        return [self.a_payment(each) for each in usd]

    def is_paid(self, batch: UUID, usdt: str, *, order_status: str = "finished") -> SwapExecuted:
        """What conductor and executor leave when the order was paid and its USDT arrived; the report about it."""
        order = self.adopted(batch)
        arrived = Tether.parse(usdt)
        self.a_request(batch, eth_tx_hash=ETH_TX)
        with self.owner.transaction() as conn:
            post(
                conn, transfer_settled(batch_unique_id(str(batch)), Ether(order["amount_wei"]), Ether(1)), self.now, "t"
            )
            conn.run(
                """insert into arrival (tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract,
                       from_address, to_address, usdt_units, block_number, block_hash, recorded_at)
                   values (:tx, :log, :batch, :cn, :token, '0x', :wallet, :units, 1, '0x', :now)""",
                tx=USDT_TX,
                log=self.only("select count(*) as n from arrival")["n"],
                batch=batch,
                cn=order["cn_api_id"],
                token=USDT,
                wallet=WALLET,
                units=arrived.units,
                now=self.now,
            )
            conn.run(
                "update exchange_order set order_status = :status where id = :id", status=order_status, id=order["id"]
            )
            post(conn, usdt_arrived(str(batch), arrived), self.now, "t")
        return SwapExecuted(str(batch), order["cn_api_id"], ETH_TX, USDT_TX, arrived.units)

    def a_request(self, batch: UUID, *, status: str = "reported", eth_tx_hash: str | None = None) -> None:
        """The conductor has taken the batch's order."""
        order = self.adopted(batch)
        self.write(
            """insert into hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei,
                   payin_address, request_status, eth_tx_hash, polls, created_at, updated_at)
               values (:id, 'batch', :batch, :order, :cn, :amount, :payin, :status, :tx, 0, :now, :now)""",
            id=batch_unique_id(str(batch)),
            batch=batch,
            order=order["id"],
            cn=order["cn_api_id"],
            amount=order["amount_wei"],
            payin=order["payin_address"],
            status=status,
            tx=eth_tx_hash,
            now=self.now,
        )

    def pause_batching(self, expires_at: datetime | None = None) -> None:
        self.write(
            """insert into pause (stage, reason, paused_by, paused_at, expires_at)
               values ('batching', 'a drill', 'ops', :now, :expires_at)""",
            now=self.now,
            expires_at=expires_at,
        )

    # --- what the batcher is asked ------------------------------------------------------------------------------------

    def tick(self) -> Answered:
        return self.post("/check-threshold", b"", SCHEDULER)

    def sweep(self) -> Answered:
        return self.post("/sweep", b"", SCHEDULER)

    def report(self, message: SwapExecuted | SwapFailed, *, as_task: bool = True) -> Answered:
        """The conductor's report, through its queue."""
        task = {"X-CloudTasks-TaskName": f"outbox-{uuid4()}"} if as_task else {}
        return self.post(_edge_of(message).route, self.sealed(message), CONDUCTOR, task)

    def sealed(self, message: SwapExecuted | SwapFailed) -> bytes:
        """The body of the task that carries the message."""
        return json.dumps({"token": seal(_edge_of(message), message, KEYRING, uuid4().bytes, self.now)}).encode()

    def post(self, path: str, body: bytes, caller: str, more: Mapping[str, str] | None = None) -> Answered:
        response = self._app.test_client().post(path, data=body, headers=_identity(caller) | dict(more or {}))
        return Answered(response.status_code, response.get_json())

    def a_batch(self, *usd: str) -> UUID:
        """Payments, and the batch of them with its adopted order."""
        self.payments(*usd)
        answer = self.tick()
        assert answer.body.get("cn_api_id"), answer.body
        return UUID(answer.body["batch_conversion_id"])

    # --- what there is to see -----------------------------------------------------------------------------------------

    def rows(self, sql: str, **params: object) -> list[Any]:
        with self.owner.read() as conn:
            return list(conn.all(sql, **params))

    def only(self, sql: str, **params: object) -> Any:
        (row,) = self.rows(sql, **params)
        return row

    def column(self, sql: str, **params: object) -> list[Any]:
        """The one column of every row."""
        return [next(iter(row.values())) for row in self.rows(sql, **params)]

    def write(self, sql: str, **params: object) -> None:
        with self.owner.transaction() as conn:
            conn.run(sql, **params)

    def adopted(self, batch: UUID) -> Any:
        return self.only(
            "select * from exchange_order where batch_conversion_id = :batch and order_status = 'adopted'", batch=batch
        )

    def batch(self, batch: UUID | None = None) -> Any:
        """The batch's row; without an id there must be exactly one."""
        if batch is None:
            return self.only("select * from batch_conversions")
        return self.only("select * from batch_conversions where batch_conversion_id = :batch", batch=batch)

    def statuses(self) -> list[str]:
        return self.column("select conversion_status from payout_accumulation order by id")

    def shares(self) -> list[int | None]:
        return self.column("select converted_usdt_amount_units from payout_accumulation order by id")

    def order_statuses(self) -> list[str]:
        return self.column("select order_status from exchange_order order by id")

    def outcomes(self) -> list[str]:
        return self.column("select outcome from threshold_check order by id")

    def alerts(self) -> list[str]:
        return self.column("select kind from alert order by id")

    def story(self, machine: str, subject: object) -> list[str]:
        return self.column(
            "select event from history where machine = :machine and subject = :subject order by id",
            machine=machine,
            subject=str(subject),
        )

    def books(self) -> Balances:
        """The balances, after it was checked that they sum to zero."""
        with self.owner.read() as conn:
            balances = totals(conn)
        assert balances.eth_sum() == Ether.zero()
        assert balances.usdt_sum() == Tether.zero()
        return balances

    def messages(self) -> list[PayBatch]:
        """What was sent to the conductor since the last look."""
        opened = [
            open_sealed(BATCHER_TO_CONDUCTOR, json.loads(task.body)["token"], KEYRING, self.now).message
            for task in self.sender.take()
        ]
        assert all(isinstance(message, PayBatch) for message in opened)
        return [message for message in opened if isinstance(message, PayBatch)]

    def snapshot(self) -> dict[str, Any]:
        """Everything that money depends on, to show that nothing changed."""
        tables = ("payout_accumulation", "batch_conversions", "batch_member", "exchange_order", "posting", "history")
        return {table: self.rows(f"select * from {table} order by 1, 2") for table in tables}


def _edge_of(message: SwapExecuted | SwapFailed) -> Edge:
    return CONDUCTOR_TO_BATCHER_EXECUTED if isinstance(message, SwapExecuted) else CONDUCTOR_TO_BATCHER_FAILED


@cache
def _identity(caller: str) -> dict[str, str]:
    return bearer(caller)


__all__ = ["ETH_TO_USDT", "ETH_TX", "REFUND_TX", "START", "TERMS", "USDT_TX", "BatcherWorld", "Exchange", "ProcessDied"]
