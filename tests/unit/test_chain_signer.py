"""The signer signs plain transfers, exactly as asked, and shows its key to nobody."""

from __future__ import annotations

import copy
import pickle
import traceback
from dataclasses import replace
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account

from shared.chain.port import TransferFields
from shared.chain.signer import LocalSigner, check_signed, decode_signed
from shared.chain.trouble import SignedBytesDiffer

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TO = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ASKED = TransferFields(
    chain_id=1, nonce=7, to=TO, value_wei=40_000_000_000_000_000, gas_limit=26_250, tip_wei=2, cap_wei=90
)


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner(KEY)


def sign_anything(**changed: Any) -> bytes:
    fields = {
        "type": 2,
        "chainId": 1,
        "nonce": 7,
        "to": TO,
        "value": ASKED.value_wei,
        "gas": 26_250,
        "maxPriorityFeePerGas": 2,
        "maxFeePerGas": 90,
        "data": b"",
    } | changed
    return bytes(Account.sign_transaction({k: v for k, v in fields.items() if v is not None}, KEY).raw_transaction)


def test_signed_bytes_carry_exactly_what_was_asked(signer: LocalSigner) -> None:
    signed = signer.sign(ASKED)
    assert signed.raw[0] == 2
    assert decode_signed(signed.raw) == (ADDRESS, ASKED, signed.hash)


def test_the_same_fields_give_the_same_bytes(signer: LocalSigner) -> None:
    assert signer.sign(ASKED) == signer.sign(ASKED)


@pytest.mark.parametrize("key", [KEY, KEY[2:], KEY.upper().replace("0X", "0x")])
def test_a_key_may_be_written_with_or_without_prefix(key: str) -> None:
    assert LocalSigner(key).address == ADDRESS


@pytest.mark.parametrize(
    "key", ["", "0x", KEY[:-2], KEY + "00", "0x" + "zz" * 32, "0x" + "00" * 32, "0x" + "ff" * 32, "not a key"]
)
def test_a_bad_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits") as caught:
        LocalSigner(key)
    told = "".join(traceback.format_exception(caught.value))
    assert len(key) < 10 or key.removeprefix("0x")[:16] not in told.replace(repr(key), "")
    assert caught.value.__context__ is None


def test_the_key_is_shown_nowhere(signer: LocalSigner) -> None:
    shown = repr(signer) + str(signer) + f"{signer}" + repr(signer.sign(ASKED))
    assert ADDRESS in shown
    assert KEY[2:18] not in shown
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("take_out", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_key_cannot_be_copied_out(signer: LocalSigner, take_out: Any) -> None:
    with pytest.raises(TypeError, match="cannot be copied"):
        take_out(signer)


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
        ({"to": "vitalik.eth"}, "address"),
    ],
)
def test_impossible_fields_are_never_signed(signer: LocalSigner, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        signer.sign(replace(ASKED, **changed))


def test_nothing_may_be_sent_to_oneself_only(signer: LocalSigner) -> None:
    cancel = replace(ASKED, to=ADDRESS, value_wei=0)
    assert decode_signed(signer.sign(cancel).raw)[1] == cancel


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"to": ADDRESS}, "to"),
        ({"value": ASKED.value_wei + 1}, "value_wei"),
        ({"nonce": 8}, "nonce"),
        ({"chainId": 5}, "chain_id"),
        ({"gas": 26_251}, "gas_limit"),
        ({"maxFeePerGas": 91}, "cap_wei"),
        ({"maxPriorityFeePerGas": 3}, "tip_wei"),
        ({"data": b"\x01"}, "call data"),
        ({"accessList": [{"address": TO, "storageKeys": []}]}, "call data"),
        ({"to": None, "data": b""}, "to"),
        (
            {"type": None, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 90},
            "encoding",
        ),
        ({"type": 1, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 90}, "encoding"),
    ],
)
def test_bytes_that_differ_in_one_field_are_found_out(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(SignedBytesDiffer) as caught:
        check_signed(sign_anything(**changed), ADDRESS, ASKED)
    assert caught.value.fields == (field,)


def test_bytes_signed_by_another_key_are_found_out(signer: LocalSigner) -> None:
    with pytest.raises(SignedBytesDiffer) as caught:
        check_signed(signer.sign(ASKED).raw, TO, ASKED)
    assert caught.value.fields == ("sender",)


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\xff" * 100, b"\x02" + b"\xf8" * 80])
def test_what_is_no_transaction_does_not_decode(raw: bytes) -> None:
    with pytest.raises(SignedBytesDiffer) as caught:
        decode_signed(raw)
    assert caught.value.fields == ("encoding",)


def test_bytes_with_anything_appended_do_not_decode(signer: LocalSigner) -> None:
    with pytest.raises(SignedBytesDiffer):
        decode_signed(signer.sign(ASKED).raw + b"\x00")


def test_one_changed_byte_never_passes_the_check(signer: LocalSigner) -> None:
    raw = signer.sign(ASKED).raw
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(SignedBytesDiffer):
            check_signed(changed, ADDRESS, ASKED)


def test_the_second_spelling_of_a_signature_is_refused(signer: LocalSigner) -> None:
    """EIP-2: n - s with the other parity is the same payment under another hash, which nobody would look for."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    parts = rlp.decode(signer.sign(ASKED).raw[1:])
    parity, s = int.from_bytes(parts[9], "big"), int.from_bytes(parts[11], "big")
    parts[9] = b"" if parity else b"\x01"
    parts[11] = (order - s).to_bytes(32, "big")
    twin = b"\x02" + rlp.encode(parts)
    assert Account.recover_transaction(twin) == ADDRESS
    with pytest.raises(SignedBytesDiffer) as caught:
        decode_signed(twin)
    assert caught.value.fields == ("signature",)


def test_a_number_with_a_leading_zero_is_not_canonical(signer: LocalSigner) -> None:
    parts = rlp.decode(signer.sign(ASKED).raw[1:])
    parts[1] = b"\x00" + parts[1]
    with pytest.raises(SignedBytesDiffer) as caught:
        decode_signed(b"\x02" + rlp.encode(parts))
    assert caught.value.fields == ("encoding",)
