"""`gcpay config check` on the running fleet: all green, and red with a sentence for each thing that is not as it must.

What is spoilt is a copy: an empty database with the fleet's schema, and settings that name something else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.db import Database
from shared.ops.config_check import check_services
from shared.ops.config_check_line import Line
from shared.ops.exits import Exit
from shared.sandbox.chain.accounts import FAUCET
from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.environment import REPOSITORY
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.fleet.vault import written_environments
from shared.sandbox.tasks import TaskControl
from shared.telemetry.redaction import forget_concealed
from tests.conftest import Postgres
from tests.e2e.swaps import Swaps

Environ = Mapping[str, str]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_concealed()


@pytest.fixture(scope="module")
def environments(fleet: Fleet) -> Mapping[str, Environ]:
    """What each service's process has: its secrets are in the Secret Manager of the sandbox."""
    return written_environments(fleet.world, f"127.0.0.1:{fleet.options.ports.secrets}")


@pytest.fixture
def elsewhere(postgres: Postgres, database_name: str) -> Environ:
    """Where the copy of the database is."""
    server = postgres.server
    return {
        "DATABASE_HOST": server.host,
        "DATABASE_PORT": str(server.port),
        "DATABASE_NAME_SECRET": database_name,
    }


def check(service: str, environ: Environ) -> list[Line]:
    return check_services({service: environ}, datetime.now(UTC))


def red(lines: list[Line]) -> dict[str, str]:
    return {line.check: line.says for line in lines if not line.ok}


