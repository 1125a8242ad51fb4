"""Every signer signs exactly what it is asked, in the one spelling that nodes take, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chain.careful import CarefulSigner
from shared.chain.kms import KmsSigner
from shared.chain.port import Signed, Signer, TransferFields
from shared.chain.signer import CURVE_ORDER, LocalSigner, decode_signed
from shared.sandbox.fake_kms import KEY_VERSION, FakeKmsClient
from shared.sandbox.fakes_signing import FakeSigningRecord

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TO = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ASKED = TransferFields(
    chain_id=1, nonce=7, to=TO, value_wei=40_000_000_000_000_000, gas_limit=26_250, tip_wei=2, cap_wei=90
)


def kms(high_s: bool | None) -> Callable[[], Signer]:
    return lambda: KmsSigner(FakeKmsClient(KEY, high_s=high_s), KEY_VERSION, ADDRESS)


SIGNERS: dict[str, Callable[[], Signer]] = {
    "the key in this process": lambda: LocalSigner(KEY),
    "a KMS": kms(None),
    "a KMS that always gives the low s": kms(False),
    "a KMS that always gives the high s": kms(True),
    "a careful one with the key in this process": lambda: CarefulSigner(LocalSigner(KEY), FakeSigningRecord()),
    "a careful one with a KMS": lambda: CarefulSigner(kms(None)(), FakeSigningRecord()),
}


@pytest.fixture(params=list(SIGNERS.values()), ids=list(SIGNERS))
def signer(request: pytest.FixtureRequest) -> Signer:
    made: Signer = request.param()
    return made


amounts_wei = st.one_of(st.integers(1, 2**256 - 1), st.integers(1, 2**64))
transfers = st.builds(
    TransferFields,
    chain_id=st.integers(1, 2**64),
    nonce=st.integers(0, 2**64),
    to=st.binary(min_size=20, max_size=20).map(lambda to: "0x" + to.hex()),
    value_wei=amounts_wei,
    gas_limit=st.integers(21_000, 2**64),
    tip_wei=st.just(1) | st.integers(1, 2**60),
    cap_wei=st.integers(2**60, 2**128),
)


def signature_in(signed: Signed) -> tuple[int, int, int]:
    y_parity, r, s = (int.from_bytes(part, "big") for part in rlp.decode(signed.raw[1:])[9:])
    return y_parity, r, s


def test_it_knows_its_account(signer: Signer) -> None:
    assert signer.address == ADDRESS


@pytest.mark.parametrize("make", SIGNERS.values(), ids=SIGNERS.keys())
def test_whatever_may_be_paid_is_signed_unchanged_by_the_right_key_in_the_low_half(make: Callable[[], Signer]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(transfers)
    def holds(asked: TransferFields) -> None:
        signed = make().sign(asked)
        sender, fields, tx_hash = decode_signed(signed.raw)
        assert (sender, replace(fields, to=fields.to.lower()), tx_hash) == (ADDRESS, asked, signed.hash)
        assert Account.recover_transaction(signed.raw) == ADDRESS
        y_parity, r, s = signature_in(signed)
        assert y_parity in (0, 1)
        assert 0 < r < CURVE_ORDER
        assert 0 < s <= CURVE_ORDER // 2

    holds()


def test_a_repeat_is_equally_good_for_the_same_nonce(signer: Signer) -> None:
    one, other = signer.sign(ASKED), signer.sign(ASKED)
    assert decode_signed(one.raw)[:2] == decode_signed(other.raw)[:2] == (ADDRESS, ASKED)


def test_a_dearer_attempt_is_the_same_payment(signer: Signer) -> None:
    signer.sign(ASKED)
    dearer = replace(ASKED, tip_wei=3, cap_wei=102)
    assert decode_signed(signer.sign(dearer).raw)[1] == dearer


def test_a_cancel_is_nothing_to_oneself(signer: Signer) -> None:
    signer.sign(ASKED)
    cancel = replace(ASKED, to=ADDRESS, value_wei=0, tip_wei=3, cap_wei=102)
    assert decode_signed(signer.sign(cancel).raw)[1] == cancel


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"value_wei": 0}, "value_wei must be positive"),
        ({"value_wei": -1}, "value_wei"),
        ({"value_wei": 1.0}, "value_wei"),
        ({"value_wei": True}, "value_wei"),
        ({"value_wei": 2**256}, "value_wei"),
        ({"nonce": -1}, "nonce"),
        ({"nonce": "7"}, "nonce"),
        ({"chain_id": 0}, "chain_id"),
        ({"gas_limit": 20_999}, "gas_limit"),
        ({"tip_wei": 0}, "tip_wei"),
        ({"tip_wei": 91}, "at most cap_wei"),
        ({"to": TO[:-1]}, "address"),
        ({"to": TO.replace("C44C", "c44C")}, "address"),
        ({"to": ""}, "address"),
    ],
)
def test_what_no_transfer_may_be_is_not_signed(signer: Signer, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        signer.sign(replace(ASKED, **changed))


def test_threads_that_share_it_each_get_their_own_transfer(signer: Signer) -> None:
    asked = [replace(ASKED, nonce=nonce, value_wei=1000 + nonce) for nonce in range(8)]
    signed: dict[int, Signed] = {}
    start = threading.Barrier(len(asked))

    def sign(fields: TransferFields) -> None:
        start.wait()
        signed[fields.nonce] = signer.sign(fields)

    threads = [threading.Thread(target=sign, args=(fields,)) for fields in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [decode_signed(signed[fields.nonce].raw)[1] for fields in asked] == asked


def test_it_says_who_it_is_without_its_key(signer: Signer) -> None:
    assert KEY[2:18] not in repr(signer) + str(signer)
