"""Nothing is final before a quorum says the same about one finalized block; absence never decides anything."""

from __future__ import annotations

import pytest

from shared.chain.consumer import ConsumerSearch
from shared.chain.ethereum import EthereumChain
from shared.chain.finality import agreed_tip
from shared.chain.port import EtherReceived, FinalConsumer, NotFinalYet, NotFound, NotThisTransfer, Reverted
from shared.chain.quorum import Quorum
from shared.chain.trouble import ProvidersDisagree, ProvidersUnavailable

from .pretend_chain import STRANGER, WALLET, PretendProvider, PretendTransaction, a_hash

PAY = a_hash(0xAA, "aa")
OTHER = a_hash(0xBB, "bb")


def paid(block: int = 50, **changed: object) -> PretendTransaction:
    return PretendTransaction(block, nonce=0, tx_hash=PAY, **changed)  # type: ignore[arg-type]


def two(*transactions: PretendTransaction) -> tuple[PretendProvider, PretendProvider]:
    return PretendProvider("one", *transactions), PretendProvider("two", *transactions)


def chain_of(*providers: PretendProvider, needed: int | None = None) -> EthereumChain:
    return EthereumChain(Quorum(providers, needed or len(providers)), chain_id=1)


# --- the finalized block --------------------------------------------------------------------------------------------


def test_the_finalized_block_is_the_lowest_of_the_quorum() -> None:
    one, two = PretendProvider("one", finalized=90), PretendProvider("two", finalized=88)
    assert chain_of(one, two).agreed_finalized().number == 88


def test_one_lagging_provider_outside_the_quorum_does_not_hold_finality_back() -> None:
    providers = [PretendProvider(str(n), finalized=f) for n, f in enumerate((90, 89, 3))]
    assert chain_of(*providers, needed=2).agreed_finalized().number == 89


def test_providers_with_different_hashes_of_the_finalized_block_say_nothing() -> None:
    one, two = PretendProvider("one"), PretendProvider("two")
    two.fork[90] = "ff"
    with pytest.raises(ProvidersDisagree) as caught:
        chain_of(one, two).agreed_finalized()
    assert set(caught.value.answers) == {"one", "two"}


def test_a_liar_among_three_is_outvoted() -> None:
    providers = [PretendProvider(name) for name in ("one", "two", "liar")]
    providers[2].fork[90] = "ff"
    assert chain_of(*providers, needed=2).agreed_finalized().hash == a_hash(90)


def test_a_provider_that_is_down_is_missing_from_the_quorum() -> None:
    one, two = PretendProvider("one"), PretendProvider("two")
    two.down = True
    with pytest.raises(ProvidersUnavailable) as caught:
        chain_of(one, two).agreed_finalized()
    assert caught.value.failures == {"two": "ConnectionError"}


def test_a_head_far_ahead_of_the_others_is_not_believed() -> None:
    one, two = PretendProvider("one", head=100), PretendProvider("two", head=5000, finalized=4900)
    assert chain_of(one, two).agreed_finalized().number == 90
    assert agreed_tip(Quorum((one, two), 2), "latest").number == 100


# --- who consumed a nonce -------------------------------------------------------------------------------------------


def test_our_transaction_in_a_finalized_block_is_the_consumer() -> None:
    found = chain_of(*two(paid())).final_consumer(WALLET, 0, [PAY], first_block=40)
    assert found is not None
    assert (found.tx_hash, found.block_number, found.status) == (PAY, 50, 1)
    assert found.gas_wei == 21_000 * 7
    assert found.agreed_providers == ("one", "two")
    assert found.finalized.number == 90
    assert found.evidence()["value_wei"] == "5"


def test_a_failed_transaction_is_a_consumer_too() -> None:
    found = chain_of(*two(paid(status=0))).final_consumer(WALLET, 0, [PAY], first_block=40)
    assert found is not None
    assert found.status == 0


def test_a_transaction_above_the_finalized_block_decides_nothing() -> None:
    assert chain_of(*two(paid(block=91))).final_consumer(WALLET, 0, [PAY], first_block=40) is None


def test_an_unused_nonce_decides_nothing() -> None:
    assert chain_of(*two()).final_consumer(WALLET, 0, [PAY], first_block=40) is None


