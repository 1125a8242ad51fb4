"""Settings whose secrets lie in Secret Manager: the genuine client on the sandbox's server, and every way to fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from GCHostPay2.settings import WatcherSettings
from GCHostPay3.settings import ExecutorSettings
from GCMicroBatchProcessor.settings import BatcherSettings
from shared.db.settings import DatabaseSettings
from shared.sandbox.fleet.environment import REPOSITORY, service_command
from shared.sandbox.processes import Process
from shared.sandbox.secrets import VALUES_VARIABLE, command
from shared.sandbox.secrets.service import Fault, FaultKind, SecretService
from shared.settings import (
    EXIT_CONFIGURATION,
    Secret,
    SecretManager,
    SettingsWrong,
    Unreadable,
    load_settings,
    read_settings,
)
from shared.telemetry.redaction import forget_concealed, without_secrets
from tests.simulation.incidents.environment import ENVIRONMENT

PROJECT = "some-project"
KEY, OLD = "5cf2e0b1a7d94e3688b1f0c2d7e65a49", "00112233445566778899aabbccddeeff"
API_KEY = "b8d13f5264a7c9e0f1d2b3854e6a7c90"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_concealed()


@pytest.fixture
def secrets() -> Iterator[SecretService]:
    with SecretService(PROJECT) as service:
        service.store.add("SUCCESS_URL_SIGNING_KEY", KEY.encode() + b"\n")  # as `echo` stores it
        service.store.add("CHANGENOW_API_KEY", API_KEY.encode())
        yield service


def environment(secrets: SecretService, **changed: str | None) -> dict[str, str]:
    taken = dict.fromkeys(("SUCCESS_URL_SIGNING_KEY", "CHANGENOW_API_KEY"))
    where = {"SECRETS_PROJECT_ID": PROJECT, "SECRETS_ENDPOINT": secrets.endpoint}
    return {name: value for name, value in (ENVIRONMENT | taken | where | changed).items() if value is not None}


def watcher(secrets: SecretService, **changed: str | None) -> WatcherSettings:
    return load_settings(WatcherSettings, environment(secrets, **changed))


def refusal(secrets: SecretService, capsys: pytest.CaptureFixture[str], **changed: str | None) -> list[str]:
    with pytest.raises(SystemExit) as stopped:
        watcher(secrets, **changed)
    assert stopped.value.code == EXIT_CONFIGURATION
    said = capsys.readouterr().err
    assert KEY not in said
    return said.splitlines()[1:]


def test_secrets_that_are_not_in_the_environment_are_read_and_trimmed_and_can_no_longer_be_logged(
    secrets: SecretService,
) -> None:
    settings = watcher(secrets)
    assert settings.success_url_signing_key.get_secret_value() == KEY
    assert settings.success_url_signing_key_previous is None
    assert settings.changenow_api_key.get_secret_value() == API_KEY
    assert settings.from_secret_manager == {"SUCCESS_URL_SIGNING_KEY", "CHANGENOW_API_KEY"}
    assert without_secrets(f"{KEY} {API_KEY}") == "*** ***"


def test_the_environment_goes_first_and_nothing_of_it_is_asked_for(secrets: SecretService) -> None:
    own = "an internal secret of the environment"
    settings = watcher(secrets, SUCCESS_URL_SIGNING_KEY=own, CHANGENOW_API_KEY="a-key-of-its-own")
    assert settings.success_url_signing_key.get_secret_value() == own
    assert settings.from_secret_manager == frozenset()
    assert secrets.reads == 0


def test_the_version_before_the_latest_still_opens_and_only_while_it_is_enabled(secrets: SecretService) -> None:
    name = "SUCCESS_URL_SIGNING_KEY"
    secrets.store.add(name, OLD.encode())
    rotated = watcher(secrets)
    assert rotated.success_url_signing_key.get_secret_value() == OLD
    assert rotated.success_url_signing_key_previous is not None
    assert rotated.success_url_signing_key_previous.get_secret_value() == KEY
    secrets.store.set_enabled(name, "1", False)
    assert watcher(secrets).success_url_signing_key_previous is None
    secrets.store.add(name, b"   ")
    secrets.store.add(name, KEY.encode())  # the slip was mended
    assert watcher(secrets).success_url_signing_key_previous is None
    secrets.store.add(name, KEY.encode() + b"\r\n")
    assert watcher(secrets).success_url_signing_key_previous is None, "stored anew is not rotated"


def test_an_optional_secret_that_is_not_there_is_absent_and_a_required_one_is_missing(
    secrets: SecretService, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.store.create("HOST_WALLET_PRIVATE_KEY")  # without a version
    kms = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
    environ = environment(secrets, HOST_WALLET_PRIVATE_KEY=None, HOST_WALLET_KMS_KEY_VERSION=kms)
    assert load_settings(ExecutorSettings, environ).host_wallet_private_key is None
    del environ["ETHEREUM_RPC_URLS"]
    with pytest.raises(SystemExit):
        load_settings(ExecutorSettings, environ)
    assert capsys.readouterr().err.splitlines()[1:] == ["  ETHEREUM_RPC_URLS is missing"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is blank in Secret Manager"),
        (b" \n", "is blank in Secret Manager"),
        (b"two\nlines of a sufficient length", "has a line end or another control character in its value"),
        (b"\xff\xfe" * 16, "is not text in Secret Manager"),
        (b"projects/1/secrets/SUCCESS_URL_SIGNING_KEY/versions/latest\n", "holds the path of a secret where"),
        (b"short\n", "must have at least 16 bytes"),
    ],
)
def test_a_secret_that_holds_no_value_stops_the_start(
    content: bytes, told: str, secrets: SecretService, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.store.add("SUCCESS_URL_SIGNING_KEY", content)
    (sentence,) = refusal(secrets, capsys)
    assert sentence.startswith(f"  SUCCESS_URL_SIGNING_KEY {told}")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("damaged", "arrived damaged from Secret Manager: its checksum is wrong"),
        ("denied", "may not be read from Secret Manager: grant roles/secretmanager.secretAccessor"),
        ("unavailable", "could not be read from Secret Manager now"),
        ("slow", "could not be read from Secret Manager now"),
    ],
)
def test_a_secret_that_cannot_be_read_stops_the_start_within_its_time_and_names_the_key(
    kind: FaultKind, told: str, secrets: SecretService
) -> None:
    secrets.faults["SUCCESS_URL_SIGNING_KEY"] = Fault(kind)
    manager = SecretManager(PROJECT, secrets.endpoint, limit_s=0.6)
    began = time.monotonic()
    answer = manager.read("SUCCESS_URL_SIGNING_KEY")
    assert time.monotonic() - began < 2
    assert isinstance(answer, Unreadable)
    assert answer.rule.startswith(told)
    manager.close()


def test_denied_and_disabled_stop_the_start_also_for_an_optional_secret(
    secrets: SecretService, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.faults["CHANGENOW_API_KEY"] = Fault("denied")
    secrets.store.set_enabled("SUCCESS_URL_SIGNING_KEY", "1", False)
    exchange, signing = sorted(refusal(secrets, capsys))
    assert exchange.startswith("  CHANGENOW_API_KEY may not be read")
    assert signing.startswith("  SUCCESS_URL_SIGNING_KEY has a version in Secret Manager that is disabled")


def test_a_moments_trouble_is_waited_out(secrets: SecretService) -> None:
    secrets.faults["SUCCESS_URL_SIGNING_KEY"] = Fault("unavailable", times=2)
    assert watcher(secrets).success_url_signing_key.get_secret_value() == KEY


def test_a_server_that_is_away_is_a_sentence(secrets: SecretService) -> None:
    manager = SecretManager(PROJECT, "127.0.0.1:1", limit_s=0.3)
    assert manager.read("ANY") == Unreadable("could not be read from Secret Manager now (RetryError)")
    manager.close()


def test_without_an_identity_every_secret_is_a_sentence_and_no_traceback(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/credentials.json")
    said = refusal(secrets, capsys, SECRETS_ENDPOINT=None)
    assert sorted(line.split()[0] for line in said) == ["CHANGENOW_API_KEY", "SUCCESS_URL_SIGNING_KEY"]
    assert all("could not be read from Secret Manager now (DefaultCredentialsError)" in line for line in said)


def test_a_command_takes_its_secrets_there_too_and_names_a_way_that_there_cannot_be(secrets: SecretService) -> None:
    secrets.store.add("DATABASE_NAME_SECRET", b"payments\n")
    environ = {
        "DATABASE_HOST": "localhost",
        "DATABASE_USER_SECRET": "gcpay_operator",
        "SECRETS_PROJECT_ID": PROJECT,
        "SECRETS_ENDPOINT": secrets.endpoint,
    }
    assert read_settings(DatabaseSettings, environ).database_name_secret.get_secret_value() == "payments"
    with pytest.raises(SettingsWrong) as wrong:
        read_settings(DatabaseSettings, environ | {"SECRETS_PROJECT_ID": "No Project"})
    assert "SECRETS_PROJECT_ID must be a project id, or a project's number" in wrong.value.sentences


def test_the_threshold_is_no_secret_and_may_lie_there_all_the_same(secrets: SecretService) -> None:
    secrets.store.add("MICRO_BATCH_THRESHOLD_USD", b"75.50\n")
    settings = load_settings(BatcherSettings, environment(secrets, MICRO_BATCH_THRESHOLD_USD=None))
    assert settings.micro_batch_threshold_usd == "75.50"


def test_many_secrets_cost_about_as_long_as_one(secrets: SecretService) -> None:
    for name in ("CHANGENOW_API_KEY", "SUCCESS_URL_SIGNING_KEY"):
        secrets.faults[name] = Fault("slow", delay_s=0.4)
    began = time.monotonic()
    watcher(secrets)
    assert time.monotonic() - began < 0.75


@pytest.mark.parametrize(("name", "value"), [("SECRETS_PROJECT_ID", "No Project"), ("SECRETS_ENDPOINT", "https://x")])
def test_a_secret_manager_that_there_cannot_be_is_named(
    name: str, value: str, secrets: SecretService, capsys: pytest.CaptureFixture[str]
) -> None:
    (sentence,) = [line for line in refusal(secrets, capsys, **{name: value}) if name in line]
    assert value not in sentence


def test_the_service_is_a_process_that_takes_its_first_secrets_and_new_versions() -> None:
    values = {VALUES_VARIABLE: '{"A_SECRET": "the first"}', "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    process = Process.start("secrets", command(PROJECT), env=values)
    try:
        endpoint = str(process.ready["endpoint"])
        client = secretmanager_v1.SecretManagerServiceClient(
            transport=SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(endpoint))
        )
        manager = SecretManager(PROJECT, endpoint)
        assert manager.read("A_SECRET") == Secret("the first", 1)
        parent = f"projects/{PROJECT}/secrets/A_SECRET"
        client.add_secret_version(parent=parent, payload=secretmanager_v1.SecretPayload(data=b"the second"))
        assert manager.read("A_SECRET") == Secret("the second", 2)
        client.disable_secret_version(name=f"{parent}/versions/2")
        assert isinstance(manager.read("A_SECRET"), Unreadable)
        client.create_secret(parent=f"projects/{PROJECT}", secret_id="NEW", secret=secretmanager_v1.Secret())
        assert manager.read("NEW") is None
        with pytest.raises(exceptions.AlreadyExists):
            client.create_secret(parent=f"projects/{PROJECT}", secret_id="NEW", secret=secretmanager_v1.Secret())
        with pytest.raises(exceptions.PermissionDenied):
            client.create_secret(parent="projects/another", secret_id="NEW", secret=secretmanager_v1.Secret())
        client.transport.close()  # type: ignore[no-untyped-call]
        manager.close()
    finally:
        process.stop()


def test_a_real_service_ends_with_78_before_it_listens_when_a_secret_is_denied(secrets: SecretService) -> None:
    secrets.faults["SUCCESS_URL_SIGNING_KEY"] = Fault("denied")
    here = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PORT": "1", "LISTEN_ADDRESS": "127.0.0.1"}
    run = subprocess.run(
        service_command("GCHostPay2"), env=environment(secrets) | here, cwd=REPOSITORY, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode == EXIT_CONFIGURATION, said
    assert "  SUCCESS_URL_SIGNING_KEY may not be read from Secret Manager" in said
    assert "Listening" not in said
    assert "Traceback" not in said


def test_the_client_is_loaded_only_where_secrets_lie_in_secret_manager() -> None:
    script = (
        "import sys; from GCHostPay2.settings import WatcherSettings; from shared.settings import load_settings;"
        "load_settings(WatcherSettings); assert not [m for m in sys.modules if m.split('.')[0] in ('grpc', 'google')]"
    )
    env = ENVIRONMENT | {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
