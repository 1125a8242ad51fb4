"""Checksums, signatures and public keys of the key service are read in the one form that is right."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chain.kms import address_of_pem, crc32c, read_der

# RFC 3720 B.4, the iSCSI SCSI Read (10) command.
READ_COMMAND = bytes.fromhex(
    "01c0000000000000000000000000000014000000000004000000001400000018280000000000000002000000" + "00000000"
)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


# --- CRC-32C --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (READ_COMMAND, 0xD9963A56),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_checksum_is_that_of_rfc_3720(content: bytes, checksum: int) -> None:
    """RFC 3720 B.4: zeroes, ones, rising, falling, an iSCSI read command; and the catalogue's check value."""
    assert crc32c(content) == checksum


@given(st.binary(min_size=1, max_size=80), st.data())
def test_a_changed_bit_changes_the_checksum(content: bytes, data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    changed = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    assert crc32c(changed) != crc32c(content)


# --- DER ------------------------------------------------------------------------------------------------------------

numbers = st.integers(1, ORDER - 1) | st.integers(1, 300) | st.sampled_from([1, 127, 128, 255, 256, ORDER - 1])


@given(numbers, numbers)
def test_a_signature_is_read_as_it_was_written(r: int, s: int) -> None:
    assert read_der(encode_dss_signature(r, s)) == (r, s)


@given(numbers, numbers, st.data())
def test_one_changed_byte_is_another_signature_or_none(r: int, s: int, data: st.DataObject) -> None:
    der = encode_dss_signature(r, s)
    at, byte = data.draw(st.integers(0, len(der) - 1)), data.draw(st.integers(0, 255))
    changed = der[:at] + bytes([byte]) + der[at + 1 :]
    assert changed == der or read_der(changed) != (r, s)


@given(st.binary(max_size=90))
def test_any_bytes_are_read_or_not_but_never_trouble(content: bytes) -> None:
    numbers = read_der(content)
    assert numbers is None or encode_dss_signature(*numbers) == content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "3006020101020101" + "00",  # something after it
        "30060201010201",  # cut
        "3007020101020101",  # a length that is too long
        "30060201ff020101",  # negative
        "3006020100020101",  # r = 0
        "3006020101020100",  # s = 0
        "300702020001020101",  # a zero too many
        "3106020101020101",  # a set
        "3006030101020101",  # a bit string
        "308106020101020101",  # the long form of a short length
        "3080020101020101" + "0000",  # BER: a length that is not said
        "3009020101020101020101",  # three numbers
        "3003020101",  # one number
        "3026" + "0222" + "01" + "00" * 33 + "020101",
    ],
)
def test_another_encoding_is_no_signature(text: str) -> None:
    assert read_der(bytes.fromhex(text)) is None


# --- public keys ----------------------------------------------------------------------------------------------------


def pem_of(key: int, curve: ec.EllipticCurve | None = None) -> str:
    public = ec.derive_private_key(key, curve or ec.SECP256K1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@settings(max_examples=20)
@given(st.integers(1, ORDER - 1))
def test_a_public_key_names_its_account(key: int) -> None:
    assert address_of_pem(pem_of(key)) == Account.from_key(key.to_bytes(32, "big")).address


def armoured(der: bytes) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n"


def der_of(pem: str) -> bytes:
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def test_a_key_that_is_not_exactly_one_point_on_the_curve_names_nobody() -> None:
    der = der_of(pem_of(5))
    assert address_of_pem(armoured(der)) is not None
    for wrong in (
        der[:-1],
        der + b"\x00",
        der[:-1] + bytes([der[-1] ^ 1]),  # not on the curve
        der[:23] + b"\xff" * 64,
        der_of(pem_of(5, ec.SECP256R1())),
        b"",
    ):
        assert address_of_pem(armoured(wrong)) is None


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        pem_of(5) + pem_of(6),
        pem_of(5)[1:],
    ],
)
def test_what_is_no_pem_names_nobody(pem: str) -> None:
    assert address_of_pem(pem) is None


def test_a_compressed_point_is_not_how_the_service_shows_keys() -> None:
    public = ec.derive_private_key(5, ec.SECP256K1()).public_key()
    compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert address_of_pem(armoured(der_of(pem_of(5))[:22] + b"\x00" + compressed)) is None