def test_a_transaction_that_only_one_of_two_providers_shows_decides_nothing() -> None:
    one, other = two(paid())
    other.transactions.clear()
    other.nonces = 1
    assert chain_of(one, other).final_consumer(WALLET, 0, [PAY], first_block=40) is None


def test_a_receipt_in_a_block_that_is_not_canonical_decides_nothing() -> None:
    one, other = two(paid())
    receipt_of = other.receipt
    other.receipt = lambda tx_hash: (receipt_of(tx_hash) or {}) | {"blockHash": bytes_of("ee")}  # type: ignore[method-assign]
    assert chain_of(one, other).final_consumer(WALLET, 0, [PAY], first_block=40) is None


def test_contradicting_final_receipts_are_a_disagreement_and_no_verdict() -> None:
    one, other = two(paid())
    other.transactions = {PAY: paid(status=0)}
    with pytest.raises(ProvidersDisagree):
        chain_of(one, other).final_consumer(WALLET, 0, [PAY], first_block=40)


def test_any_of_our_attempts_may_be_the_one_that_was_mined() -> None:
    found = chain_of(*two(paid())).final_consumer(WALLET, 0, [OTHER, PAY], first_block=40)
    assert found is not None
    assert found.tx_hash == PAY


def test_a_strangers_use_of_the_nonce_is_found_in_the_block_bodies() -> None:
    foreign = PretendTransaction(57, nonce=0, tx_hash=OTHER)
    found = chain_of(*two(foreign)).final_consumer(WALLET, 0, [PAY], first_block=40)
    assert found is not None
    assert (found.tx_hash, found.block_number) == (OTHER, 57)


def test_a_hash_of_another_slot_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="does not belong to nonce 7"):
        chain_of(*two(paid())).final_consumer(WALLET, 7, [PAY], first_block=40)


def test_providers_without_receipts_settle_nothing() -> None:
    one, other = two(paid())
    one.forgets_receipts = other.forgets_receipts = True
    assert chain_of(one, other).final_consumer(WALLET, 0, [PAY], first_block=40) is None


def test_providers_that_disagree_about_the_nonce_say_nothing() -> None:
    one, other = two()
    other.nonces = 1
    with pytest.raises(ProvidersDisagree):
        chain_of(one, other).final_consumer(WALLET, 0, [], first_block=40)


def test_one_scan_reads_a_bounded_number_of_blocks_and_the_next_goes_on_below() -> None:
    one, other = two(PretendTransaction(42, nonce=0, tx_hash=OTHER))
    one.state_from = other.state_from = 85
    search = ConsumerSearch(Quorum((one, other), 2), blocks_per_scan=20)
    finalized = agreed_tip(Quorum((one, other), 2), "finalized")

    def scan() -> FinalConsumer | None:
        return search.find(WALLET, 0, [PAY], 40, finalized)

    assert [scan(), scan()] == [None, None]
    assert one.blocks_read == list(range(90, 50, -1))
    found = scan()
    assert found is not None
    assert found.block_number == 42
    assert len(one.blocks_read) == len(set(one.blocks_read))


def test_blocks_that_became_final_since_are_read_first() -> None:
    one, other = two()
    one.nonces = other.nonces = 1
    one.state_from = other.state_from = 90
    quorum = Quorum((one, other), 2)
    search = ConsumerSearch(quorum, blocks_per_scan=10)
    search.find(WALLET, 0, [], 40, agreed_tip(quorum, "finalized"))
    for provider in (one, other):
        provider.finalized = 93
        provider.transactions[OTHER] = PretendTransaction(92, nonce=0, tx_hash=OTHER)
    found = search.find(WALLET, 0, [], 40, agreed_tip(quorum, "finalized"))
    assert found is not None
    assert one.blocks_read[10:] == [91, 92]


def test_a_provider_that_leaves_the_transaction_out_does_not_hide_it() -> None:
    foreign = PretendTransaction(57, nonce=0, tx_hash=OTHER)
    one, other = two(foreign)
    bodies_of = one.block_transactions
    one.block_transactions = lambda number: [] if bodies_of(number) is not None else None  # type: ignore[method-assign]
    found = chain_of(one, other).final_consumer(WALLET, 0, [], first_block=40)
    assert found is not None
    assert found.tx_hash == OTHER


