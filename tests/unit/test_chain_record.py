"""Down, behind and contradicting are three things, counted per provider wherever one is asked."""

from __future__ import annotations

import threading

import pytest

from shared.chain.ethereum import EthereumChain
from shared.chain.port import AnswerKind
from shared.chain.providers import Failure
from shared.chain.quorum import Quorum
from shared.chain.record import ProviderRecord, ProviderRecords
from shared.chain.trouble import ProvidersDisagree, TransferWouldFail

from .pretend_chain import WALLET, PretendProvider, PretendTransaction, a_hash

PAY = a_hash(0xAA, "aa")


def chain_of(*providers: PretendProvider, needed: int | None = None) -> EthereumChain:
    return EthereumChain(Quorum(providers, needed or len(providers)), chain_id=1)


def record(chain: EthereumChain, name: str) -> ProviderRecord:
    return next(one for one in chain.provider_records() if one.provider == name)


def three() -> list[PretendProvider]:
    return [PretendProvider(name) for name in ("one", "two", "three")]


def test_a_chain_that_was_never_asked_has_empty_records() -> None:
    assert chain_of(*three()).provider_records() == [ProviderRecord(name) for name in ("one", "two", "three")]


def test_calls_and_failures_are_counted_with_the_last_reason() -> None:
    providers = three()
    providers[1].down = True
    chain = chain_of(*providers, needed=2)
    chain.agreed_finalized()
    chain.latest_heads()
    assert (record(chain, "one").answers, record(chain, "one").failures) == (2, 0)
    two = record(chain, "two")
    assert (two.answers, two.failures, two.last_failure) == (0, 2, "ConnectionError")


def test_a_provider_that_is_outvoted_disagreed_and_the_others_did_not() -> None:
    providers = three()
    providers[2].fork[90] = "ff"
    chain = chain_of(*providers, needed=2)
    chain.agreed_finalized()
    assert [one.disagreements for one in chain.provider_records()] == [0, 0, 1]
    providers[2].nonces = 7
    chain.nonce_at(WALLET, chain.agreed_finalized())
    assert [one.disagreements for one in chain.provider_records()] == [0, 0, 3]


def test_without_a_majority_nobody_knows_who_is_wrong() -> None:
    one, two = PretendProvider("one"), PretendProvider("two")
    two.fork[90] = "ff"
    chain = chain_of(one, two)
    with pytest.raises(ProvidersDisagree):
        chain.agreed_finalized()
    assert [record.disagreements for record in chain.provider_records()] == [1, 1]


def test_another_receipt_for_one_transaction_is_a_disagreement_and_a_missing_one_is_none() -> None:
    providers = [
        PretendProvider(name, PretendTransaction(50, 0, PAY, status=status))
        for name, status in (("one", 1), ("two", 1), ("three", 0))
    ]
    chain = chain_of(*providers, needed=2)
    assert chain.final_consumer(WALLET, 0, [PAY], 40) is not None
    assert [one.disagreements for one in chain.provider_records()] == [0, 0, 1]
    providers[2].transactions.clear()
    assert chain.final_consumer(WALLET, 0, [PAY], 40) is not None
    assert [one.disagreements for one in chain.provider_records()] == [0, 0, 1]


def test_behind_is_measured_against_the_median_of_the_heads() -> None:
    providers = three()
    providers[0].head, providers[2].head = 97, 5_000_000
    providers[0].finalized = 58
    chain = chain_of(*providers, needed=2)
    chain.latest_heads()
    chain.agreed_finalized()
    assert [one.blocks_behind for one in chain.provider_records()] == [3, 0, 0]
    assert [one.finalized_behind for one in chain.provider_records()] == [32, 0, 0]
    providers[0].head = 100
    chain.latest_heads()
    assert record(chain, "one").blocks_behind == 0


def test_a_provider_that_is_down_keeps_what_was_last_known_of_it() -> None:
    providers = three()
    providers[0].head = 98
    chain = chain_of(*providers, needed=2)
    chain.latest_heads()
    providers[0].down = True
    chain.latest_heads()
    assert record(chain, "one").blocks_behind == 2
    assert record(chain, "one").failures == 1


class Refusing(PretendProvider):
    """A node that answers every send and estimate with an error of its own."""

    def ask(self, question: object) -> Failure:
        return Failure(self.name, -32000, "insufficient funds for gas * price + value", answered=True)


def test_a_refusal_that_a_node_has_reason_for_is_an_answer() -> None:
    chain = chain_of(Refusing("one"))
    assert chain.send_raw(b"\x02\x01")[0].kind is AnswerKind.INSUFFICIENT_FUNDS
    with pytest.raises(TransferWouldFail):
        chain.estimate_gas(WALLET, WALLET, 5)
    assert (record(chain, "one").answers, record(chain, "one").failures) == (2, 0)
    chain.latest_heads()
    assert record(chain, "one").failures == 1  # but a read without its value is none


def test_a_record_is_ready_for_a_log_line() -> None:
    fields = ProviderRecord(
        "1:example.org", answers=5, failures=1, blocks_behind=0, last_failure="ReadTimeout"
    ).as_fields()
    assert fields["provider"] == "1:example.org"
    assert set(fields) == set(ProviderRecord.__slots__)


def test_threads_lose_no_count() -> None:
    records = ProviderRecords(["one"])

    def count() -> None:
        for _ in range(200):
            records.answered("one")
            records.failed("one", "x")
            records.disagreed(["one"])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (one,) = records.snapshot()
    assert (one.answers, one.failures, one.disagreements) == (800, 800, 800)


def test_a_snapshot_does_not_change_any_more() -> None:
    chain = chain_of(*three())
    before = chain.provider_records()
    chain.latest_heads()
    assert before[0].answers == 0
