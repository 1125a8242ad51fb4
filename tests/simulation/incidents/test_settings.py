"""Settings that are missing, blank, mistyped or contradictory stop a service before it listens, and are named."""

from __future__ import annotations

from typing import Any

import pytest

from shared.http.settings import settings_class_of
from shared.ops.settings_table import Setting, settings_of
from shared.settings import load_settings

from .environment import ENVIRONMENT, SECRETS, SERVICES
from .marks import incident

REQUIRED = [(one.service, one.name) for service in SERVICES for one in settings_of(service) if one.default is None]
MONEY = (
    *("TP_FLAT_FEE", "MICRO_BATCH_THRESHOLD_USD", "BATCH_FUNDING", "MAX_TRANSFER_ETH", "MAX_DAILY_ETH"),
    *("INSTANT_MAX_ETH", "GAS_RESERVE_WEI", "HOST_WALLET_USDT_ADDRESS", "SIGNED_BYTES_ARCHIVE"),
)


def starts(service: str, **changed: str | None) -> Any:
    environment = {name: text for name, text in (ENVIRONMENT | changed).items() if text is not None}
    return load_settings(settings_class_of(service), environment)


def why_not(capsys: pytest.CaptureFixture[str], service: str, **changed: str | None) -> str:
    """What a service that does not start says; fails when it starts."""
    with pytest.raises(SystemExit) as stopped:
        starts(service, **changed)
    assert stopped.value.code == 78
    return capsys.readouterr().err


@incident("I-26", "I-39")
def test_every_service_starts_with_all_of_its_settings() -> None:
    for service in SERVICES:
        assert starts(service)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(None, "is missing"), ("", "is blank"), ("  \n", "is blank")],
    ids=["missing", "blank", "a newline"],
)
@incident("I-26", "I-39", "I-18")
def test_without_any_one_of_its_settings_a_service_does_not_start_and_names_it(
    trouble: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {name for _, name in REQUIRED} >= set(MONEY)
    for service, name in REQUIRED:
        assert f"  {name} {told}" in why_not(capsys, service, **{name: trouble}), (service, name)


@incident("I-39")
def test_with_an_empty_environment_a_service_names_everything_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for service in SERVICES:
        said = why_not(capsys, service, **dict.fromkeys(ENVIRONMENT))
        for name in (name for of, name in REQUIRED if of == service):
            assert f"  {name} is missing" in said, service


@incident("I-32")
def test_a_newline_after_a_value_stops_the_start_and_never_becomes_part_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for service in SERVICES:
        for name in (one.name for one in settings_of(service) if one.name in ENVIRONMENT):
            said = why_not(capsys, service, **{name: ENVIRONMENT[name] + "\n"})
            assert f"  {name} has blanks or a line end around its value" in said, (service, name)


@incident("I-33")
def test_the_path_of_a_secret_is_not_taken_for_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    for service, name in REQUIRED:
        path = f"projects/some-project/secrets/{name}/versions/latest"
        assert f"  {name} holds the path of a secret" in why_not(capsys, service, **{name: path}), service


@pytest.mark.parametrize("fee", [None, "", "3%", "-1", "31", "101", "NaN", "Infinity", "three", "1.23456"])
@incident("I-15")
def test_a_fee_outside_its_band_or_no_fee_stops_the_intake(fee: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert "TP_FLAT_FEE" in why_not(capsys, "GCAccumulator", TP_FLAT_FEE=fee)


@incident("I-15")
def test_the_fee_that_is_set_is_the_fee_and_stands_in_the_list_of_settings() -> None:
    assert starts("GCAccumulator", TP_FLAT_FEE="15").terms().fee_rate.ppm == 150_000
    assert starts("GCAccumulator", TP_FLAT_FEE="3").terms().fee_rate.ppm == 30_000
    (fee,) = [one for one in settings_of("GCAccumulator") if one.name == "TP_FLAT_FEE"]
    assert fee.default is None


@pytest.mark.parametrize("threshold", [None, "", "0", "-5", "NaN", "Infinity", "20 USD", "1e400", "0.0000001"])
@incident("L-65")
def test_a_threshold_that_is_no_amount_of_dollars_stops_the_batcher(
    threshold: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = why_not(capsys, "GCMicroBatchProcessor", MICRO_BATCH_THRESHOLD_USD=threshold)
    assert "MICRO_BATCH_THRESHOLD_USD" in said


@incident("L-65")
def test_a_threshold_is_exactly_what_is_written() -> None:
    for text, micros in (("100", 100_000_000), ("1e3", 1_000_000_000), ("0.5", 500_000)):
        assert starts("GCMicroBatchProcessor", MICRO_BATCH_THRESHOLD_USD=text).terms().threshold.micros == micros


@pytest.mark.parametrize("service", ["GCMicroBatchProcessor", "GCHostPay1"])
@pytest.mark.parametrize(
    "address",
    [
        "0x70997970C51812dc3A010C7d01b50e0d17dc79c8",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "0x" + "0" * 40,
        "70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    ],
    ids=["bad checksum", "39 digits", "bitcoin", "zero", "without 0x", "the token's contract"],
)
@incident("L-34")
def test_a_mistyped_address_of_our_own_stops_the_services_that_would_name_it(
    service: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "HOST_WALLET_USDT_ADDRESS" in why_not(capsys, service, HOST_WALLET_USDT_ADDRESS=address)


@incident("I-67")
def test_a_name_means_the_same_in_every_service_that_reads_it() -> None:
    known: dict[str, Setting] = {}
    for one in (one for service in SERVICES for one in settings_of(service)):
        first = known.setdefault(one.name, one)
        alike = [(each.unit, each.range, each.default, each.secret) for each in (first, one)]
        assert alike[0] == alike[1], one.name
        assert one.purpose


@incident("L-70")
def test_only_the_service_that_needs_a_secret_reads_it() -> None:
    readers: dict[str, set[str]] = {}
    for one in (one for service in SERVICES for one in settings_of(service) if one.secret):
        readers.setdefault(one.name, set()).add(one.service)
    assert readers["HOST_WALLET_PRIVATE_KEY"] == {"GCHostPay3"}
    assert readers["TPS_HOSTPAY_SIGNING_KEY"] == {"GCHostPay1"}
    assert readers["UPSTREAM_SIGNING_KEY"] == {"GCAccumulator"}
    assert readers["SUCCESS_URL_SIGNING_KEY"] == set(SERVICES) - {"GCAccumulator"}
    assert readers["CHANGENOW_API_KEY"] == {"GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2"}


@incident("I-57")
def test_no_settings_object_and_no_complaint_about_one_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    slices = {secret[start : start + 6] for secret in SECRETS for start in range(2, len(secret) - 5)}
    for service in SERVICES:
        said = repr(starts(service)) + str(starts(service))
        for name in ENVIRONMENT:
            if ENVIRONMENT[name] not in SECRETS:
                continue
            for spoilt in (ENVIRONMENT[name][:7], ENVIRONMENT[name] + "!" * 300):
                try:
                    starts(service, **{name: spoilt})
                except SystemExit:
                    said += capsys.readouterr().err
        assert not [each for each in slices if each in said], service


@incident("L-79")
def test_every_service_runs_under_a_server_that_bounds_its_work_and_ends_it_with_grace() -> None:
    from shared.http import gunicorn_conf as conf

    assert (conf.workers, conf.threads) == (1, 8)
    assert 0 < conf.graceful_timeout < 10
    assert conf.timeout > 0
    assert "FleetWorker" in conf.worker_class
