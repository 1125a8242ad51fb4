"""What the signer needs of google-cloud-kms: two calls, their answers, and what their errors allow.

The library itself is loaded when a client is connected, and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final, Protocol, cast

from google.api_core import exceptions as google
from google.auth.exceptions import GoogleAuthError

from shared.chain.trouble import SignerUnavailable

SECP256K1_SHA256: Final = 31  # CryptoKeyVersionAlgorithm.EC_SIGN_SECP256K1_SHA256
HSM_LEVELS: Final = frozenset({2, 5})  # ProtectionLevel.HSM and HSM_SINGLE_TENANT: the key cannot be exported


class SignatureAnswer(Protocol):
    """`AsymmetricSignResponse`, as far as it is read."""

    @property
    def signature(self) -> bytes: ...

    @property
    def signature_crc32c(self) -> int | None: ...

    @property
    def verified_digest_crc32c(self) -> bool: ...

    @property
    def name(self) -> str: ...

    @property
    def protection_level(self) -> int: ...


class PublicKeyAnswer(Protocol):
    """`PublicKey`, as far as it is read."""

    @property
    def pem(self) -> str: ...

    @property
    def pem_crc32c(self) -> int | None: ...

    @property
    def algorithm(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def protection_level(self) -> int: ...


class KmsClient(Protocol):
    """`KeyManagementServiceClient`, as far as it is called. `retry` is None: the queue repeats, not the library."""

    def asymmetric_sign(self, request: Mapping[str, object], *, retry: None, timeout: int) -> SignatureAnswer: ...

    def get_public_key(self, request: Mapping[str, object], *, retry: None, timeout: int) -> PublicKeyAnswer: ...


def connect() -> KmsClient:
    """The real client with the environment's own identity. Asks nothing yet."""
    # Half a second of import that a fleet with a local key does without.
    return cast(KmsClient, import_module("google.cloud.kms").KeyManagementServiceClient())


# Every error of the client and of the identity it shows.
ERRORS: Final = (google.GoogleAPIError, GoogleAuthError)

_REASONS: Final[tuple[tuple[str, tuple[type[Exception], ...]], ...]] = (
    ("throttled", (google.TooManyRequests,)),
    ("timed_out", (google.GatewayTimeout, google.RetryError)),
    ("refused", (google.ClientError, GoogleAuthError)),
)


def unavailable(error: Exception) -> SignerUnavailable:
    """What a failed call allows: to sign again. Its class is told; its text names the project and stays the cause."""
    reason = next((reason for reason, kinds in _REASONS if isinstance(error, kinds)), "unreachable")
    return SignerUnavailable(reason, type(error).__name__)