def gcpay(environ: Environ, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-m", "shared.ops.cli", "config", "check", *arguments],
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | dict(environ),
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_of_the_fleet_as_it_runs_everything_is_well(environments: Mapping[str, Environ]) -> None:
    lines = check_services(environments, datetime.now(UTC))
    assert red(lines) == {}
    outside = {"queues", "chain id", "USDT contract", "price feed", "exchange"}
    database = {"settings", "database", "schema", "grants"}
    asked = {service: {line.check for line in lines if line.service == service} for service in (*SERVICES, "fleet")}
    assert asked == {
        "GCAccumulator": database,
        "GCMicroBatchProcessor": database | outside,
        "GCHostPay1": database | outside,
        "GCHostPay2": {"settings", "queues", "exchange"},
        "GCHostPay3": database | (outside - {"exchange"}) | {"wallet", "archive"},
        "fleet": {"agreement"},
    }


def test_the_command_prints_a_line_per_check_and_no_secret_and_leaves_with_its_verdict(
    environments: Mapping[str, Environ], fleet: Fleet
) -> None:
    watcher = environments["GCHostPay2"]
    well = gcpay(watcher, "--service", "GCHostPay2")
    assert well.returncode == Exit.OK, well.stderr
    assert [line.split()[:3] for line in well.stdout.splitlines()] == [
        ["GCHostPay2", check, "ok"] for check in ("settings", "queues", "exchange")
    ]
    unwell = gcpay({**watcher, "CHANGENOW_API_KEY": "not-a-key-of-theirs"}, "--service", "GCHostPay2", "--json")
    assert unwell.returncode == Exit.NO
    told = json.loads(unwell.stdout)
    assert told["ok"] is False
    assert [each["check"] for each in told["checks"] if not each["ok"]] == ["exchange"]
    for secret in (fleet.world.internal_key, "not-a-key-of-theirs"):
        assert secret not in well.stdout + well.stderr + unwell.stdout + unwell.stderr
    assert gcpay(watcher).returncode == Exit.USAGE
    assert gcpay(watcher, "--service", "GCHostPay9").returncode == Exit.USAGE


def test_a_missing_grant_and_one_too_many_are_named(
    environments: Mapping[str, Environ], elsewhere: Environ, database: Database
) -> None:
    environ = {**environments["GCAccumulator"], **elsewhere}
    assert red(check("GCAccumulator", environ)) == {}
    with database.transaction() as conn:
        conn.script("REVOKE INSERT ON payout_accumulation FROM gcpay_intake")
        conn.script("GRANT DELETE ON history TO gcpay_batcher")
    (sentence,) = red(check("GCAccumulator", environ)).values()
    assert "gcpay_intake lacks INSERT on payout_accumulation" in sentence
    assert "gcpay_batcher has DELETE on history, which no file gives" in sentence
    assert "permission denied for table payout_accumulation" in sentence


def test_a_missing_column_and_a_missing_migration_are_named(
    environments: Mapping[str, Environ], elsewhere: Environ, database: Database
) -> None:
    environ = {**environments["GCAccumulator"], **elsewhere}
    with database.transaction() as conn:
        conn.script("ALTER TABLE heartbeat DROP COLUMN silent_after CASCADE")
    sentence = red(check("GCAccumulator", environ))["schema"]
    assert sentence.startswith("the schema is not that of its migrations: shared/db/heartbeat.sql:")
    assert 'column "silent_after" does not exist' in sentence
    with database.transaction() as conn:
        conn.run("delete from schema_migration where name like '0005%'")
    assert "0005_pre_alerts.sql not applied" in red(check("GCAccumulator", environ))["schema"]


@pytest.mark.parametrize(
    ("service", "changed", "which", "sentence"),
    [
        ("GCMicroBatchProcessor", {"GCHOSTPAY1_BATCH_QUEUE": "no-queue"}, "queues",
         "GCHOSTPAY1_BATCH_QUEUE: queue no-queue does not exist in projects/sandbox/locations/local"),
        ("GCHostPay2", {"CLOUD_TASKS_ENDPOINT": "127.0.0.1:1"}, "queues", "could not be looked at"),
        ("GCHostPay3", {"CHAIN_ID": "1"}, "chain id", "CHAIN_ID is 1, and"),
        ("GCHostPay3", {"HOST_WALLET_ETH_ADDRESS": FAUCET.address}, "settings",
         "HOST_WALLET_ETH_ADDRESS must be the address of HOST_WALLET_PRIVATE_KEY"),
        ("GCHostPay3", {"USDT_CONTRACT_ADDRESS": FAUCET.address}, "USDT contract", "there is no contract at"),
        ("GCHostPay3", {"PRICE_FEED_ADDRESS": FAUCET.address}, "price feed", ""),
        ("GCHostPay2", {"CHANGENOW_API_URL": "http://127.0.0.1:1/v2", "CHANGENOW_TIMEOUT_S": "1"}, "exchange", ""),
        ("GCHostPay2", {"SECRETS_PROJECT_ID": "another-project"}, "settings",
         "SUCCESS_URL_SIGNING_KEY may not be read from Secret Manager"),
        ("GCAccumulator", {"DATABASE_PORT": "1"}, "database", ""),
        ("GCAccumulator", {"TP_FLAT_FEE": "15\n"}, "settings", "TP_FLAT_FEE has blanks or a line end"),
    ],
)  # fmt: skip
def test_each_thing_that_is_not_as_it_must_be_is_one_red_line(
    service: str, changed: Environ, which: str, sentence: str, environments: Mapping[str, Environ]
) -> None:
    told = red(check(service, {**environments[service], **changed}))
    assert list(told) == [which]
    assert sentence in told[which]
    assert told[which]


def test_a_wallet_that_this_database_has_not_paid_from_is_named(
    environments: Mapping[str, Environ], elsewhere: Environ, database: Database
) -> None:
    with database.transaction() as conn:
        conn.run(
            "insert into account (address, chain_id, account_status, next_nonce, created_at, updated_at)"
            " values (:address, 31337, 'active', 0, :now, :now)",
            address=FAUCET.address,
            now=datetime.now(UTC),
        )
    told = red(check("GCHostPay3", {**environments["GCHostPay3"], **elsewhere}))
    assert list(told) == ["wallet"]
    assert f"this database has paid from {FAUCET.address}" in told["wallet"]


def test_a_queue_that_is_paused_is_named(environments: Mapping[str, Environ], fleet: Fleet) -> None:
    control = TaskControl(fleet.urls["tasks_control"])
    control.pause("microbatch-alert-queue")
    try:
        told = red(check("GCMicroBatchProcessor", environments["GCMicroBatchProcessor"]))
    finally:
        control.resume("microbatch-alert-queue")
    assert told == {"queues": "MICROBATCH_ALERT_QUEUE: queue microbatch-alert-queue is paused: its tasks wait"}


def test_services_that_do_not_fit_each_other_are_named(environments: Mapping[str, Environ]) -> None:
    spoilt = dict(environments)
    spoilt["GCHostPay1"] = {**spoilt["GCHostPay1"], "GCHOSTPAY3_URL": "http://127.0.0.1:1"}
    spoilt["GCHostPay2"] = {
        **spoilt["GCHostPay2"],
        "CONDUCTOR_CALLERS": "nobody@sandbox.invalid",
        "SUCCESS_URL_SIGNING_KEY": "another internal secret than the others",
    }
    told = red(check_services(spoilt, datetime.now(UTC)))
    assert list(told) == ["agreement"]
    assert "SUCCESS_URL_SIGNING_KEY is not the same in" in told["agreement"]
    assert "GCHOSTPAY3_URL of GCHostPay1 is not the SERVICE_URL of GCHostPay3" in told["agreement"]
    assert "CONDUCTOR_CALLERS of GCHostPay2 does not name the SERVICE_IDENTITY of GCHostPay1" in told["agreement"]
    assert "another internal" not in told["agreement"]


def test_no_secret_of_a_running_service_stands_in_its_environment(fleet: Fleet) -> None:
    secrets = (fleet.world.internal_key, fleet.world.upstream_key)
    for service in SERVICES:
        environment = Path(f"/proc/{fleet.processes[service].popen.pid}/environ").read_text(encoding="utf-8")
        assert "SECRETS_PROJECT_ID" in environment, service
        assert not [secret for secret in secrets if secret in environment], service


def test_a_key_that_is_rotated_in_the_middle_of_a_batch_loses_no_message(
    fleet: Fleet, rotate: Callable[[str], None]
) -> None:
    """The conductor starts anew and seals with the newer key; nobody else has it until a message of his comes."""
    before, swaps = _refused(fleet), Swaps(fleet)
    swaps.pay()
    batch = str(swaps.tick()["batch_conversion_id"])
    rotate("the key after the rotation of a test")
    conductor = fleet.processes["GCHostPay1"]
    conductor.popen.terminate()
    conductor.popen.wait(30)
    fleet.parts.start_again("GCHostPay1", fleet.world)
    fleet.processes["GCHostPay1"].wait_ready(60)
    swaps.completed(batch, sweeping=True)
    assert _refused(fleet) == before
    rotate(fleet.world.internal_key)  # and back, for the tests after this one: everybody has both by now


def _refused(fleet: Fleet) -> int:
    with fleet.database.read() as conn:
        row = conn.one("select count(*) as messages from refused_message")
    assert row is not None
    return int(row["messages"])


@pytest.fixture
def rotate(fleet: Fleet) -> Iterator[Callable[[str], None]]:
    """Adds a version of the fleet's signing key, with the genuine client as an operator does it."""
    import grpc
    from google.cloud import secretmanager_v1
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )

    channel = grpc.insecure_channel(f"127.0.0.1:{fleet.options.ports.secrets}")
    client = secretmanager_v1.SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))

    def add(value: str) -> None:
        payload = secretmanager_v1.SecretPayload(data=value.encode() + b"\n")
        client.add_secret_version(parent="projects/sandbox/secrets/SUCCESS_URL_SIGNING_KEY", payload=payload)

    yield add
    client.transport.close()  # type: ignore[no-untyped-call]
