"""The batcher's three lines: the pending total, the claim of a batch, and the shares of one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from uuid import uuid4

from GCMicroBatchProcessor import store
from GCMicroBatchProcessor.batcher import MOST_MEMBERS, Batcher, Terms
from GCMicroBatchProcessor.distribute import distribute
from GCMicroBatchProcessor.form_batch import amounts_received, claim
from GCMicroBatchProcessor.price_guard import GuardLimits, Market
from shared.db.roles import BATCHER
from shared.lifecycle import Limits
from shared.money import Ether, Percent, Price, Tether, Usd
from shared.queue import Outbox, Sealer
from shared.sandbox.bench.fill import QUERIES, Fill
from shared.sandbox.bench.place import Place
from shared.sandbox.bench.report import Line, Round
from shared.sandbox.chain.accounts import HOST_WALLET
from shared.sandbox.fake_exchange import FakeExchange
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.fakes_chain import GWEI, FakeChain
from shared.sandbox.simulator.fleet import KEYRING

_FEED = Price(2_500 * 10**8, 8)
_LOOKS = 20
_MS = 1_000
_TERMS = Terms(
    threshold=Usd.parse("100"),
    funding="received",
    guard=GuardLimits(
        Percent.parse("5"), Percent.parse("20"), Ether.parse("1000000"), Percent.parse("10"), Percent.parse("50")
    ),
    result_band=Percent.parse("10"),
    exchange_decimals=8,
    gas_ceiling_wei=200 * GWEI,
    key_alias="primary",
    payout_address=HOST_WALLET.address,
    refund_address=HOST_WALLET.address,
    usdt_contract_address="0xdAC17F958D2ee523a2206206994597C13D831ec7",
    price_feed_address="0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    price_feed_max_age_s=3_600,
    limits=Limits(),
)


@dataclass(frozen=True)
class Batches:
    """The batcher on a filled place. `sizes`: how many payments; the first is the one that the targets are about."""

    place: Place
    fill: Fill
    sizes: Sequence[int]
    rounds: int

    def pending(self, finished: Sequence[int]) -> Iterator[Line]:
        """The pending total of few payments, and of more; growth is what ten times as many finished ones cost.

        `finished`: how many there must be, one figure after the other; the last is what the line is about.
        """
        least = min(self.sizes)
        with _batcher(self.place) as batcher:
            before: list[float] = []
            behind = 0
            for wanted in finished:
                self.fill.finished(wanted - behind)
                behind = wanted
                self._settle()
                self._only_pending(least)
                rounds = [self._look(batcher, _LOOKS) for _ in range(self.rounds)]
                before.append(median(ours for ours, _ in rounds))
            growth = before[-1] / before[0]
            note = f"{least:,} pending beside {behind:,} finished; growth from {finished[0]:,} finished"
            yield Line("pending", rounds, least, {"growth": growth} if len(finished) > 1 else {}, note)
            for size in sorted(self.sizes):
                if size != least:
                    self._only_pending(size)
                    yield Line("pending", [self._look(batcher, _LOOKS) for _ in range(self.rounds)], size)

    def claim(self) -> Iterator[Line]:
        """The reading of what is pending and the claim of all of it, or of as many as a batch may have."""
        with _batcher(self.place) as batcher:
            for size in self.sizes:
                rounds = [self._claim(batcher, size) for _ in range(self.rounds)]
                taken = min(size, MOST_MEMBERS)
                yield Line("claim", rounds, size, {}, f"{taken:,} of {size:,} pending")

    def distribution(self) -> Iterator[Line]:
        """The shares of a batch of so many payments, all in one commit."""
        with _batcher(self.place) as batcher:
            lines = [(size, [self._distribute(batcher, size) for _ in range(self.rounds)]) for size in self.sizes]
            seconds_of = {size: size / median(ours for ours, _ in rounds) for size, rounds in lines}
            grown = seconds_of.get(100_000, 0.0) / seconds_of[10_000] if 10_000 in seconds_of else 0.0
            for number, (size, rounds) in enumerate(lines):
                yield Line("distribution", rounds, size, {"growth": grown} if grown and number == 0 else {})

    def _look(self, batcher: Batcher, times: int) -> Round:
        def ours() -> None:
            for _ in range(times):
                with batcher.database.read() as conn:
                    store.pending_total(conn)

        ours()  # the connection is open and its statement prepared, as in a process that has answered before
        with self.place.preparing() as database, database.read() as conn:
            QUERIES.only(conn, "sum_without_index")
            taken_s = _seconds(ours)
            limit_s = _seconds(lambda: QUERIES.only(conn, "sum_without_index"))
        return taken_s / times * _MS, limit_s * _MS

    def _claim(self, batcher: Batcher, size: int) -> Round:
        self._only_pending(size)
        ours_s = _seconds(lambda: _claim_once(batcher, self.fill))
        batch = self.fill.empty_batch()
        self._only_pending(size)
        with self.place.preparing() as database:

            def limit() -> None:
                with database.transaction() as conn:
                    most = min(size, MOST_MEMBERS)
                    assert QUERIES.run(conn, "take_plainly", count=most, batch=batch, now=self.fill.now) == most

            limit_s = _seconds(limit)
        return ours_s * _MS, limit_s * _MS

    def _distribute(self, batcher: Batcher, size: int) -> Round:
        mine, plain = self.fill.swapping(size), self.fill.swapping(size)
        self._settle()
        ours_s = _seconds(lambda: distribute(batcher, mine, self.fill.now, "0" * 32))
        with self.place.preparing() as database:

            def limit() -> None:
                with database.transaction() as conn:
                    assert QUERIES.run(conn, "credit_plainly", batch=plain.int, now=self.fill.now) == size

            limit_s = _seconds(limit)
        return size / ours_s, size / limit_s

    def _only_pending(self, size: int) -> None:
        """Exactly so many payments are pending; those of before are put into a batch."""
        with self.place.preparing() as database, database.transaction() as conn:
            left = QUERIES.only(conn, "still_pending")["payments"]
        if left:
            batch = self.fill.empty_batch()
            with self.place.preparing() as database, database.transaction() as conn:
                QUERIES.run(conn, "take_plainly", count=left, batch=batch, now=self.fill.now)
        self.fill.pending(size)
        self._settle()

    def _settle(self) -> None:
        self.place.vacuum("payout_accumulation", "batch_member", "history", "book_entry")


def _claim_once(batcher: Batcher, fill: Fill) -> None:
    """What a tick does with the database from its first look to the committed claim; what it asks outside left out."""
    with batcher.database.read() as conn:
        store.pending_total(conn)
        store.why_paused(conn, "batching", fill.now)
        pending = store.pending_payments(conn, MOST_MEMBERS)
        dust = store.carried_dust(conn)
    amounts = amounts_received(pending, dust, batcher.terms)
    expected = Tether(amounts.worth.micros)
    market = Market(_FEED, expected, Ether(0), None, Ether(0))
    assert claim(batcher, amounts, market, fill.now, "0" * 32) is not None


@contextmanager
def _batcher(place: Place) -> Iterator[Batcher]:
    """The batcher with its role's rights. Exchange, chain and queue are not asked in what is measured here."""
    gc.collect()
    gc.freeze()  # as gunicorn_conf does in each of the service's own processes
    with closing(place.database(BATCHER)) as database:
        outbox = Outbox(database, FakeTaskSender(), Sealer(KEYRING, {}), uuid4)
        yield Batcher(database, outbox, FakeExchange(), FakeChain(1, {}), uuid4, _TERMS)


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
