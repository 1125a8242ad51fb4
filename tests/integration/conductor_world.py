"""A conductor on a real database with its role's rights; exchange, chain and tasks are in memory and obey the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from GCHostPay1.conductor import Conductor, Terms
from GCHostPay1.find_result import Look, find_result
from GCHostPay1.hear_check import hear_check
from GCHostPay1.hear_transfer import hear_transfer
from GCHostPay1.sweep import Swept, sweep
from GCHostPay1.take_request import Taken, take_batch, take_instant
from shared.books import Account, post, totals, transfer_settled
from shared.chain import Arrivals, EtherArrival, EtherReceived, NotFound, ProvidersUnavailable, TokenTransfer
from shared.db import Database
from shared.db.roles import CONDUCTOR
from shared.exchange import ExchangeStatus, OrderSeen, Reading
from shared.lifecycle import Limits, RequestState
from shared.messages import (
    ALL_EDGES,
    CheckArrival,
    InstantPayout,
    Keyring,
    Message,
    OrderChecked,
    PayBatch,
    TransferFinal,
    batch_unique_id,
    decode_body,
    open_sealed,
)
from shared.money import Ether, Tether
from shared.queue import Destination, Outbox, Sealer
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fake_exchange import FakeExchange
from shared.sandbox.fakes import FakeTask, FakeTaskSender
from shared.sandbox.fakes_chain import FakeChain
from tests.conftest import TEMPLATE, Postgres

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE = "t" * 32
DEPOSIT = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
EXCHANGE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
USDT_CONTRACT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
USDT_WALLET = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
STRANGER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
SOME_ETH = Ether(40_000_000_000_000_000)
SOME_USDT = Tether(97_000_000)
ETH_TX, USDT_TX, REFUND_TX = ("0x" + digits * 32 for digits in ("e1", "5d", "ab"))
TERMS = Terms(
    usdt_contract=USDT_CONTRACT,
    eth_wallet=HOST_WALLET.address,
    usdt_wallet=USDT_WALLET,
    instant_max=Ether(10**18),
    max_transfer=Ether(2 * 10**18),
    key_alias="primary",
    limits=Limits(),
)
KEYRING = Keyring(internal=["a secret of the fleet for tests"], external=["a secret of the upstream for tests"])
_HASH = re.compile("0x[0-9a-fA-F]{64}")
WRITTEN = ("hostpay_request", "exchange_order", "arrival", "history", "posting", "book_entry", "outbox", "alert")
EMPTIED = (
    "slot",
    "transfer",
    "account",
    "book_entry",
    "posting",
    "arrival",
    "hostpay_request",
    "exchange_order",
    "batch_conversions",
    "history",
    "outbox",
    "alert",
    "refused_message",
)
M = TypeVar("M", bound=Message)


class ToldExchange(FakeExchange):
    """An exchange whose orders the test writes; it counts how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Reading] = {}
        self.reads = 0
        self.while_reading: Callable[[], object] | None = None

    def read(self, cn_api_id: str) -> Reading:
        self.reads += 1
        if self.while_reading is not None:
            self.while_reading()
        return self.told[cn_api_id] if cn_api_id in self.told else super().read(cn_api_id)


class ToldChain(FakeChain):
    """A chain whose arrivals the test writes. Like the real one it finds a hash in either case, and nothing else."""

    def __init__(self) -> None:
        super().__init__(CHAIN_ID, {})
        self.logs: dict[str, list[tuple[str, TokenTransfer]]] = {}
        self.payouts: dict[str, Arrivals] = {}  # instead of logs: not final, reverted
        self.ether: dict[str, EtherArrival] = {}
        self.trouble: Exception | None = None

    def usdt_arrivals(self, tx_hash: str, token: str, to: str) -> Arrivals:
        tx_hash = self._found(tx_hash)
        if tx_hash in self.logs:
            return [log for contract, log in self.logs[tx_hash] if (contract, log.to) == (token, to)]
        return self.payouts.get(tx_hash, NotFound())

    def ether_received(self, tx_hash: str, to: str) -> EtherArrival:
        return self.ether.get(self._found(tx_hash), NotFound())

    def _found(self, tx_hash: str) -> str:
        if self.trouble is not None:
            raise self.trouble
        if not _HASH.fullmatch(tx_hash):  # no provider understands the question
            raise ProvidersUnavailable("transaction", dict.fromkeys(self.providers, "ValueError"))
        return tx_hash.lower()


