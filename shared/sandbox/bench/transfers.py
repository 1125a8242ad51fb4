"""The executor's lines: a nonce is reserved, its bytes are signed and stored. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from time import perf_counter
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from GCHostPay3 import store
from GCHostPay3.approve import account_of
from GCHostPay3.executor import Executor, Task
from GCHostPay3.policy import PayLimits
from GCHostPay3.promised import PromisedNonces
from GCHostPay3.reserve import reserve_next
from GCHostPay3.sign import sign_slot
from shared.chain import LocalSigner
from shared.chain.careful import CarefulSigner
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.lifecycle import TransferState
from shared.money import Ether
from shared.queue import Outbox, Sealer
from shared.sandbox.bench.fill import Fill
from shared.sandbox.bench.place import LIMITS, Place
from shared.sandbox.bench.report import Line, Round
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.fakes_archive import fake_archive
from shared.sandbox.fakes_chain import GWEI, FakeChain
from shared.sandbox.simulator.fleet import KEYRING

if TYPE_CHECKING:
    from GCHostPay3.records import Account

_IN_FLIGHT: Final = 16  # INFLIGHT_CAP at its largest
_LIMITS: Final = PayLimits(
    max_transfer=Ether.parse("1"),
    max_daily=Ether.parse("1000000"),
    gas_reserve=Ether.parse("0.01"),
    max_fee_per_gas_wei=200 * GWEI,
    inflight_cap=_IN_FLIGHT,
    max_transfers_per_hour=10_000,
)
_TABLES: Final = """
    CREATE TABLE account (address text, chain_id bigint, next_nonce bigint NOT NULL, PRIMARY KEY (address, chain_id));
    CREATE TABLE slot (address text, chain_id bigint, nonce bigint, unique_id text UNIQUE NOT NULL,
        gas_limit bigint NOT NULL, hold_wei numeric(78, 0) NOT NULL, reserved_at timestamptz NOT NULL,
        PRIMARY KEY (address, chain_id, nonce));
    CREATE TABLE attempt (address text, chain_id bigint, nonce bigint, seq integer, kind text NOT NULL,
        raw bytea NOT NULL, tx_hash text UNIQUE NOT NULL, tip_wei numeric(78, 0) NOT NULL,
        cap_wei numeric(78, 0) NOT NULL,
        signed_at timestamptz NOT NULL, PRIMARY KEY (address, chain_id, nonce, seq));
    INSERT INTO account VALUES ('the wallet', 1, 0);
"""
_SCRIPT: Final = """
\\set a random(1, 9000000000000000000)
BEGIN;
UPDATE account SET next_nonce = next_nonce + 1 WHERE address = 'the wallet' AND chain_id = 1
RETURNING next_nonce - 1 AS nonce \\gset
INSERT INTO slot VALUES ('the wallet', 1, :nonce, 'batch_' || :a, 26250, 6805250000000000, '2026-11-20T20:17:00Z');
COMMIT;
BEGIN;
INSERT INTO attempt VALUES ('the wallet', 1, :nonce, 1, 'pay', decode(repeat('ab', 117), 'hex'), '0x' || :a, 1000000000,
    21000000000, '2026-11-20T20:17:00Z');
COMMIT;
"""
BATCHED_MISSING: Final = (
    "there is no batched reservation: a drive does one thing, so that a crash leaves one to look at"
)


def measure(place: Place, fill: Fill, rounds: int, transfers: int, seconds: int) -> Iterator[Line]:
    """One transfer after the other, as a drive does it: a wallet is driven by one task at a time (its lease)."""
    prepare_limit(place)
    with closing(place.database(EXECUTOR)) as database:
        x = _executor(database)
        task = Task(fill.now, "0" * 32)
        account = account_of(x, task)
        _pay(x, fill, account, _IN_FLIGHT)  # the connection is open and its statements prepared
        found: list[Round] = [
            (_pay(x, fill, account, transfers), place.pgbench(_SCRIPT, seconds)) for _ in range(rounds)
        ]
    note = f"{transfers} transfers of one wallet, never more than {_IN_FLIGHT} in flight; the chain answers from memory"
    yield Line("reserve", found, transfers, {}, note)
    yield Line("reserve_batched", (), missing=BATCHED_MISSING)


def prepare_limit(place: Place) -> None:
    """The tables of P. Repeating it begins them anew."""
    with place.preparing(LIMITS) as database, database.transaction() as conn:
        conn.script(f"DROP TABLE IF EXISTS account, slot, attempt; {_TABLES}")


def _executor(database: Database) -> Executor:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: Ether.parse("1000000").wei})
    signer = CarefulSigner(LocalSigner(HOST_WALLET.private_key), PromisedNonces(database))
    outbox = Outbox(database, FakeTaskSender(), Sealer(KEYRING, {}), uuid4)
    return Executor(database, chain, signer, outbox, _LIMITS, CHAIN_ID, fake_archive())


def _pay(x: Executor, fill: Fill, account: Account, transfers: int) -> float:
    """Transfers per second. Between two handfuls the slots become final, outside of what is timed."""
    spent_s = 0.0
    for first in range(0, transfers, _IN_FLIGHT):
        handful = min(_IN_FLIGHT, transfers - first)
        fill.to_pay(handful, account.address, account.chain_id)
        block = x.chain.agreed_finalized()
        began_s = perf_counter()
        for _ in range(handful):
            task = Task(fill.now, "0" * 32)
            did = reserve_next(x, account, block, task)
            assert did == "slot_reserved", did
            with x.db.read() as conn:
                slots = store.open_slots(conn, account)
            slot, transfer = next(each for each in slots if each[1].state is TransferState.RESERVED)
            assert sign_slot(x, transfer, slot, task) == "attempt_signed"
        spent_s += perf_counter() - began_s
    return transfers / spent_s
