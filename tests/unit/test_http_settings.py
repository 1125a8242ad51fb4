"""Settings: all problems at once, never a value, exit code 78."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from shared.http.settings import Emails, ServiceSettings
from shared.queue.settings import TasksSettings
from shared.settings import EXIT_CONFIGURATION, load_settings
from shared.telemetry.redaction import forget_concealed, without_secrets

GOOD = {
    "SERVICE_URL": "https://intake.example",
    "SERVICE_IDENTITY": "intake@project.example",
    "MAX_TRANSFER_ETH": "0.5",
    "HOST_WALLET_PRIVATE_KEY": "0x" + "4c" * 32,
    "SCHEDULER_CALLERS": "a@project.example, b@project.example",
    "CLOUD_TASKS_PROJECT_ID": "project-one",
    "CLOUD_TASKS_LOCATION": "us-central1",
    "SUCCESS_URL_SIGNING_KEY": "an internal secret of the fleet",
}


class MoneySettings(BaseSettings):
    """A room's part."""

    max_transfer_eth: str
    host_wallet_private_key: SecretStr = Field(min_length=32)
    inflight_cap: int = Field(default=4, ge=1)
    cloud_sql_connection_name: str = ""
    database_host: str = ""
    provider_urls: Annotated[SecretStr | None, Field()] = None

    @model_validator(mode="after")
    def _not_both(self) -> "MoneySettings":
        if self.cloud_sql_connection_name and self.database_host:
            raise ValueError("set either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST, and not both")
        return self


class Settings(ServiceSettings, TasksSettings, MoneySettings):
    """What a service composes."""

    scheduler_callers: Emails


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_concealed()


def test_good_settings_are_read() -> None:
    settings = load_settings(Settings, GOOD)
    assert settings.service_url == "https://intake.example"
    assert settings.host_wallet_private_key.get_secret_value() == GOOD["HOST_WALLET_PRIVATE_KEY"]
    assert settings.scheduler_callers == ("a@project.example", "b@project.example")
    assert settings.oidc_issuers == ("https://accounts.google.com", "accounts.google.com")
    assert (settings.time_scale, settings.max_body_bytes, settings.log_format) == (1, 65_536, "json")


def test_an_own_url_loses_its_trailing_slash_because_it_is_an_audience() -> None:
    assert (
        load_settings(Settings, GOOD | {"SERVICE_URL": "https://intake.example/"}).service_url
        == "https://intake.example"
    )


def test_what_is_left_out_has_its_default() -> None:
    assert load_settings(Settings, GOOD).inflight_cap == 4


