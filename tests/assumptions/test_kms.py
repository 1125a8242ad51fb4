"""What the key room believes of google-cloud-kms, of its errors, and of ECDSA with a random k."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from google.api_core import exceptions as google

from shared.chain.kms.client import HSM_LEVELS, SECP256K1_SHA256, unavailable
from shared.chain.signer import CURVE_ORDER
from shared.sandbox.fake_kms import KEY_VERSION, FakeKmsClient
from shared.settings.checksum import crc32c

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1


def error(kind: type[Exception], *told: object) -> Exception:
    return kind(*told)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (google.ResourceExhausted, "throttled"),
        (google.DeadlineExceeded, "timed_out"),
        (google.PermissionDenied, "refused"),
        (google.Unauthenticated, "refused"),
        (google.NotFound, "refused"),
        (google.FailedPrecondition, "refused"),  # the key version is disabled or destroyed
        (google.InvalidArgument, "refused"),
        (google.ServiceUnavailable, "unreachable"),
        (google.InternalServerError, "unreachable"),
        (google.Unknown, "unreachable"),
    ],
)
def test_the_services_errors_are_these_classes(kind: type[Exception], reason: str) -> None:
    assert issubclass(kind, google.GoogleAPIError)
    assert unavailable(error(kind, "text")).reason == reason


def test_a_repetition_that_gave_up_is_a_time_out() -> None:
    assert unavailable(error(google.RetryError, "text", None)).reason == "timed_out"


def test_a_random_k_gives_other_bytes_each_time_and_a_high_s_half_of_the_time() -> None:
    client, digest = FakeKmsClient(KEY), b"\x07" * 32
    request = {"name": KEY_VERSION, "digest": {"sha256": digest}, "digest_crc32c": crc32c(digest)}
    signatures = {client.asymmetric_sign(request, retry=None, timeout=1).signature for _ in range(64)}
    high = [s for _, s in map(decode_dss_signature, signatures) if s > CURVE_ORDER // 2]
    assert len(signatures) == 64
    assert 8 < len(high) < 56  # each side once in a billion runs


def test_the_library_speaks_as_we_call_it() -> None:
    kms: Any = import_module("google.cloud.kms")
    algorithm = kms.CryptoKeyVersion.CryptoKeyVersionAlgorithm.EC_SIGN_SECP256K1_SHA256
    assert algorithm == SECP256K1_SHA256
    assert {kms.ProtectionLevel.HSM, kms.ProtectionLevel.HSM_SINGLE_TENANT} == HSM_LEVELS
    request = {"name": KEY_VERSION, "digest": {"sha256": bytes(32)}, "digest_crc32c": 5}
    assert kms.AsymmetricSignRequest(request).digest_crc32c == 5
    answer = kms.AsymmetricSignResponse()
    assert (answer.signature, answer.signature_crc32c, answer.verified_digest_crc32c) == (b"", None, False)
    assert (answer.name, answer.protection_level) == ("", 0)
    key = kms.PublicKey(pem="a", pem_crc32c=7, algorithm=algorithm, name="n", protection_level=2)
    assert (key.pem, key.pem_crc32c, key.algorithm, key.name, key.protection_level) == ("a", 7, 31, "n", 2)