@contextmanager
def conductor_databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    """One database for all tests of a module, as its owner and as the conductor; `World.empty` empties it."""
    name = postgres.create(TEMPLATE)
    owner, role = postgres.connect(name), postgres.connect(name, CONDUCTOR)
    try:
        yield owner, role
    finally:
        owner.close()
        role.close()
        postgres.drop(name)


@dataclass
class World:
    """One conductor, the owner's view of its database, and the clock."""

    owner: Database
    c: Conductor
    sender: FakeTaskSender
    exchange: ToldExchange
    chain: ToldChain
    now: datetime = START
    taken: list[FakeTask] = field(default_factory=list)

    @classmethod
    def of(cls, owner: Database, role: Database, terms: Terms = TERMS) -> World:
        sender, exchange, chain = FakeTaskSender(), ToldExchange(), ToldChain()
        destinations = {
            edge: Destination(edge.queue, f"https://{edge.consumer}.test")
            for edge in ALL_EDGES
            if edge.producer == "conductor"
        }
        outbox = Outbox(role, sender, Sealer(KEYRING, destinations), uuid4)
        return cls(owner, Conductor(role, outbox, exchange, chain, terms), sender, exchange, chain)

    @classmethod
    def empty(cls, databases: tuple[Database, Database]) -> World:
        """A new world on databases that another one may have used."""
        owner, role = databases
        with owner.transaction() as conn:
            conn.script("; ".join(f"DELETE FROM {table}" for table in EMPTIED))
        return cls.of(owner, role)

    def with_terms(self, **changed: Any) -> None:
        self.c = replace(self.c, terms=replace(self.c.terms, **changed))

    # --- what others do -----------------------------------------------------------------------------------------------

    def a_batch(
        self,
        amount: Ether = SOME_ETH,
        *,
        order_status: str = "adopted",
        payin: str = DEPOSIT,
        from_currency: str = "eth",
        shown: bool = True,
    ) -> PayBatch:
        """Batch and order as the batcher leaves them, shown by the exchange, and the message that asks for payment."""
        batch = uuid4()
        cn_api_id = uuid4().hex[:14]
        with self.owner.transaction() as conn:
            conn.run(
                """insert into batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
                       total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei,
                       dust_out_wei, expected_usdt_units, feed_answer, feed_decimals, created_at, updated_at)
                   values (:batch, 'swapping', 'received', 1, 100000000, 1, :amount, 0, :amount, 0, 97000000, 1, 8,
                       :now, :now)""",
                batch=batch,
                amount=amount.wei,
                now=self.now,
            )
            conn.run(
                """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
                       from_network, to_currency, to_network, amount_wei, payout_address, refund_address, cn_api_id,
                       payin_address, key_alias, created_at, updated_at)
                   values ('batch', :batch, 1, :status, :currency, 'eth', 'usdt', 'eth', :amount, :payout, :refund,
                       :cn_api_id, :payin, 'primary', :now, :now)""",
                batch=batch,
                status=order_status,
                currency=from_currency,
                amount=amount.wei,
                payout=USDT_WALLET,
                refund=HOST_WALLET.address,
                cn_api_id=cn_api_id,
                payin=payin,
                now=self.now,
            )
        if shown:
            self.exchange.told[cn_api_id] = an_order_seen(cn_api_id, expected_from=amount, payin_address=payin.lower())
        return PayBatch(str(batch), cn_api_id, "eth", "eth", amount.wei, payin)

    def an_instant(self, amount: Ether = SOME_ETH, **seen: Any) -> InstantPayout:
        """An order that an upstream opened at the exchange, and the message that asks for it to be paid."""
        cn_api_id = uuid4().hex[:14]
        told = {"expected_from": amount, "payout_address": STRANGER, "refund_address": STRANGER} | seen
        self.exchange.told[cn_api_id] = an_order_seen(cn_api_id, **told)
        return InstantPayout(f"up-{uuid4().hex[:12]}", cn_api_id, "eth", "eth", amount.wei, DEPOSIT)

    def a_transfer(self, of: PayBatch | InstantPayout, status: str, tx_hash: str | None = ETH_TX, **row: Any) -> None:
        """The executor's rows for this request; a proof names the transaction when the transfer is settled."""
        values: dict[str, Any] = {"value_wei": of.amount_wei, "to_address": of.payin_address, "cn_api_id": of.cn_api_id}
        values |= row
        with self.owner.transaction() as conn:
            conn.run(
                """insert into account (address, chain_id, account_status, next_nonce, created_at, updated_at)
                   values ('0xwallet', 1, 'active', 0, :now, :now) on conflict do nothing""",
                now=self.now,
            )
            conn.run(
                """insert into transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id,
                       account_address, chain_id, to_address, value_wei, transfer_status, reason, created_at,
                       updated_at)
                   select :unique_id, '', r.context, r.batch_conversion_id, :cn_api_id, r.order_id, '0xwallet', 1,
                          :to_address, :value_wei, :status, :reason, :now, :now
                     from hostpay_request r where r.unique_id = :unique_id""",
                unique_id=unique_id_of(of),
                status=status,
                reason="a rule forbids it" if status == "held" else None,
                now=self.now,
                **values,
            )
        if status in ("settled", "reverted", "cancelled", "foreign") and tx_hash is not None:
            self.set_transfer(of, status, tx_hash)

    def set_transfer(self, of: PayBatch | InstantPayout, status: str, tx_hash: str | None = ETH_TX) -> None:
        """How the transfer goes on, with the evidence of its slot when it ended."""
        unique_id = unique_id_of(of)
        self.write("update transfer set transfer_status = :s where unique_id = :id", s=status, id=unique_id)
        self.write(
            """insert into slot (account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, outcome, evidence,
                   reserved_at, final_at)
               select '0xwallet', 1, (select count(*) from slot), :id, 21000, 0, :s, :evidence::jsonb, :now, :now""",
            id=unique_id,
            s=status,
            evidence=f'{{"tx_hash": "{tx_hash}"}}' if tx_hash else "{}",
            now=self.now,
        )

    def says(self, of: PayBatch | InstantPayout, status: str, **seen: Any) -> None:
        """The exchange shows this of the order from now on."""
        before = self.exchange.told.get(of.cn_api_id)
        if not isinstance(before, OrderSeen):
            before = an_order_seen(of.cn_api_id, expected_from=Ether(of.amount_wei))
        self.exchange.told[of.cn_api_id] = replace(before, status=status, **({"known": known(status)} | seen))

    def pays_usdt(
        self,
        amount: Tether = SOME_USDT,
        tx_hash: str = USDT_TX,
        *,
        log_index: int = 3,
        to: str = USDT_WALLET,
        token: str = USDT_CONTRACT,
    ) -> None:
        """A finalized transaction has this Transfer log; called again with the same hash it has one more."""
        log = TokenTransfer(tx_hash, log_index, 120, "0x" + "b1" * 32, EXCHANGE, to, amount.units)
        self.chain.logs.setdefault(tx_hash, []).append((token, log))

    def sends_back(self, amount: Ether, tx_hash: str = REFUND_TX, *, sender: str = EXCHANGE) -> None:
        """A finalized transaction carries this ETH to our wallet."""
        self.chain.ether[tx_hash] = EtherReceived(
            tx_hash, 130, "0x" + "b2" * 32, sender, HOST_WALLET.address, amount.wei
        )

    # --- what the conductor does --------------------------------------------------------------------------------------

    def take(self, asked: PayBatch | InstantPayout) -> Taken:
        if isinstance(asked, PayBatch):
            return take_batch(self.c, asked, self.now, TRACE)
        return take_instant(self.c, asked, self.now, TRACE)

    def checked(
        self, of: PayBatch | InstantPayout, verdict: str = "payable", *, read_at: datetime | None = None
    ) -> RequestState:
        heard = OrderChecked(unique_id_of(of), of.cn_api_id, verdict, "waiting", "the watcher's sentence")
        return hear_check(self.c, heard, read_at or self.now, self.now, TRACE)

    def transferred(
        self, of: PayBatch | InstantPayout, outcome: str = "settled", tx_hash: str = ETH_TX, amount_wei: int = 0
    ) -> RequestState:
        heard = TransferFinal(unique_id_of(of), of.cn_api_id, outcome, tx_hash, amount_wei or of.amount_wei)
        return hear_transfer(self.c, heard, self.now, TRACE)

    def look(self, of: PayBatch | InstantPayout, poll: int | None = None) -> Look:
        """One look at the order; by default with the note that is due."""
        number = self.request(of)["polls"] + 1 if poll is None else poll
        return find_result(self.c, CheckArrival(unique_id_of(of), of.cn_api_id, number), self.now, TRACE)

    def sweep(self) -> Swept:
        return sweep(self.c, self.now, TRACE)

    def wait(self, **time: int) -> None:
        self.now += timedelta(**time)

    def a_paying_batch(self, amount: Ether = SOME_ETH) -> PayBatch:
        asked = self.a_batch(amount)
        self.take(asked)
        assert self.checked(asked) is RequestState.PAYING
        return asked

    def a_watched_batch(self, amount: Ether = SOME_ETH, tx_hash: str = ETH_TX) -> PayBatch:
        """A batch whose order is paid for good and whose result is awaited."""
        asked = self.a_paying_batch(amount)
        self.watch(asked, tx_hash)
        return asked

    def a_watched_instant(self, amount: Ether = SOME_ETH) -> InstantPayout:
        asked = self.an_instant(amount)
        self.take(asked)
        self.checked(asked)
        self.watch(asked)
        return asked

    def watch(self, asked: PayBatch | InstantPayout, tx_hash: str = ETH_TX) -> None:
        self.a_transfer(asked, "settled", tx_hash)
        self.books_of_transfer(asked)
        assert self.transferred(asked, tx_hash=tx_hash) is RequestState.WATCHING

    def books_of_transfer(self, asked: PayBatch | InstantPayout) -> None:
        """What the executor books when the transfer is settled: the order's ETH is in transit."""
        with self.owner.transaction() as conn:
            posting = transfer_settled(unique_id_of(asked), Ether(asked.amount_wei), Ether.zero())
            post(conn, posting, self.now, TRACE)

    # --- what there is to see -----------------------------------------------------------------------------------------

    def write(self, sql: str, **params: object) -> None:
        with self.owner.transaction() as conn:
            conn.run(sql, **params)

    def rows(self, sql: str, **params: object) -> list[Any]:
        with self.owner.read() as conn:
            return list(conn.all(sql, **params))

    def count(self, table: str) -> int:
        (row,) = self.rows(f"select count(*) as n from {table}")
        return int(row["n"])

    def request(self, of: PayBatch | InstantPayout) -> Any:
        (row,) = self.rows("select * from hostpay_request where unique_id = :id", id=unique_id_of(of))
        return row

    def state(self, of: PayBatch | InstantPayout) -> str:
        return str(self.request(of)["request_status"])

    def order(self, of: PayBatch | InstantPayout) -> Any:
        (row,) = self.rows("select * from exchange_order where cn_api_id = :id", id=of.cn_api_id)
        return row

    def story(self, of: PayBatch | InstantPayout, machine: str = "request") -> list[str]:
        subject = unique_id_of(of) if machine == "request" else str(self.order(of)["id"])
        rows = self.rows(
            "select event from history where machine = :m and subject = :s order by id", m=machine, s=subject
        )
        return [row["event"] for row in rows]

    def alerts(self, kind: str | None = None) -> list[str]:
        rows = self.rows("select kind, message from alert where kind = coalesce(:kind, kind) order by id", kind=kind)
        return [row["kind"] if kind is None else row["message"] for row in rows]

    def messages(self, kind: type[M], of: PayBatch | InstantPayout | None = None) -> list[M]:
        """Every message of this kind that was ever committed to the outbox, oldest first."""
        rows = self.rows(
            "select message_type, body from outbox where message_type = :type order by created_at, id", type=kind.TYPE
        )
        found = [decode_body(row["message_type"], bytes(row["body"])) for row in rows]
        mine = [one for one in found if of is None or getattr(one, "cn_api_id", None) == of.cn_api_id]
        return [one for one in mine if isinstance(one, kind)]

    def outstanding_looks(self, of: PayBatch | InstantPayout) -> list[int]:
        """The numbers of the notes that will make a look when they are delivered."""
        due = self.request(of)["polls"] + 1
        return [note.poll for note in self.messages(CheckArrival, of) if note.poll == due]

    def tasks(self) -> list[tuple[Message, datetime | None]]:
        """The tasks that were made since the last call, opened as their receiver would at the time they run."""
        tasks = self.sender.take()
        self.taken += tasks
        return [(self.open(task), task.schedule_at) for task in tasks]

    def open(self, task: FakeTask) -> Message:
        token = task.body.decode().split('"')[3]
        return open_sealed(ALL_EDGES_OF_CONDUCTOR, token, KEYRING, task.schedule_at or self.now).message

    def books(self) -> tuple[dict[str, int], dict[str, int]]:
        """The accounts that are not empty: wei, and USDT units."""
        with self.owner.read() as conn:
            balances = totals(conn)
        assert balances.eth_sum().is_zero()
        assert balances.usdt_sum().is_zero()
        return _used(balances.eth), _used(balances.usdt)

    def everything(self) -> dict[str, list[Any]]:
        """All rows of the tables that the conductor writes, to show that nothing changed."""
        return {table: self.rows(f"select * from {table} as t order by t::text") for table in WRITTEN}


