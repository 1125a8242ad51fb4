"""A Cloud KMS of one key in memory, for `KmsSigner`: it signs with a random k, like the real one, and it can go wrong.

It answers like google-cloud-kms 3.18 and raises that library's own errors. Nothing of it is ever in production.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.api_core import exceptions as google

from shared.settings.checksum import crc32c

KEY_VERSION: Final = "projects/sandbox/locations/global/keyRings/wallet/cryptoKeys/host/cryptoKeyVersions/1"
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

Trouble = Literal[
    "throttled",  # RESOURCE_EXHAUSTED, nothing is signed
    "timed out",  # the signature is made, and the answer is lost
    "unreachable",
    "not allowed",
    "digest not verified",
    "signature corrupted",  # one bit of it, after its checksum was taken
    "checksum missing",
    "another name",
    "another key",
    "another digest",  # the answer to an earlier request
    "garbage",  # no DER, with a right checksum
    "not from an HSM",
]


@dataclass(frozen=True, slots=True)
class FakeSignature:
    """As `AsymmetricSignResponse`."""

    signature: bytes
    signature_crc32c: int | None
    verified_digest_crc32c: bool
    name: str
    protection_level: int


@dataclass(frozen=True, slots=True)
class FakePublicKey:
    """As `PublicKey`."""

    pem: str
    pem_crc32c: int | None
    algorithm: int
    name: str
    protection_level: int


class FakeKmsClient:
    """`KmsClient` over one key. Threads may share it.

    `misbehave` sets what goes wrong with the next signatures, one each; `signed` are the digests that were signed, also
    those whose answer was lost. `high_s` makes every signature the other one of its two spellings.
    """

    def __init__(self, private_key: str, *, high_s: bool | None = None, curve: ec.EllipticCurve | None = None) -> None:
        """`private_key` as hex; `high_s` None leaves s as it comes; another `curve` is the classic mistake."""
        number = int(private_key, 16)
        self._key = ec.derive_private_key(number, curve or ec.SECP256K1())
        self._other_key = ec.derive_private_key(number + 1, ec.SECP256K1())
        self._high_s = high_s
        self._troubles: deque[Trouble] = deque()
        self._lock = threading.Lock()
        self.signed: list[bytes] = []
        self.keys_shown = 0
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        algorithm = 31 if isinstance(self._key.curve, ec.SECP256K1) else 12
        self.public_key = FakePublicKey(pem, crc32c(pem.encode()), algorithm, KEY_VERSION, 2)

    def misbehave(self, *troubles: Trouble) -> None:
        """What goes wrong with the next signatures, in this order."""
        self._troubles.extend(troubles)

    def get_public_key(self, request: Mapping[str, object], *, retry: None, timeout: int) -> FakePublicKey:
        del retry, timeout
        self._check_name(request)
        self.keys_shown += 1
        return self.public_key

    def asymmetric_sign(self, request: Mapping[str, object], *, retry: None, timeout: int) -> FakeSignature:
        del retry, timeout
        self._check_name(request)
        digest = self._digest_in(request)
        with self._lock:
            trouble = self._troubles.popleft() if self._troubles else None
            earlier = self.signed[-1] if self.signed else digest[::-1]
            if trouble in _BEFORE:
                raise _error(*_BEFORE[trouble])
            self.signed.append(digest)
        if trouble == "timed out":
            raise _error(google.DeadlineExceeded, "Deadline Exceeded")
        key = self._other_key if trouble == "another key" else self._key
        signature = self._sign(key, earlier if trouble == "another digest" else digest)
        return _told(b"\x30\x06no DER" if trouble == "garbage" else signature, trouble)

    def _sign(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        signature = key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        r, s = decode_dss_signature(signature)
        if self._high_s is not None and (s > _ORDER // 2) is not self._high_s:
            s = _ORDER - s
        return encode_dss_signature(r, s)

    def _check_name(self, request: Mapping[str, object]) -> None:
        if request["name"] != KEY_VERSION:
            raise _error(google.NotFound, f"{request['name']} not found.")

    def _digest_in(self, request: Mapping[str, object]) -> bytes:
        wrapped = request["digest"]
        assert isinstance(wrapped, Mapping)
        digest = wrapped["sha256"]
        if not isinstance(digest, bytes) or len(digest) != 32 or request["digest_crc32c"] != crc32c(digest):
            raise _error(google.InvalidArgument, "The checksum in field digest_crc32c did not match.")
        return digest


def _error(kind: type[Exception], text: str) -> Exception:
    return kind(text)


_BEFORE: Final[Mapping[Trouble | None, tuple[type[Exception], str]]] = {
    "throttled": (google.ResourceExhausted, "Quota exceeded for quota metric"),
    "unreachable": (google.ServiceUnavailable, "failed to connect to all addresses"),
    "not allowed": (google.PermissionDenied, "Permission 'cloudkms.cryptoKeyVersions.useToSign' denied"),
}


def _told(signature: bytes, trouble: Trouble | None) -> FakeSignature:
    checksum = None if trouble == "checksum missing" else crc32c(signature)
    if trouble == "signature corrupted":
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return FakeSignature(
        signature=signature,
        signature_crc32c=checksum,
        verified_digest_crc32c=trouble != "digest not verified",
        name=KEY_VERSION.replace("Versions/1", "Versions/2") if trouble == "another name" else KEY_VERSION,
        protection_level=1 if trouble == "not from an HSM" else 2,
    )
