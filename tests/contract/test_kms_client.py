"""The signer through the real google-cloud-kms client and real gRPC, against a service that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from shared.chain.kms import KmsSigner
from shared.chain.port import TransferFields
from shared.chain.signer import decode_signed
from shared.chain.trouble import SignerLied, SignerUnavailable
from shared.sandbox.fake_kms import KEY_VERSION, FakeKmsClient, Trouble

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's public test key 1
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ASKED = TransferFields(chain_id=1, nonce=7, to=ADDRESS, value_wei=5, gas_limit=26_250, tip_wei=2, cap_wei=90)

kms: Any = import_module("google.cloud.kms")


class Service:
    """KeyManagementService with one key; `hangs_s` delays every signature."""

    def __init__(self) -> None:
        self.keys = FakeKmsClient(KEY)
        self.hangs_s: float = 0
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    "google.cloud.kms.v1.KeyManagementService",
                    {
                        "AsymmetricSign": grpc.unary_unary_rpc_method_handler(
                            self._sign,
                            request_deserializer=kms.AsymmetricSignRequest.deserialize,
                            response_serializer=kms.AsymmetricSignResponse.serialize,
                        ),
                        "GetPublicKey": grpc.unary_unary_rpc_method_handler(
                            self._show_key,
                            request_deserializer=kms.GetPublicKeyRequest.deserialize,
                            response_serializer=kms.PublicKey.serialize,
                        ),
                    },
                )
            ]
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _sign(self, asked: Any, context: grpc.ServicerContext) -> Any:
        request = {
            "name": asked.name,
            "digest": {"sha256": asked.digest.sha256},
            "digest_crc32c": asked.digest_crc32c,
        }
        try:
            answer = self.keys.asymmetric_sign(request, retry=None, timeout=1)
        except GoogleAPICallError as error:
            context.abort(error.grpc_status_code or grpc.StatusCode.UNKNOWN, error.message)
        time.sleep(self.hangs_s)
        return kms.AsymmetricSignResponse(asdict(answer))

    def _show_key(self, asked: Any, context: grpc.ServicerContext) -> Any:
        try:
            shown = self.keys.get_public_key({"name": asked.name}, retry=None, timeout=1)
        except GoogleAPICallError as error:
            context.abort(error.grpc_status_code or grpc.StatusCode.UNKNOWN, error.message)
        return kms.PublicKey(asdict(shown))


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Any]:
    transports = import_module("google.cloud.kms_v1.services.key_management_service.transports")
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        transport = transports.KeyManagementServiceGrpcTransport(channel=channel)
        yield kms.KeyManagementServiceClient(transport=transport)


def test_a_transfer_is_signed_through_the_real_client(service: Service, client: Any) -> None:
    signer = KmsSigner(client, KEY_VERSION, ADDRESS)
    assert decode_signed(signer.sign(ASKED).raw)[:2] == (ADDRESS, ASKED)
    assert service.keys.keys_shown == 1


@pytest.mark.parametrize(
    ("trouble", "reason"), [("throttled", "throttled"), ("unreachable", "unreachable"), ("not allowed", "refused")]
)
def test_its_errors_are_asked_again_later_and_not_repeated_by_the_library(
    service: Service, client: Any, trouble: Trouble, reason: str
) -> None:
    signer = KmsSigner(client, KEY_VERSION, ADDRESS)
    service.keys.misbehave(trouble)
    with pytest.raises(SignerUnavailable) as caught:
        signer.sign(ASKED)
    assert caught.value.reason == reason
    assert service.keys.signed == []
    assert decode_signed(signer.sign(ASKED).raw)[1] == ASKED


def test_an_answer_that_takes_too_long_is_lost_and_signed_again(service: Service, client: Any) -> None:
    signer = KmsSigner(client, KEY_VERSION, ADDRESS, timeout_s=1)
    service.hangs_s = 1.3
    with pytest.raises(SignerUnavailable) as caught:
        signer.sign(ASKED)
    assert caught.value.reason == "timed_out"
    service.hangs_s = 0
    assert decode_signed(signer.sign(ASKED).raw)[1] == ASKED
    assert len(service.keys.signed) == 2


@pytest.mark.parametrize(
    ("trouble", "what"),
    [
        ("digest not verified", "digest checksum"),
        ("signature corrupted", "signature checksum"),
        ("checksum missing", "signature checksum"),
        ("another name", "name"),
        ("another key", "signer"),
        ("garbage", "signature"),
        ("not from an HSM", "protection level"),
    ],
)
def test_its_lies_are_found_out_through_the_real_client(
    service: Service, client: Any, trouble: Trouble, what: str
) -> None:
    service.keys.misbehave(trouble)
    with pytest.raises(SignerLied) as caught:
        KmsSigner(client, KEY_VERSION, ADDRESS).sign(ASKED)
    assert caught.value.what == what


def test_a_key_version_that_does_not_exist_is_refused(client: Any) -> None:
    with pytest.raises(SignerUnavailable) as caught:
        _ = KmsSigner(client, KEY_VERSION.replace("host", "missing")).address
    assert caught.value.reason == "refused"


def test_without_an_identity_the_signer_cannot_be_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/identity.json")
    with pytest.raises(GoogleAuthError, match="was not found"):
        KmsSigner.connect(KEY_VERSION, ADDRESS)