ALL_EDGES_OF_CONDUCTOR: Sequence[Any] = [edge for edge in ALL_EDGES if edge.producer == "conductor"]


def _used(accounts: Any) -> dict[str, int]:
    assert all(isinstance(account, Account) for account in accounts)
    return {account.value: amount.base_units for account, amount in accounts.items() if not amount.is_zero()}


def unique_id_of(asked: PayBatch | InstantPayout) -> str:
    return batch_unique_id(asked.batch_conversion_id) if isinstance(asked, PayBatch) else asked.unique_id


def batch_id(asked: PayBatch) -> UUID:
    return UUID(asked.batch_conversion_id)


def known(status: str) -> ExchangeStatus | None:
    return ExchangeStatus(status) if status in ExchangeStatus._value2member_map_ else None


def an_order_seen(cn_api_id: str, **told: Any) -> OrderSeen:
    """An order as the exchange shows it while it waits: addresses in lower case, what it does not know yet null."""
    fields: dict[str, Any] = {
        "cn_api_id": cn_api_id,
        "status": "waiting",
        "from_currency": "eth",
        "from_network": "eth",
        "to_currency": "usdt",
        "to_network": "eth",
        "payin_address": DEPOSIT.lower(),
        "payin_extra_id": None,
        "payout_address": USDT_WALLET.lower(),
        "refund_address": HOST_WALLET.address,
        "expected_from": SOME_ETH,
        "expected_to_text": "97",
        "amount_from": None,
        "amount_to_text": None,
        "amount_to": None,
        "payin_hash": None,
        "payout_hash": None,
        "refund_hash": None,
        "refund_amount_text": None,
        "updated_at_text": None,
    } | told
    return OrderSeen(**({"known": known(fields["status"])} | fields))
