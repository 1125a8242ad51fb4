"""For one nonce one payment is signed, and at most nothing to oneself beside it."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chain.careful import CarefulSigner, Promise, equivocates, kind_of
from shared.chain.port import Signed, TransferFields
from shared.chain.signer import LocalSigner
from shared.chain.trouble import Equivocation, SignerUnavailable
from shared.lifecycle.reactions import Broken
from shared.sandbox.fakes_signing import FakeSigningRecord

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PAYEE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
OTHER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
PAY = TransferFields(chain_id=1, nonce=7, to=PAYEE, value_wei=5, gas_limit=26_250, tip_wei=2, cap_wei=90)
CANCEL = replace(PAY, to=WALLET, value_wei=0)


@pytest.fixture
def record() -> FakeSigningRecord:
    return FakeSigningRecord()


@pytest.fixture
def signer(record: FakeSigningRecord) -> CarefulSigner:
    return CarefulSigner(LocalSigner(KEY), record)


@pytest.mark.parametrize("changed", [{"to": OTHER}, {"value_wei": 6}, {"to": WALLET}, {"to": WALLET, "value_wei": 1}])
def test_a_second_different_payment_with_a_nonce_is_refused(signer: CarefulSigner, changed: dict[str, object]) -> None:
    signer.sign(PAY)
    with pytest.raises(Equivocation) as caught:
        signer.sign(replace(PAY, **changed))  # type: ignore[arg-type]
    assert (caught.value.chain_id, caught.value.account, caught.value.nonce) == (1, WALLET, 7)
    assert isinstance(caught.value, Broken)


def test_other_fees_and_another_spelling_of_the_address_are_the_same_payment(signer: CarefulSigner) -> None:
    signer.sign(PAY)
    signer.sign(replace(PAY, tip_wei=3, cap_wei=102, gas_limit=30_000))
    signer.sign(replace(PAY, to=PAYEE.lower()))


def test_a_cancel_may_follow_and_the_payment_may_still_be_repeated(signer: CarefulSigner) -> None:
    signer.sign(PAY)
    signer.sign(CANCEL)
    signer.sign(replace(CANCEL, tip_wei=3, cap_wei=102))
    signer.sign(replace(PAY, tip_wei=4, cap_wei=115))
    with pytest.raises(Equivocation):
        signer.sign(replace(PAY, value_wei=6))


def test_a_nonce_that_was_only_cancelled_pays_nobody_any_more(signer: CarefulSigner) -> None:
    signer.sign(CANCEL)
    with pytest.raises(Equivocation):
        signer.sign(PAY)


@pytest.mark.parametrize("changed", [{"nonce": 8}, {"chain_id": 5}])
def test_other_nonces_and_chains_have_promises_of_their_own(signer: CarefulSigner, changed: dict[str, int]) -> None:
    signer.sign(PAY)
    signer.sign(replace(PAY, value_wei=6, **changed))  # type: ignore[arg-type]


def test_the_promise_is_remembered_before_the_key_is_used(record: FakeSigningRecord) -> None:
    class Away:
        address = WALLET

        def sign(self, fields: TransferFields) -> Signed:
            assert record.promises[(1, WALLET.lower(), fields.nonce)] == [Promise(PAYEE.lower(), 5, b"", "pay")]
            raise SignerUnavailable("throttled", "ResourceExhausted")

    signer = CarefulSigner(Away(), record)
    with pytest.raises(SignerUnavailable):
        signer.sign(PAY)
    with pytest.raises(Equivocation):
        signer.sign(replace(PAY, value_wei=6))


def test_what_can_never_be_signed_does_not_occupy_the_nonce(signer: CarefulSigner, record: FakeSigningRecord) -> None:
    with pytest.raises(ValueError, match="gas_limit"):
        signer.sign(replace(PAY, gas_limit=1))
    assert record.promises == {}


def test_of_many_at_once_one_payment_is_signed(signer: CarefulSigner) -> None:
    start, signed = threading.Barrier(8), []

    def sign(value_wei: int) -> None:
        start.wait()
        try:
            signed.append(signer.sign(replace(PAY, value_wei=value_wei)))
        except Equivocation:
            return

    threads = [threading.Thread(target=sign, args=(value_wei,)) for value_wei in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signed) == 1


# --- the rule -------------------------------------------------------------------------------------------------------

promises = st.builds(
    lambda to, value_wei: Promise(to, value_wei, b"", "cancel" if (to, value_wei) == (WALLET, 0) else "pay"),
    st.sampled_from([PAYEE, OTHER, WALLET]),
    st.integers(0, 2),
)


@given(st.lists(promises, max_size=12))
def test_whatever_is_asked_in_whatever_order_one_nonce_pays_at_most_one_thing(asked: list[Promise]) -> None:
    known: list[Promise] = []
    for promise in asked:
        if not equivocates(known, promise, WALLET):
            known.append(promise)
    assert len({(one.to, one.value_wei) for one in known if one.kind == "pay"}) <= 1
    assert not asked or known[0] == asked[0]


@pytest.mark.parametrize(
    "disguised",
    [Promise(PAYEE, 0, b"", "cancel"), Promise(WALLET, 1, b"", "cancel"), Promise(WALLET, 0, b"\x01", "cancel")],
)
def test_nothing_but_nothing_to_oneself_passes_as_a_cancel(disguised: Promise) -> None:
    assert equivocates([], disguised, WALLET)
    assert equivocates([Promise(PAYEE, 5, b"", "pay")], disguised, WALLET)


def test_only_the_fields_say_what_a_cancel_is() -> None:
    assert kind_of(CANCEL, WALLET.lower()) == "cancel"
    assert kind_of(PAY, WALLET) == "pay"
    assert kind_of(replace(CANCEL, value_wei=1), WALLET) == "pay"
