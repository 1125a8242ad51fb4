"""deploy/README.md: every command can be read and names what is there; nothing that a deployment needs is left out."""

from __future__ import annotations

import re

import pytest

from shared.http.settings import settings_class_of
from shared.ops.settings_table import SERVICES, settings_of
from shared.settings import names_of
from shared.settings.source import names_to_ask

from .commands import blocks, commands, faults
from .declared import declared
from .terraform_files import ROOT

PAGE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")


def test_every_command_can_be_read_and_names_what_is_there() -> None:
    assert list(faults(PAGE)) == []
    assert len([words for block in blocks(PAGE) for words in commands(block)]) > 60


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("gcloud secrets versions add", "gcloud secret versions add", "gcloud has no verb secret versions add"),
        ("--data-file=-", "--datafile=-", "has no option --datafile"),
        ("versions add ETHEREUM_RPC_URLS", "versions add ETHEREUM_RPC_URL", "there is no secret ETHEREUM_RPC_URL"),
        ("execute gcpay-check-watcher", "execute gcpay-check-looker", "there is no job gcpay-check-looker"),
        ("-target=google_kms_crypto_key.wallet", "-target=google_kms_crypto_key.purse", "there is no google_kms"),
        ("terraform -chdir=deploy/terraform init", "terraform -chdir=deploy/terraform innit", "has no verb innit"),
        ("-var-file=", "-vars-file=", "has no option -vars-file"),
        ("--target fleet", "--target fleets", "there is no such target"),
        ("run --rm operator status", "run --rm operator stats", "No such command 'stats'"),
        ("./gcpay books check", "./gcpay books check --fast", "No such option"),
        ("--commit=", "--comit=", "has no option --comit"),
        ("python3 deploy/check_deploy.py", "python3 deploy/checks.py", "there is no deploy/checks.py"),
        ("import address_of_pem;", "import address_of_der;", "there is no shared.chain.kms.public_key.address_of_der"),
        ("--args=deploy/migrate.py,post", "--args=deploy/migration.py,post", "there is no deploy/migration.py"),
        ("docker compose down", "docker compose down; fi", "bash cannot read it"),
        ("docker compose down", "rm -rf x", "rm is not a command"),
    ],
)
def test_a_mistyped_command_is_found(old: str, new: str, told: str) -> None:
    assert old in PAGE
    assert any(told in fault for fault in faults(PAGE.replace(old, new))), list(faults(PAGE.replace(old, new)))


def test_every_secret_that_a_service_cannot_do_without_is_put_in() -> None:
    put_in = set(re.findall(r"secrets versions add (\w+)", PAGE))
    for service in SERVICES:
        kind = settings_class_of(service)
        asked = set(names_to_ask(kind, names_of(kind), declared().environment(service)))
        needed = {each.name for each in settings_of(service) if each.default is None} & asked
        assert needed <= put_in, needed - put_in
        told = put_in | {"UPSTREAM_SIGNING_KEY"} | set(declared().local("kept_empty"))
        assert asked <= told, asked - told
    assert not put_in & set(declared().local("kept_empty"))


def test_every_service_is_looked_at_before_it_runs() -> None:
    section = PAGE.partition("### 7.")[2].partition("### 8.")[0]
    roles = re.findall(r"gcpay-check-(\w+) ", section)
    assert roles == [service["role"] for service in declared().local("services").values()]


def test_the_steps_are_in_order_and_every_link_leads_somewhere() -> None:
    assert [int(number) for number in re.findall(r"^### (\d)\.", PAGE, re.MULTILINE)] == list(range(1, 9))
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "deploy" / link).exists(), link
    assert "could not be tried without a cloud account" in PAGE
