"""A verdict can be checked again by a stranger: from the stored bytes alone, and at any node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chain.port import FinalConsumer, TransferFields
from shared.chain.proof import Outcome, check_offline, check_online
from shared.chain.signer import LocalSigner
from shared.sandbox.fakes_chain import GWEI, FakeChain

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
OTHER_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"  # anvil's public test key 2
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PAYEE = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
AMOUNT_WEI = 40_000_000_000_000_000
ASKED = TransferFields(
    chain_id=1, nonce=0, to=PAYEE, value_wei=AMOUNT_WEI, gas_limit=26_250, tip_wei=GWEI, cap_wei=30 * GWEI
)
CANCEL = replace(ASKED, to=WALLET, value_wei=0, tip_wei=2 * GWEI, cap_wei=60 * GWEI)


def sign(fields: TransferFields, key: str = KEY) -> bytes:
    return LocalSigner(key).sign(fields).raw


class Paid:
    """A chain on which one transaction of the wallet became final, and what the executor stored of it."""

    def __init__(self, mined: bytes, *, reverts: bool = False) -> None:
        self.chain = FakeChain(1, {WALLET: 10**20})
        if reverts:
            self.chain.reverting.add(PAYEE.lower())
        self.chain.send_raw(mined)
        self.chain.mine()
        self.chain.finalize()
        consumer = self.chain.final_consumer(WALLET, 0, [], 0)
        assert isinstance(consumer, FinalConsumer)
        self.evidence: dict[str, Any] = json.loads(json.dumps(consumer.evidence()))


def faults(
    evidence: Mapping[str, object], *attempts: bytes, outcome: Outcome = "settled", chain_id: int | None = None
) -> list[str]:
    return check_offline(evidence, AMOUNT_WEI, PAYEE, WALLET, attempts, outcome=outcome, chain_id=chain_id)


@pytest.fixture(scope="module")
def paid() -> Paid:
    return Paid(sign(ASKED))


# --- offline --------------------------------------------------------------------------------------------------------


def test_a_settled_transfer_proves_itself(paid: Paid) -> None:
    assert faults(paid.evidence, sign(ASKED), chain_id=1) == []


def test_every_attempt_of_the_slot_is_looked_at_and_any_of_them_may_be_the_one(paid: Paid) -> None:
    dearer = sign(replace(ASKED, tip_wei=2 * GWEI, cap_wei=40 * GWEI))
    assert faults(paid.evidence, dearer, sign(ASKED), sign(CANCEL)) == []


def test_a_cancelled_and_a_reverted_transfer_prove_themselves_too() -> None:
    assert faults(Paid(sign(CANCEL)).evidence, sign(ASKED), sign(CANCEL), outcome="cancelled") == []
    assert faults(Paid(sign(ASKED), reverts=True).evidence, sign(ASKED), outcome="reverted") == []


def test_a_foreign_consumer_is_proved_by_being_none_of_ours() -> None:
    foreign = Paid(sign(replace(ASKED, to=WALLET, value_wei=7)))
    assert faults(foreign.evidence, sign(ASKED), outcome="foreign") == []
    assert faults(foreign.evidence, sign(ASKED)) == ["none of the stored bytes hash to the transaction"]


@pytest.mark.parametrize("outcome", ["reverted", "cancelled", "foreign"])
def test_a_payment_proves_no_other_verdict(paid: Paid, outcome: Outcome) -> None:
    assert faults(paid.evidence, sign(ASKED), outcome=outcome) != []


def test_a_failed_transaction_settles_nothing() -> None:
    assert faults(Paid(sign(ASKED), reverts=True).evidence, sign(ASKED)) == [
        "the verdict is settled, and the transaction's status is 0"
    ]


def test_bytes_of_another_key_amount_or_payee_are_found_out(paid: Paid) -> None:
    stolen = faults(paid.evidence, sign(ASKED), sign(ASKED, OTHER_KEY))
    assert any("is signed by" in fault for fault in stolen)
    more = faults(paid.evidence, sign(ASKED), sign(replace(ASKED, value_wei=AMOUNT_WEI + 1)))
    assert any("the order is" in fault for fault in more)
    elsewhere = check_offline(paid.evidence, AMOUNT_WEI, WALLET, WALLET, [sign(ASKED)])
    assert any("the order is" in fault for fault in elsewhere)


def test_bytes_for_another_chain_or_nonce_are_found_out(paid: Paid) -> None:
    assert faults(paid.evidence, sign(ASKED), chain_id=5) != []
    assert any("several chains" in one for one in faults(paid.evidence, sign(ASKED), sign(replace(ASKED, chain_id=5))))
    assert any("several nonces" in one for one in faults(paid.evidence, sign(ASKED), sign(replace(ASKED, nonce=1))))


def test_bytes_that_are_no_transfer_and_no_bytes_at_all_are_faults(paid: Paid) -> None:
    assert "attempt 2 is no signed transfer of ETH" in faults(paid.evidence, sign(ASKED), b"\x02\xc0")
    assert faults(paid.evidence) == ["none of the stored bytes hash to the transaction"]
    text: Any = "0x02"
    assert "attempt 1 is no signed transfer of ETH" in faults(paid.evidence, text)


CHANGES: dict[str, Any] = {
    "tx_hash": "0x" + "11" * 32,
    "block_number": 1,
    "block_hash": "0x" + "22" * 32,
    "status": 0,
    "gas_used": 20_000,
    "effective_gas_price_wei": "12",
    "sender": PAYEE,
    "nonce": 1,
    "to": WALLET,
    "value_wei": str(AMOUNT_WEI + 1),
    "finalized_number": 1,
    "receipt": {},
    "agreed_providers": [],
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_changed_field_is_a_fault(paid: Paid, name: str) -> None:
    assert faults(paid.evidence | {name: CHANGES[name]}, sign(ASKED)) != []


@pytest.mark.parametrize("name", ["tx_hash", "block_hash", "sender", "value_wei", "receipt", "to", "finalized_hash"])
def test_a_missing_field_is_a_fault(paid: Paid, name: str) -> None:
    assert faults({key: value for key, value in paid.evidence.items() if key != name}, sign(ASKED)) != []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transactionHash", "0x" + "11" * 32),
        ("blockHash", "0x" + "22" * 32),
        ("blockNumber", 1),
        ("status", "0x0"),
        ("gasUsed", 1),
        ("from", PAYEE),
        ("to", WALLET),
        ("effectiveGasPrice", 1),
        ("transactionIndex", None),
    ],
)
def test_a_receipt_that_says_something_else_is_a_fault(paid: Paid, name: str, value: object) -> None:
    assert faults(paid.evidence | {"receipt": paid.evidence["receipt"] | {name: value}}, sign(ASKED)) != []


def test_how_a_provider_spells_a_number_is_no_fault(paid: Paid) -> None:
    receipt = paid.evidence["receipt"]
    spelled = receipt | {"status": "0x1", "blockNumber": hex(receipt["blockNumber"]), "from": WALLET.lower()}
    assert faults(paid.evidence | {"receipt": spelled}, sign(ASKED)) == []


def test_a_price_or_gas_that_the_bytes_forbid_is_a_fault(paid: Paid) -> None:
    receipt = paid.evidence["receipt"] | {"effectiveGasPrice": 31 * GWEI, "gasUsed": 26_251}
    dear = paid.evidence | {"effective_gas_price_wei": str(31 * GWEI), "gas_used": 26_251, "receipt": receipt}
    told = faults(dear, sign(ASKED))
    assert any("wei per gas is more than" in fault for fault in told)
    assert any("gas is more than" in fault for fault in told)


def test_a_verdict_above_the_finalized_block_proves_nothing(paid: Paid) -> None:
    early = paid.evidence | {"finalized_number": paid.evidence["block_number"] - 1}
    assert any("was judged when only" in fault for fault in faults(early, sign(ASKED)))
    same = paid.evidence | {"finalized_number": paid.evidence["block_number"]}
    assert any("another hash" in fault for fault in faults(same, sign(ASKED)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("0x" + "1" * 64) | st.just(WALLET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*CHANGES, "finalized_hash", "finalized_at", "other"])


@settings(max_examples=60)
@given(st.dictionaries(names, json_values, max_size=8), st.lists(st.binary(max_size=150), max_size=2))
def test_bad_evidence_is_listed_and_never_raised(evidence: dict[str, object], attempts: list[bytes]) -> None:
    assert faults(evidence, *attempts) != []
    assert check_online(FakeChain(1, {}), evidence) != []


@settings(max_examples=60)
@given(changed=st.dictionaries(names, json_values, min_size=1, max_size=2), receipt=json_values)
def test_good_evidence_with_anything_in_it_is_still_only_listed(
    paid: Paid, changed: dict[str, object], receipt: object
) -> None:
    faults(paid.evidence | changed, sign(ASKED))
    faults(paid.evidence | {"receipt": {"logs": receipt, "to": receipt}}, sign(ASKED))
    check_online(paid.chain, paid.evidence | changed)


@pytest.mark.parametrize("evidence", [None, [], "proof", 5])
def test_what_is_no_evidence_at_all_is_a_fault(evidence: Any) -> None:
    assert "the evidence is no object with fields" in faults(evidence, sign(ASKED))
    assert "the evidence is no object with fields" in check_online(FakeChain(1, {}), evidence)


# --- online ---------------------------------------------------------------------------------------------------------


def test_a_node_that_says_the_same_confirms_the_evidence(paid: Paid) -> None:
    assert check_online(paid.chain, paid.evidence, chain_id=1) == []


def test_a_node_on_another_fork_or_without_the_transaction_is_a_fault(paid: Paid) -> None:
    empty = FakeChain(1, {WALLET: 10**20})
    empty.mine(20)
    assert any("does not show the transaction" in fault for fault in check_online(empty, paid.evidence))
    fork = Paid(sign(ASKED))
    fork.chain.reorg(4, lose=False)
    fork.chain.finalize()
    assert any(fault.startswith("block_hash is") for fault in check_online(fork.chain, fork.evidence))


def test_a_node_that_has_not_finalized_the_block_yet_is_a_fault() -> None:
    fresh = Paid(sign(ASKED))
    behind = FakeChain(1, {WALLET: 10**20})
    behind.send_raw(sign(ASKED))
    behind.mine()
    told = check_online(behind, fresh.evidence)
    assert any("calls block" in fault for fault in told)


@pytest.mark.parametrize("name", ["block_hash", "status", "gas_used", "effective_gas_price_wei", "to", "value_wei"])
def test_a_node_that_says_something_else_is_a_fault(paid: Paid, name: str) -> None:
    assert any(
        fault.startswith(f"{name} is") for fault in check_online(paid.chain, paid.evidence | {name: CHANGES[name]})
    )


def test_another_place_in_the_block_or_other_logs_are_a_fault(paid: Paid) -> None:
    receipt = paid.evidence["receipt"]
    moved = paid.evidence | {"receipt": receipt | {"transactionIndex": 5}}
    assert any("transactionIndex is 0 at the node" in fault for fault in check_online(paid.chain, moved))
    logged = paid.evidence | {"receipt": receipt | {"logs": [{"address": PAYEE, "topics": [], "data": "0x"}]}}
    assert "the receipt's logs differ" in check_online(paid.chain, logged)


def test_a_node_that_is_away_or_disagrees_proves_nothing() -> None:
    gone = Paid(sign(ASKED))
    gone.chain.away = True
    assert any("could not be asked" in fault for fault in check_online(gone.chain, gone.evidence))
    gone.chain.away, gone.chain.disagree = False, True
    assert any("could not be asked" in fault for fault in check_online(gone.chain, gone.evidence))


def test_a_url_without_a_node_behind_it_proves_nothing(paid: Paid) -> None:
    for url in ("http://127.0.0.1:1", "", "http://[", "ftp://nowhere", "no url"):
        assert check_online(url, paid.evidence, timeout_s=1) != []
