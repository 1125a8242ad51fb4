"""What is declared is what is mounted, what was deployed is what runs, and who may call or read is worked out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.http.roles import SERVICE_OF_ROLE
from shared.messages import ALL_EDGES
from shared.ops.settings_table import settings_of
from tests.deploy import terraform_faults as faults
from tests.deploy.declared import declared, declared_in
from tests.deploy.image import DOCKERFILE, stages
from tests.deploy.pretend_cloud import Cloud, listed
from tests.deploy.terraform_files import FOLDER, copy_with

from .environment import SERVICES
from .marks import incident

TERRAFORM = (FOLDER / "services.tf").read_text(encoding="utf-8")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        yield Cloud(tmp_path, stack)


def mounted_by_hand(name: str) -> list[tuple[str, str]]:
    """The change of services.tf that forgets one setting, wherever it is named."""
    lines = [line for line in TERRAFORM.splitlines() if re.match(rf"\s+{name}\s+=", line)]
    return [(line, "") for line in lines] or [(f'"{name}"', '"SOMETHING_ELSE"')]


@incident("I-37", "I-26")
def test_each_setting_without_a_default_is_missed_when_it_is_not_mounted(tmp_path: Path) -> None:
    assert list(faults.settings(declared())) == []
    needed = {each.name for service in SERVICES for each in settings_of(service) if each.default is None}
    computed = {name for name in needed if name.endswith("_CALLERS")}
    for number, name in enumerate(sorted(needed - computed)):
        spoilt = declared_in(copy_with(tmp_path / str(number), "services.tf", *mounted_by_hand(name)))
        assert any(f"{name} has no default and is not given" in told for told in faults.settings(spoilt)), name
    spoilt = declared_in(copy_with(tmp_path / "callers", "services.tf", ('_CALLERS"', '_CALLER"')))
    told = list(faults.settings(spoilt))
    assert all(any(f"{name} has no default and is not given" in one for one in told) for name in computed)


@incident("I-26", "I-37")
def test_a_revision_that_does_not_come_up_gets_no_traffic_and_the_gate_is_red(cloud: Cloud) -> None:
    """Its process ends before it listens: Cloud Run leaves all traffic where it was."""
    cloud.listed[2] = listed(
        "gchostpay1", cloud.listed[2]["status"]["url"], newest="gchostpay1-2", serving="gchostpay1-1"
    )
    code, told = cloud.check()
    assert (code, "GCHostPay1: not all traffic is on gchostpay1-2" in told) == (1, True)


@incident("I-40")
def test_an_image_that_was_not_built_anew_and_traffic_that_stayed_behind_are_told(cloud: Cloud) -> None:
    assert cloud.check()[0] == 0
    cloud.health["GCMicroBatchProcessor"][1]["version"] = "the-day-before"
    cloud.listed[4] = listed("gchostpay3", cloud.listed[4]["status"]["url"], newest="r3", serving="r1")
    code, told = cloud.check()
    assert code == 1
    assert "GCMicroBatchProcessor runs the-day-before, not" in told
    assert "GCHostPay3: not all traffic is on r3" in told


@incident("I-44")
def test_no_room_of_the_code_can_be_forgotten_in_the_image() -> None:
    """All that there is but the sandbox is copied; tests/deploy/test_image.py runs every service from the copy."""
    copied = {source for source, _ in stages(DOCKERFILE.read_text(encoding="utf-8"))["fleet"].copies()}
    root = FOLDER.parents[1]
    rooms = {f"shared/{path.parent.name}" for path in root.glob("shared/*/__init__.py")} | set(SERVICES)
    assert rooms - copied == {"shared/sandbox"}


@incident("I-66")
def test_a_deployment_in_another_region_and_a_service_that_nobody_declared_are_told(cloud: Cloud) -> None:
    cloud.listed.append(listed("gcaccumulator", cloud.listed[0]["status"]["url"], region="the-old-one"))
    cloud.listed.append(listed("gcaccumulator-old", cloud.listed[0]["status"]["url"]))
    code, told = cloud.check()
    assert code == 1
    assert "gcaccumulator runs in the-old-one and elsewhere as well" in told
    assert "gcaccumulator-old runs in here and is not declared" in told


@incident("I-73")
def test_nothing_works_on_another_project_than_the_one_that_is_declared(cloud: Cloud) -> None:
    code, told = cloud.check(project="sandbox-fleet", active="production-fleet")
    assert (code, told.startswith("refused: ")) == (2, True)
    assert cloud.asked() == ["config get-value project"]
    code, told = cloud.check("--dry-run", project="sandbox-fleet", active="sandbox-fleet")
    assert code == 0
    assert "--project=sandbox-fleet" in told
    elsewhere = declared_in(
        FOLDER,
        project_id='"another-fleet"',
        wallet_project_id='"another-wallet"',
        image=f'"somewhere/another-fleet/gcpay/gcpay@sha256:{"0" * 64}"',
        notification_channels='["projects/another-fleet/notificationChannels/1"]',
    )
    assert list(faults.projects(elsewhere)) == []
    made = json.dumps([each.body for each in elsewhere.everything()])
    assert "another-fleet" in made
    assert "example-fleet" not in made


@incident("I-31")
def test_each_declared_edge_may_be_called_and_no_other_pair_of_caller_and_service() -> None:
    emails = declared().local("emails")
    bound = {(each.body["member"], each.body["name"]) for each in declared().instances(faults.INVOKER)}
    edges = {(edge.producer, SERVICE_OF_ROLE[edge.consumer]) for edge in ALL_EDGES}
    timed = {("scheduler", service) for service, found in faults.routes().items() if "/sweep" in found}
    for role in (*SERVICE_OF_ROLE, "scheduler", "migrator"):
        for service in SERVICES:
            may = (f"serviceAccount:{emails[role]}", service.lower()) in bound
            assert may == ((role, service) in edges | timed), (role, service)


@incident("L-70")
def test_each_secret_is_read_by_those_that_ask_for_it_and_only_the_executor_uses_the_key() -> None:
    readers: dict[str, set[str]] = {}
    for service in SERVICES:
        for name in declared().secrets_of(service):
            readers.setdefault(name, set()).add(service)
    assert readers["TPS_HOSTPAY_SIGNING_KEY"] == {"GCHostPay1"}
    assert readers["UPSTREAM_SIGNING_KEY"] == {"GCAccumulator"}
    assert readers["HOST_WALLET_PRIVATE_KEY"] == {"GCHostPay3"}
    assert readers["SUCCESS_URL_SIGNING_KEY"] == set(SERVICES) - {"GCAccumulator"}
    for service in SERVICES:
        secret = {each.name for each in settings_of(service) if each.secret}
        # A description of a revision shows its environment: names of the database and of its user, and no secret.
        assert secret & set(declared().environment(service)) <= {"DATABASE_NAME_SECRET", "DATABASE_USER_SECRET"}
    assert list(faults.least_privilege(declared())) == []
    (signer,) = declared().instances("google_kms_crypto_key_iam_member")
    assert signer.body["member"] == f"serviceAccount:{declared().local('emails')['executor']}"


@incident("I-67")
def test_a_name_has_one_value_in_all_services_and_each_address_is_asked_who_it_is(cloud: Cloud) -> None:
    its_own = {"SERVICE_URL", "SERVICE_IDENTITY", "DATABASE_USER_SECRET"}
    values: dict[str, set[str]] = {}
    for service in SERVICES:
        for name, value in declared().environment(service).items():
            values.setdefault(name, set()).add(value)
    assert {name for name, found in values.items() if len(found) > 1} == its_own
    urls = {service: declared().environment(service)["SERVICE_URL"] for service in SERVICES}
    for name, service in (("GCHOSTPAY1_URL", "GCHostPay1"), ("MICROBATCH_URL", "GCMicroBatchProcessor")):
        assert values[name] == {urls[service]}
    one, other = cloud.listed[0]["status"], cloud.listed[3]["status"]
    one["url"], other["url"] = other["url"], one["url"]
    code, told = cloud.check()
    assert code == 1
    assert "GCAccumulator: at" in told
    assert "answers GCHostPay2" in told


@incident("I-34")
def test_an_independent_watcher_calls_when_no_job_has_run_for_a_while() -> None:
    silent = {
        each.key: each.body["conditions"][0]["condition_absent"][0]
        for each in declared().instances("google_monitoring_alert_policy")
        if "condition_absent" in each.body["conditions"][0]
    }
    assert set(silent) == {"sweeps_stopped", "threshold_checks_stopped"}
    checks_every_s = int(declared().environment("GCMicroBatchProcessor")["CHECK_THRESHOLD_EVERY_S"])
    assert silent["threshold_checks_stopped"]["duration"] == f"{3 * checks_every_s}s"
    assert silent["sweeps_stopped"]["duration"] == "300s"
    assert list(faults.alerts(declared())) == []
