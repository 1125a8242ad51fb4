"""Every setting of all five services, taken from the classes that they start with, spoilt in every way there is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared.http.settings import settings_class_of
from shared.ops.former_names import GONE, KEPT, RENAMED
from shared.ops.settings_table import Setting, settings_of
from shared.sandbox.fleet.environment import REPOSITORY, service_command
from shared.settings import EXIT_CONFIGURATION, load_settings, whole_number_from
from shared.telemetry.redaction import forget_concealed
from tests.simulation.incidents.environment import ENVIRONMENT, SERVICES

ALL = [setting for service in SERVICES for setting in settings_of(service)]
# One that stands in no environment of these tests: a value for it, so that it can be spoilt.
MORE = {
    "ALERT_WEBHOOK_URL": "https://hooks.example/services/T0/B0/abcdef",
    "DATABASE_PASSWORD_SECRET": "a-password",
    "CHANGENOW_API_KEY_PREVIOUS": "an-older-partner-key",
    "SUCCESS_URL_SIGNING_KEY_PREVIOUS": "an-older-internal-secret",
    "TPS_HOSTPAY_SIGNING_KEY_PREVIOUS": "an-older-upstream-secret",
    "UPSTREAM_SIGNING_KEY_PREVIOUS": "an-older-webhook-secret",
    "ETHEREUM_QUORUM": "1",
}
# Either this or another one is set: what is refused here is refused before it is asked which.
ALTERNATIVES = {
    "CLOUD_SQL_CONNECTION_NAME": "project-one:us-central1:payments",
    "HOST_WALLET_KMS_KEY_VERSION": "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
}
BROKEN = ("is blank", "has blanks or a line end around its value", "holds the path of a secret")


@dataclass(frozen=True)
class Spoilt:
    """One setting of one service with a value that it must not have."""

    setting: Setting
    how: str
    value: str | None
    told: str

    def __str__(self) -> str:
        return f"{self.setting.service}-{self.setting.name}-{self.how}"


def good_value(setting: Setting) -> str:
    known = ENVIRONMENT | MORE | ALTERNATIVES
    return known.get(setting.name) or setting.default or ""


def spoilt() -> Iterator[Spoilt]:
    for one in ALL:
        if one.default is None:
            yield Spoilt(one, "missing", None, "is missing")
        yield Spoilt(one, "blank", "", "is blank")
        yield Spoilt(one, "blanks alone", " \n", "is blank")
        yield Spoilt(one, "a newline after it", good_value(one) + "\n", "has blanks or a line end around its value")
        yield Spoilt(one, "a blank before it", " " + good_value(one), "has blanks or a line end around its value")
        path = f"projects/some-project/secrets/{one.name}/versions/latest"
        yield Spoilt(one, "a path", path, "holds the path of a secret")
        for number, value in enumerate(out_of_range(one), start=1):
            yield Spoilt(one, f"out of range {number}", value, "")


def out_of_range(one: Setting) -> list[str]:
    """Values that are not what the setting's own line in the table says it must be."""
    far = ["no such value ~ " * 100 + "x"]
    bounds = dict(part.split(" ") for part in one.range.split(", ") if part.startswith((">=", "<=")))
    if bounds:
        assert set(bounds) == {">=", "<="}, f"{one.name} is not bounded on both sides"
        return [*far, "1.5", "ten", str(int(bounds[">="]) - 1), str(int(bounds["<="]) + 1)]
    if one.unit in ("USD", "ETH"):
        return [*far, "0", "-1", "NaN", "1e400", "0.0000000000000000001", "1,5", "5 USD"]
    if one.unit == "percent":
        return [*far, "-1", "100.1", "1.00001", "NaN", "3%"]
    return far


def start(service: str, changed: dict[str, str | None]) -> None:
    known = ENVIRONMENT | {name: value for name, value in MORE.items() if name not in ALTERNATIVES}
    environment = {name: value for name, value in (known | changed).items() if value is not None}
    load_settings(settings_class_of(service), environment)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_concealed()


@pytest.mark.parametrize("service", SERVICES)
def test_with_all_of_its_settings_a_service_starts(service: str) -> None:
    start(service, {})


@pytest.mark.parametrize("service", SERVICES)
def test_no_setting_of_a_service_may_be_spoilt(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence for the one fault, which names the key and repeats nothing of the value."""
    tried = 0
    for one in (one for one in spoilt() if one.setting.service == service):
        with pytest.raises(SystemExit) as stopped:
            start(service, {one.setting.name: one.value})
            pytest.fail(f"it started: {one}")
        assert stopped.value.code == EXIT_CONFIGURATION, one
        first, *sentences = capsys.readouterr().err.splitlines()
        assert first == f"{service} cannot start: 1 setting(s) are wrong.", one
        assert len(sentences) == 1, one
        assert one.setting.name in sentences[0], one
        assert one.told in sentences[0], one
        assert one.value is None or len(one.value) < 12 or one.value not in sentences[0], one
        tried += 1
    assert tried > 150


@pytest.mark.parametrize("service", SERVICES)
def test_all_that_is_wrong_is_told_at_once(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        start(service, {one.name: "" for one in settings_of(service)})
    _, *sentences = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in sentences] == [one.name for one in settings_of(service)]


def test_every_setting_says_its_unit_its_range_and_its_purpose() -> None:
    for one in ALL:
        assert one.unit, one.name
        assert one.range, one.name
        assert one.purpose, one.name


def test_every_name_of_the_system_before_this_one_is_a_setting_or_gone_for_a_reason() -> None:
    names = {one.name for one in ALL}
    assert names >= KEPT
    assert set(RENAMED) <= names
    assert not (set(GONE) | set(RENAMED.values())) & names
    assert {one.name: one.former for one in ALL}["ETHEREUM_RPC_URLS"] == "ETHEREUM_RPC_URL"


REAL = {
    "GCAccumulator": ("TP_FLAT_FEE", "15\n", "has blanks or a line end around its value"),
    "GCMicroBatchProcessor": ("ALERT_WEBHOOK_URL", "", "is blank: give it a value, or leave it out"),
    "GCHostPay1": ("CHAIN_ID", "0", "Input should be greater than or equal to 1"),
    "GCHostPay3": ("HOST_WALLET_PRIVATE_KEY", "projects/p/secrets/KEY", "holds the path of a secret where"),
}


def test_the_real_processes_end_with_78_before_they_listen() -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    here = {"PYTHONPATH": str(REPOSITORY), "LISTEN_ADDRESS": "127.0.0.1"}
    running = {
        service: subprocess.Popen(
            service_command(service),
            env=kept | ENVIRONMENT | here | {"PORT": "1", name: value},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for service, (name, value, _) in REAL.items()
    }
    for service, process in running.items():
        said, _ = process.communicate(timeout=30)
        name, _, told = REAL[service]
        assert process.returncode == EXIT_CONFIGURATION, said
        assert f"{service} cannot start: 1 setting(s) are wrong." in said
        assert f"  {name} {told}" in said
        assert "Listening" not in said
        assert "Traceback" not in said


@pytest.mark.parametrize("value", ["", "8080\n", "0", "65536", "http"])
def test_what_is_needed_before_the_settings_is_as_strictly_read(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(SystemExit) as stopped:
        whole_number_from("PORT", 8080, most=65_535)
    assert stopped.value.code == EXIT_CONFIGURATION
    assert "  PORT " in capsys.readouterr().err
    monkeypatch.delenv("PORT")
    assert whole_number_from("PORT", 8080, most=65_535) == 8080
