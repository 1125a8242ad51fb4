"""`Signer` with the key in Cloud KMS (EC_SIGN_SECP256K1_SHA256, pinned to one key version).

A signature that is lost on the way, or thrown away because something about it is wrong, was never sent to any node:
bytes reach a network only from an attempt's row, and this one has no row yet. So signing again after any error is safe,
although Cloud KMS then gives other bytes for the same transfer.
"""

from __future__ import annotations

import re
from typing import Final, Self

from shared.chain.address import is_address, keccak, same_address, to_checksum
from shared.chain.kms.client import (
    ERRORS,
    HSM_LEVELS,
    SECP256K1_SHA256,
    KmsClient,
    PublicKeyAnswer,
    SignatureAnswer,
    unavailable,
)
from shared.chain.kms.client import connect as connect_client
from shared.chain.kms.der import read_der
from shared.chain.kms.public_key import address_of_pem
from shared.chain.payload import unsigned_payload, with_signature
from shared.chain.port import Signed, TransferFields
from shared.chain.signer import CURVE_ORDER, check_signed, recovered_address, refuse_impossible
from shared.chain.trouble import SignerLied
from shared.settings.checksum import crc32c

_KEY_VERSION: Final = re.compile(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+/cryptoKeyVersions/[1-9][0-9]*"
)
_TIMEOUT_S: Final = 10


class KmsSigner:
    """`Signer` over one version of a key in Cloud KMS. Threads may share it; nothing is asked before it is needed.

    Raises `SignerUnavailable` (try later) when the service does not sign, `SignerLied` (broken) when what it says
    cannot be believed: another name, checksum, key, curve, protection level, or a signature that is none.
    """

    def __init__(
        self, client: KmsClient, key_version_name: str, address: str | None = None, timeout_s: int = _TIMEOUT_S
    ) -> None:
        """`address`, if given, is the account that the key must control; the key is looked at before it first signs."""
        if not _KEY_VERSION.fullmatch(key_version_name):
            raise ValueError(
                "the key is named as projects/../locations/../keyRings/../cryptoKeys/../cryptoKeyVersions/N"
            )
        if address is not None and not is_address(address):
            raise ValueError("the wallet's address is no Ethereum address")
        self._client = client
        self._name = key_version_name
        self._expected = address
        self._timeout_s = timeout_s
        self._seen: str | None = None

    @classmethod
    def connect(cls, key_version_name: str, address: str | None = None) -> Self:
        """A signer over the real service, with the environment's own identity."""
        return cls(connect_client(), key_version_name, address)

    def __repr__(self) -> str:
        return f"KmsSigner({self._seen or self._expected or 'key not looked at'})"

    @property
    def address(self) -> str:
        """The account of the key that the service shows; asked once."""
        if self._seen is None:
            self._seen = self._look_at_key()
        return self._seen

    def sign(self, fields: TransferFields) -> Signed:
        address = self.address
        refuse_impossible(fields, address)
        digest = keccak(unsigned_payload(fields))
        r, s = self._signature_of(digest)
        raw = with_signature(fields, self._y_parity(digest, r, s, address), r, s)
        check_signed(raw, address, fields)
        return Signed(raw, "0x" + keccak(raw).hex())

    def _look_at_key(self) -> str:
        try:
            shown = self._client.get_public_key({"name": self._name}, retry=None, timeout=self._timeout_s)
        except ERRORS as error:
            raise unavailable(error) from error
        self._believe(shown)
        if shown.algorithm != SECP256K1_SHA256:
            raise SignerLied("algorithm", "the key version signs on another curve or with another hash")
        if shown.pem_crc32c != crc32c(shown.pem.encode()):
            raise SignerLied("public key checksum", "the public key was changed on the way")
        address = address_of_pem(shown.pem)
        if address is None:
            raise SignerLied("public key", "this is no public key on secp256k1")
        if self._expected is not None and not same_address(address, self._expected):
            raise SignerLied("address", f"the key controls {address}, not {to_checksum(self._expected)}")
        return address

    def _signature_of(self, digest: bytes) -> tuple[int, int]:
        """(r, low s) over this digest, as the service answered it and nobody changed it."""
        # The digest is keccak's; the field is called sha256 because only the length matters to the service.
        request = {"name": self._name, "digest": {"sha256": digest}, "digest_crc32c": crc32c(digest)}
        try:
            answer = self._client.asymmetric_sign(request, retry=None, timeout=self._timeout_s)
        except ERRORS as error:
            raise unavailable(error) from error
        self._believe(answer)
        if answer.verified_digest_crc32c is not True:
            raise SignerLied("digest checksum", "the service does not say that it signed the digest it was sent")
        if answer.signature_crc32c != crc32c(answer.signature):
            raise SignerLied("signature checksum", "the signature was changed on the way")
        numbers = read_der(answer.signature)
        if numbers is None or max(numbers) >= CURVE_ORDER:
            raise SignerLied("signature", "this is no ECDSA signature in DER")
        r, s = numbers
        return r, min(s, CURVE_ORDER - s)  # EIP-2: nodes refuse the upper half

    def _believe(self, answer: PublicKeyAnswer | SignatureAnswer) -> None:
        if answer.name != self._name:
            raise SignerLied("name", "another key version answered")
        if answer.protection_level not in HSM_LEVELS:
            raise SignerLied("protection level", "the key is not held by an HSM")

    def _y_parity(self, digest: bytes, r: int, s: int, address: str) -> int:
        """Which of the two points with this r is the key's. Neither: another key signed, or another digest."""
        for y_parity in (0, 1):
            if recovered_address(digest, y_parity, r, s) == address:
                return y_parity
        raise SignerLied("signer", "the signature is not of this key over this digest")