def stopped(capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> str:
    with pytest.raises(SystemExit) as stop:
        load_settings(Settings, environ)
    assert stop.value.code == EXIT_CONFIGURATION == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "is blank: give it a value, or leave it out"),
        (" \n", "is blank: give it a value, or leave it out"),
        ("5\n", "has blanks or a line end around its value"),
        ("5\r\n", "has blanks or a line end around its value"),
        (" 5", "has blanks or a line end around its value"),
        ("\u00a05", "has blanks or a line end around its value"),
        ("5\n6", "has a line end or another control character in its value"),
        ("5\x00", "has a line end or another control character in its value"),
        ("5\u200b", "has a line end or another control character in its value"),
        ("projects/1/locations/eu/secrets/CAP", "holds the path of a secret where the secret's own value belongs"),
    ],
)
def test_nothing_of_the_environment_is_repaired_nor_does_a_default_stand_in_for_it(
    value: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stopped(capsys, GOOD | {"INFLIGHT_CAP": value}).splitlines()[1:] == [f"  INFLIGHT_CAP {rule}"]


def test_a_rule_between_two_settings_is_not_told_of_one_that_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    told = stopped(capsys, GOOD | {"CLOUD_SQL_CONNECTION_NAME": "p:r:i", "DATABASE_HOST": "localhost\n"})
    assert told.splitlines()[1:] == ["  DATABASE_HOST has blanks or a line end around its value"]


def test_all_problems_are_told_at_once_one_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    told = stopped(
        capsys,
        GOOD
        | {
            "MAX_TRANSFER_ETH": "\n",
            "SERVICE_URL": "intake.example",
            "SERVICE_IDENTITY": "nobody",
            "TIME_SCALE": "0",
            "INFLIGHT_CAP": "many",
            "SCHEDULER_CALLERS": "a@project.example,scheduler",
            "CLOUD_TASKS_LOCATION": "the moon",
            "SUCCESS_URL_SIGNING_KEY": "short",
            "LOG_FORMAT": "xml",
        },
    )
    lines = told.splitlines()
    assert lines[0].endswith("9 setting(s) are wrong.")
    assert {line.split()[0] for line in lines[1:]} == {
        "MAX_TRANSFER_ETH",
        "SERVICE_URL",
        "SERVICE_IDENTITY",
        "TIME_SCALE",
        "INFLIGHT_CAP",
        "SCHEDULER_CALLERS",
        "CLOUD_TASKS_LOCATION",
        "SUCCESS_URL_SIGNING_KEY",
        "LOG_FORMAT",
    }
    assert "  MAX_TRANSFER_ETH is blank: give it a value, or leave it out" in lines
    assert "  SUCCESS_URL_SIGNING_KEY must have at least 16 bytes" in lines


def test_no_limit_that_protects_money_has_a_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert "MAX_TRANSFER_ETH is missing" in stopped(capsys, {k: v for k, v in GOOD.items() if k != "MAX_TRANSFER_ETH"})


@pytest.mark.parametrize("versions", ["", "/versions/latest"])
def test_the_path_of_a_secret_is_not_its_value(capsys: pytest.CaptureFixture[str], versions: str) -> None:
    path = f"projects/1234/secrets/HOST_WALLET_PRIVATE_KEY{versions}"
    told = stopped(capsys, GOOD | {"HOST_WALLET_PRIVATE_KEY": path})
    assert told.splitlines()[1:] == [
        "  HOST_WALLET_PRIVATE_KEY holds the path of a secret where the secret's own value belongs"
    ]


def test_no_problem_ever_repeats_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    told = stopped(
        capsys,
        GOOD
        | {
            "HOST_WALLET_PRIVATE_KEY": "tiny-private-key",
            "SUCCESS_URL_SIGNING_KEY": "tiny-sign-key",
            "INFLIGHT_CAP": "tiny-number",
            "SERVICE_URL": "https://user:tiny-password@x",
            "CLOUD_TASKS_PROJECT_ID": "TINY",
        },
    )
    assert "tiny" not in told.lower()


def test_a_rule_between_settings_is_told_in_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    told = stopped(capsys, GOOD | {"CLOUD_SQL_CONNECTION_NAME": "p:r:i", "DATABASE_HOST": "localhost"})
    assert "  set either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST, and not both" in told.splitlines()


def test_secrets_that_were_read_can_no_longer_be_logged() -> None:
    urls = "https://one.example/v2/provider-key-1,https://two.example/v2/provider-key-2"
    load_settings(Settings, GOOD | {"PROVIDER_URLS": urls})
    assert without_secrets(f"key {GOOD['HOST_WALLET_PRIVATE_KEY']}") == "key ***"
    assert without_secrets("failed: https://two.example/v2/provider-key-2 timed out") == "failed: *** timed out"
    assert without_secrets("Max retries exceeded with url: /v2/provider-key-1") == "Max retries exceeded with url: /***"
    assert without_secrets("4c" * 32) == "***"
    assert without_secrets(GOOD["SERVICE_URL"]) == GOOD["SERVICE_URL"]


def test_secrets_do_not_show_in_a_settings_object() -> None:
    settings = load_settings(Settings, GOOD)
    for secret in ("HOST_WALLET_PRIVATE_KEY", "SUCCESS_URL_SIGNING_KEY"):
        assert GOOD[secret] not in repr(settings)
        assert GOOD[secret] not in str(settings)