def test_a_strangers_transaction_is_found_by_halving_however_long_ago_it_was() -> None:
    foreign = [PretendTransaction(57_000 + nonce, nonce=nonce, tx_hash=a_hash(nonce, "cc")) for nonce in range(3)]
    one, other = two(*foreign)
    for provider in (one, other):
        provider.head, provider.finalized = 1_000_100, 1_000_000
    found = chain_of(one, other).final_consumer(WALLET, 1, [], first_block=40)
    assert found is not None
    assert found.block_number == 57_001
    assert one.blocks_read + other.blocks_read == [57_001]


def test_a_new_process_finds_the_same_without_the_memory_of_the_old_one() -> None:
    one, other = two(PretendTransaction(42, nonce=0, tx_hash=OTHER))
    one.state_from = 85  # one of them keeps its old state, and that is enough
    quorum = Quorum((one, other), 2)
    finalized = agreed_tip(quorum, "finalized")
    for _ in range(2):
        found = ConsumerSearch(quorum, blocks_per_scan=3).find(WALLET, 0, [PAY], 40, finalized)
        assert found is not None
        assert found.block_number == 42


def test_a_consumer_below_the_first_block_is_found_where_the_state_is_kept() -> None:
    found = chain_of(*two(PretendTransaction(7, nonce=0, tx_hash=OTHER))).final_consumer(WALLET, 0, [], first_block=40)
    assert found is not None
    assert found.block_number == 7


def test_a_provider_that_sends_us_to_the_wrong_block_does_not_hide_the_transaction() -> None:
    liar, other = two(PretendTransaction(57, nonce=0, tx_hash=OTHER))
    honest = liar.nonce_at
    liar.nonce_at = lambda address, block: int(block.number >= 44) if block.number < 90 else honest(address, block)  # type: ignore[method-assign]
    found = chain_of(liar, other).final_consumer(WALLET, 0, [], first_block=40)
    assert found is not None
    assert liar.blocks_read == [44]


# --- ETH that came back ---------------------------------------------------------------------------------------------


def test_a_refund_counts_with_the_value_it_carried() -> None:
    refund = PretendTransaction(50, nonce=3, tx_hash=PAY, sender=STRANGER, to=WALLET.lower(), value_wei=9)
    got = chain_of(*two(refund)).ether_received(PAY, WALLET)
    assert got == EtherReceived(PAY, 50, a_hash(50), STRANGER, WALLET, 9)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"block": 91}, NotFinalYet(91, 90)),
        ({"status": 0}, Reverted(50, a_hash(50))),
        ({"to": STRANGER}, NotThisTransfer("it pays another address, or pays through a contract")),
        ({"to": None}, NotThisTransfer("it pays another address, or pays through a contract")),
        ({"value_wei": 0}, NotThisTransfer("it carries no ETH")),
    ],
)
def test_anything_but_a_final_plain_transfer_to_us_is_no_refund(changed: dict[str, object], expected: object) -> None:
    fields = {"block": 50, "nonce": 3, "tx_hash": PAY, "sender": STRANGER, "to": WALLET} | changed
    refund = PretendTransaction(**fields)  # type: ignore[arg-type]
    assert chain_of(*two(refund)).ether_received(PAY, WALLET) == expected


def test_a_transaction_that_nobody_shows_is_not_found_and_that_is_all() -> None:
    assert chain_of(*two()).ether_received(PAY, WALLET) == NotFound()


# --- progress -------------------------------------------------------------------------------------------------------


def test_progress_needs_one_provider_only() -> None:
    one, other = two(paid(block=99))
    one.down = True
    seen = chain_of(one, other).find_included(PAY)
    assert seen is not None
    assert seen.block_number == 99
    other.down = True
    with pytest.raises(ProvidersUnavailable):
        chain_of(one, other).find_included(PAY)


def test_no_receipt_anywhere_is_no_progress() -> None:
    assert chain_of(*two()).find_included(PAY) is None


# --- the quorum itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "needed"), [(2, 1), (4, 2), (2, 3), (1, 0)])
def test_a_quorum_is_more_than_half_and_at_most_all(count: int, needed: int) -> None:
    with pytest.raises(ValueError, match="more than half"):
        Quorum([PretendProvider(str(n)) for n in range(count)], needed)


def test_a_chain_without_providers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Quorum([], 1)


def bytes_of(byte: str) -> object:
    from hexbytes import HexBytes

    return HexBytes("0x" + byte * 32)
