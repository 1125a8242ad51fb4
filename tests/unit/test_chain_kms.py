"""A key service that lies is never believed, a busy one is asked again, and a lost signature is nobody's money."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account.typed_transactions.typed_transaction import TypedTransaction

from shared.chain.kms import KmsSigner
from shared.chain.payload import unsigned_payload, with_signature
from shared.chain.port import TransferFields
from shared.chain.signer import decode_signed
from shared.chain.trouble import SignerLied, SignerUnavailable
from shared.lifecycle.reactions import Broken, TryLater
from shared.sandbox.fake_kms import KEY_VERSION, FakeKmsClient, Trouble

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ASKED = TransferFields(chain_id=1, nonce=7, to=STRANGER, value_wei=5, gas_limit=26_250, tip_wei=2, cap_wei=90)


@pytest.fixture
def client() -> FakeKmsClient:
    return FakeKmsClient(KEY)


@pytest.fixture
def signer(client: FakeKmsClient) -> KmsSigner:
    return KmsSigner(client, KEY_VERSION, ADDRESS)


# --- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("throttled", "throttled"),
        ("timed out", "timed_out"),
        ("unreachable", "unreachable"),
        ("not allowed", "refused"),
    ],
)
def test_a_service_that_does_not_sign_is_asked_again_later(
    client: FakeKmsClient, signer: KmsSigner, trouble: Trouble, reason: str
) -> None:
    client.misbehave(trouble)
    with pytest.raises(SignerUnavailable) as caught:
        signer.sign(ASKED)
    assert caught.value.reason == reason
    assert isinstance(caught.value, TryLater)
    assert KEY_VERSION not in str(caught.value)
    assert decode_signed(signer.sign(ASKED).raw)[:2] == (ADDRESS, ASKED)


def test_a_signature_that_was_lost_is_made_again_with_other_bytes(client: FakeKmsClient, signer: KmsSigner) -> None:
    client.misbehave("timed out")
    with pytest.raises(SignerUnavailable):
        signer.sign(ASKED)
    one, other = signer.sign(ASKED), signer.sign(ASKED)
    assert len(client.signed) == 3
    assert len(set(client.signed)) == 1
    assert one.hash != other.hash


@pytest.mark.parametrize(
    ("trouble", "what"),
    [
        ("digest not verified", "digest checksum"),
        ("signature corrupted", "signature checksum"),
        ("checksum missing", "signature checksum"),
        ("another name", "name"),
        ("another key", "signer"),
        ("another digest", "signer"),
        ("garbage", "signature"),
        ("not from an HSM", "protection level"),
    ],
)
def test_an_answer_that_cannot_be_believed_freezes_instead_of_paying(
    client: FakeKmsClient, signer: KmsSigner, trouble: Trouble, what: str
) -> None:
    client.misbehave(trouble)
    with pytest.raises(SignerLied) as caught:
        signer.sign(ASKED)
    assert caught.value.what == what
    assert isinstance(caught.value, Broken)


def test_an_answer_to_an_earlier_transfer_is_never_taken_for_this_one(client: FakeKmsClient, signer: KmsSigner) -> None:
    signer.sign(ASKED)
    client.misbehave("another digest")
    with pytest.raises(SignerLied, match="over this digest"):
        signer.sign(replace(ASKED, nonce=8))


def test_each_signature_is_asked_for_once(client: FakeKmsClient, signer: KmsSigner) -> None:
    for trouble in ("throttled", "another name", "digest not verified"):
        client.misbehave(trouble)
        with pytest.raises((SignerUnavailable, SignerLied)):
            signer.sign(ASKED)
    assert len(client.signed) == 2  # the throttled one was never signed


def test_nothing_is_signed_for_fields_that_no_transfer_may_have(client: FakeKmsClient, signer: KmsSigner) -> None:
    with pytest.raises(ValueError, match="gas_limit"):
        signer.sign(replace(ASKED, gas_limit=1))
    assert client.signed == []


# --- the key --------------------------------------------------------------------------------------------------------


def test_the_key_is_looked_at_once_and_not_before_it_is_needed(client: FakeKmsClient) -> None:
    signer = KmsSigner(client, KEY_VERSION)
    assert "not looked at" in repr(signer)
    assert client.keys_shown == 0
    assert signer.address == ADDRESS
    signer.sign(ASKED)
    signer.sign(ASKED)
    assert client.keys_shown == 1


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"name": KEY_VERSION.replace("host", "guest")}, "name"),
        ({"algorithm": 12}, "algorithm"),
        ({"protection_level": 1}, "protection level"),
        ({"protection_level": 3}, "protection level"),
        ({"pem_crc32c": 1}, "public key checksum"),
        ({"pem_crc32c": None}, "public key checksum"),
    ],
)
def test_a_key_that_is_not_the_one_we_pinned_signs_nothing(
    client: FakeKmsClient, changed: dict[str, Any], what: str
) -> None:
    client.public_key = replace(client.public_key, **changed)
    signer = KmsSigner(client, KEY_VERSION, ADDRESS)
    with pytest.raises(SignerLied) as caught:
        signer.sign(ASKED)
    assert caught.value.what == what
    assert client.signed == []


def test_a_key_of_another_account_signs_nothing(client: FakeKmsClient) -> None:
    with pytest.raises(SignerLied) as caught:
        KmsSigner(client, KEY_VERSION, STRANGER).sign(ASKED)
    assert caught.value.what == "address"
    assert client.signed == []


def test_a_p256_key_is_the_classic_mistake_and_is_found_out() -> None:
    client = FakeKmsClient(KEY, curve=ec.SECP256R1())
    with pytest.raises(SignerLied) as caught:
        _ = KmsSigner(client, KEY_VERSION).address
    assert caught.value.what == "algorithm"
    client.public_key = replace(client.public_key, algorithm=31)  # even if it says otherwise
    with pytest.raises(SignerLied) as caught:
        _ = KmsSigner(client, KEY_VERSION).address
    assert caught.value.what == "public key"


def test_a_key_that_cannot_be_read_now_is_read_later(client: FakeKmsClient) -> None:
    signer = KmsSigner(client, KEY_VERSION.replace("host", "missing"))
    with pytest.raises(SignerUnavailable) as caught:
        _ = signer.address
    assert caught.value.reason == "refused"


@pytest.mark.parametrize(
    "name",
    ["", "projects/p/locations/l/keyRings/r/cryptoKeys/k", KEY_VERSION + "/", KEY_VERSION[:-1], KEY_VERSION + "\n"],
)
def test_the_key_is_pinned_to_one_version(client: FakeKmsClient, name: str) -> None:
    with pytest.raises(ValueError, match="cryptoKeyVersions"):
        KmsSigner(client, name)


def test_an_address_that_is_none_is_refused_at_once(client: FakeKmsClient) -> None:
    with pytest.raises(ValueError, match="no Ethereum address"):
        KmsSigner(client, KEY_VERSION, "0x12")


def test_the_library_is_loaded_for_a_real_connection_only() -> None:
    script = "import sys, shared.chain.kms, shared.sandbox.fake_kms; print('google.cloud.kms_v1' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


# --- the bytes ------------------------------------------------------------------------------------------------------


def test_the_payload_is_the_one_that_everybody_hashes() -> None:
    from shared.chain.address import keccak

    for fields in (ASKED, replace(ASKED, nonce=0, value_wei=2**255, cap_wei=2**128)):
        theirs = TypedTransaction.from_dict(
            {
                "type": 2,
                "chainId": fields.chain_id,
                "nonce": fields.nonce,
                "to": fields.to,
                "value": fields.value_wei,
                "gas": fields.gas_limit,
                "maxPriorityFeePerGas": fields.tip_wei,
                "maxFeePerGas": fields.cap_wei,
                "data": b"",
                "accessList": [],
            }
        )
        assert keccak(unsigned_payload(fields)) == bytes(theirs.hash())


def test_signed_bytes_are_the_payload_with_the_signature() -> None:
    raw = with_signature(ASKED, 1, 2**255, 5)
    assert raw[0] == 2
    assert raw[-35:-34] + raw[-34:-1] == bytes([1, 0xA0]) + (2**255).to_bytes(32, "big")
    assert raw[-1:] == b"\x05"
