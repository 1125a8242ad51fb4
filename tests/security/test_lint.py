"""The linter's security rules are on for all that runs in production, and what is excepted is written down here too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.sandbox.check import Checkout
from shared.sandbox.check.checkout import Source

ROOT = Path(__file__).parents[2]

# Each is an exception that a person looked at; another one, or one more of the same, must be looked at too.
EXCEPTED = {
    ("gcpay", "S603"): (3, "runs what makes its own environment"),
    ("gcpay", "S606"): (2, "becomes the command line of that environment"),
    ("shared/http/gunicorn_conf.py", "S104"): (1, "listens on all addresses of its own container"),
    ("shared/http/gunicorn_conf.py", "S108"): (2, "the heartbeat file lies in memory"),
    ("shared/messages/edges.py", "S105"): (1, "the word internal names a kind of secret"),
    ("shared/messages/edges.py", "S106"): (1, "the word external names a kind of secret"),
    ("shared/ops/tests.py", "S108"): (1, "a folder of its own in memory"),
    ("shared/ops/tests.py", "S314"): (1, "reads the report that pytest wrote just now"),
}
OWN_TOOLS = "S603"  # shared/ops runs the tools of its own environment, without a shell
ASSERTS = "S101"  # for the type checker; nothing is decided by them, see below


@pytest.fixture(scope="module")
def lint() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    return project


@pytest.fixture(scope="module")
def product() -> list[Source]:
    return list(Checkout.read(ROOT).product())


def test_the_security_rules_are_on_and_switched_off_for_no_file_of_the_product(lint: dict[str, Any]) -> None:
    assert "S" in lint["select"]
    assert [rule for rule in lint["ignore"] if rule.startswith("S")] == [ASSERTS]
    for place, rules in lint["per-file-ignores"].items():
        off = [rule for rule in rules if re.fullmatch(r"S\d*", rule)]
        if place.startswith(("tests/", "shared/sandbox/")):
            continue
        assert off == {"gcpay": ["S603", "S606"], "shared/ops/**": ["S603"]}.get(place, []), place


def test_what_the_security_rules_find_is_what_was_looked_at() -> None:
    """With every exception taken away: the list above is complete, and nothing stands on it that is not there."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "S", "--ignore-noqa", "--exit-zero"]
    command += ["--output-format", "json", "--exclude", "shared/sandbox", "gcpay", "shared", *sorted(services())]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = Counter(
        (str(Path(each["filename"]).relative_to(ROOT)), each["code"])
        for each in json.loads(told.stdout)
        if each["code"] != ASSERTS
    )
    found = Counter({at: n for at, n in found.items() if not (at[0].startswith("shared/ops/") and at[1] == OWN_TOOLS)})
    assert dict(found) == {at: count for at, (count, _) in EXCEPTED.items()}


def services() -> set[str]:
    return {path.parent.name for path in ROOT.glob("GC*/app.py")}


def test_every_exception_names_its_rule_and_its_reason(product: list[Source]) -> None:
    for source in product:
        assert not re.search(r"#\s*ruff:\s*noqa", source.text), source.path
        assert not re.search(r"#\s*type:\s*ignore(?!\[)", source.text), source.path
        for number, line in source.lines():
            if "noqa" in line:
                assert re.search(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S", line), (
                    f"{source.path}:{number}: {line.strip()}"
                )
            assert not re.search(r"#\s*nosec|pragma: no cover", line), f"{source.path}:{number}"


def test_no_assertion_stands_between_a_caller_and_an_effect(product: list[Source]) -> None:
    """`python -O` leaves assertions out: without them a token must still be refused and a caller still be unknown."""
    entrance = next(source for source in product if source.path == "shared/http/entrance.py")
    checks = ROOT / "shared" / "http" / "identity.py", ROOT / "shared" / "http" / "signature.py"
    assert all("assert " not in path.read_text() for path in checks)
    assert "assert hmac" not in entrance.text
    for source in product:
        for number, line in source.lines():
            assert not re.match(r"\s*assert .*(verify|allowed|caller in|compare_digest|signature|permission)", line), (
                f"{source.path}:{number}: {line.strip()}"
            )


@pytest.mark.parametrize(
    "never",
    [
        r"\bpickle\b|\bmarshal\b|\bshelve\b|\bdill\b",
        r"\beval\(|\bexec\(|\b__import__\(",
        r"yaml\.load\(|yaml\.unsafe_load",
        r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified_context",
        r"\bos\.system\(|\bos\.popen\(|shell\s*=\s*True",
        r"\bmd5\(|\bsha1\(|\bDES\b|\bRC4\b",
        r"allow_redirects\s*=\s*True",
        r"render_template|Markup\(|jinja2",
        r"algorithms\s*=\s*\[[^\]]*(none|HS256)",
        r"debug\s*=\s*True|app\.run\(",
    ],
)
def test_what_no_reviewer_would_let_pass_is_nowhere_in_the_product(product: list[Source], never: str) -> None:
    for source in product:
        for number, line in source.lines():
            assert not re.search(never, line.partition("#")[0]), f"{source.path}:{number}: {line.strip()}"


def test_randomness_that_must_not_be_guessed_comes_from_the_system(product: list[Source]) -> None:
    for source in product:
        assert not re.search(r"^\s*(import random|from random import)", source.text, re.MULTILINE), source.path


def test_exactly_these_places_of_the_product_take_a_signature_as_checked_by_somebody_else(
    product: list[Source],
) -> None:
    """Where a JWT's signature is not verified: to find its key's name, and behind Cloud Run's IAM."""
    unverified = [
        f"{source.path}:{line.strip()}"
        for source in product
        for _, line in source.lines()
        if re.search(r"verify_signature", line)
    ]
    assert len(unverified) == 2, unverified
    assert all(each.startswith("shared/http/identity.py:") for each in unverified)
