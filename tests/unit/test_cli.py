"""The command line as a person uses it: help, exit codes, one clear sentence for everything impossible."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.ops.exits import Exit

ROOT = Path(__file__).parents[2]


OPERATIONS = (
    "status", "report", "explain", "parked", "retry", "release", "abandon-order", "approve", "pause", "resume",
    "operator-log",
)  # fmt: skip
SIGNED = ("--by", "Ada", "--reason", "a test")


def gcpay(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "shared.ops.cli", *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_alone_it_prints_sectioned_help_with_examples_and_exit_codes() -> None:
    started = time.monotonic()
    shown = gcpay()

    assert time.monotonic() - started < 2
    assert shown.returncode == Exit.OK
    for verb in ("demo", "up", "test", "check", "config", "books", *OPERATIONS):
        assert f"\n  {verb} " in shown.stdout
    for section in ("See it run", "Prove it", "Look at it", "Operate it", "Examples", "Exit codes"):
        assert f"\n{section}:\n" in shown.stdout
    for code in Exit:
        assert f"\n  {code.value} " in shown.stdout


@pytest.mark.parametrize("verb", ["demo", "up", "test", "check", "config", "books", "verify-proof", *OPERATIONS])
def test_every_verb_explains_itself(verb: str) -> None:
    shown = gcpay(verb, "--help")

    assert shown.returncode == Exit.OK
    assert len(shown.stdout.splitlines()) > 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dance"], "No such command 'dance'"),
        (["demo", "--threshold", "many"], "--threshold many: the amount must be a decimal number in plain digits."),
        (["demo", "--threshold", "0"], "--threshold 0: the amount must be above 0."),
        (["demo", "--threshold=-1"], "--threshold -1: the amount must not be negative."),
        (["demo", "--fee", "101"], "--fee 101: a fee of more than 100 percent would take more than was paid."),
        (["demo", "--fee", "NaN"], "--fee NaN: the percentage must be a finite number."),
        (["demo", "--exchange-pays", "0"], "--exchange-pays 0: the amount must be above 0"),
        (["demo", "--exchange-pays", "0.0000001"], "has more digits than the unit's 6 decimals."),
        (["demo", "--deliver", "0"], "0 is not in the range"),
        (["demo", "--chaos", "-1"], "-1 is not in the range"),
        (["demo", "--chaos", "1", "--instant"], "--instant --chaos: the chaos loses tasks"),
        (["demo", "--payments", "/no/such/file"], "does not exist"),
        (["demo", "--payments", os.devnull], "holds no payment"),
        (["demo", "--payments", sys.executable], "is not a text file in UTF-8."),
        (["up", "--port", "80"], "80 is not in the range"),
        (["up", "--threshold", "x"], "--threshold x"),
        (["retry", "x", "--reason", "y"], "Missing option '--by'"),
        (["release", "x", "--by", "y"], "Missing option '--reason'"),
        (["approve", "pay", "x", *SIGNED], "'pay' is not one of 'held', 'cancel', 'repay', 'void'"),
        (["pause", "lunch", *SIGNED], "'lunch' is not one of 'intake', 'batching', 'sending'"),
        (["pause", "intake", "--for", "3w", *SIGNED], "--for 3w: say how long as 30m, 2h or 1d, at most 1000 of them."),
        (["pause", "intake", "--for", "0m", *SIGNED], "--for 0m: say how long"),
        (["explain"], "Missing argument 'ID'"),
        (["config", "GCNobody"], "There is no service 'GCNobody'"),
    ],
)
def test_an_impossible_wish_is_one_clear_sentence_and_exit_2(arguments: list[str], sentence: str) -> None:
    refused = gcpay(*arguments)

    assert refused.returncode == Exit.USAGE
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_a_file_with_a_line_that_is_not_json_is_refused_by_its_number(tmp_path: Path) -> None:
    broken = tmp_path / "payments.jsonl"
    broken.write_text('{"user_id": 1}\n\n{"user_id": 2\n')

    refused = gcpay("demo", "--payments", str(broken))

    assert refused.returncode == Exit.USAGE
    assert refused.stderr == f"{broken}: line 3 is not JSON; each line must be one webhook body.\n"


def test_books_without_a_fleet_say_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "shared").symlink_to(ROOT / "shared")

    refused = gcpay("books", PYTHONPATH=str(tmp_path), cwd=tmp_path)

    assert refused.returncode == Exit.UNAVAILABLE
    assert "start one with `gcpay up`" in refused.stderr or "Is the fleet" in refused.stderr


def test_books_of_a_database_that_does_not_answer_are_exit_69() -> None:
    refused = gcpay(
        "books",
        DATABASE_HOST="127.0.0.1",
        DATABASE_PORT="1",
        DATABASE_NAME_SECRET="gcpay",
        DATABASE_USER_SECRET="gcpay_operator",
    )

    assert refused.returncode == Exit.UNAVAILABLE
    assert refused.stderr == "No connection to the database. Is the fleet, or `gcpay up`, running?\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["report"],
        ["report", "--csv"],
        ["explain", "x", "--json"],
        ["parked"],
        ["operator-log"],
        ["retry", "x", *SIGNED],
        ["release", "x", *SIGNED, "--yes"],
        ["abandon-order", "x", *SIGNED],
        ["approve", "held", "x", *SIGNED],
        ["pause", "intake", *SIGNED, "--yes"],
        ["resume", "intake", *SIGNED],
    ],
)
def test_operations_without_a_database_are_one_sentence_and_exit_69(arguments: list[str]) -> None:
    refused = gcpay(
        *arguments,
        DATABASE_HOST="127.0.0.1",
        DATABASE_PORT="1",
        DATABASE_NAME_SECRET="gcpay",
        DATABASE_USER_SECRET="gcpay_operator",
    )

    assert refused.returncode == Exit.UNAVAILABLE
    assert refused.stderr == "No connection to the database. Is the fleet, or `gcpay up`, running?\n"
    assert refused.stdout == ""


def test_an_incomplete_environment_names_every_missing_setting() -> None:
    refused = gcpay("books", DATABASE_HOST="127.0.0.1")

    assert refused.returncode == Exit.UNAVAILABLE
    assert "DATABASE_NAME_SECRET" in refused.stderr
    assert "DATABASE_USER_SECRET" in refused.stderr


def test_config_lists_every_setting_of_every_service_with_its_purpose() -> None:
    settings = json.loads(gcpay("config", "--json").stdout)

    assert {each["service"] for each in settings} == {
        "GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3",
    }  # fmt: skip
    assert [each["name"] for each in settings if not each["purpose"]] == []
    by_name = {(each["service"], each["name"]): each for each in settings}
    fee = by_name["GCAccumulator", "TP_FLAT_FEE"]
    assert (fee["default"], fee["secret"], fee["former"]) == (None, False, "TP_FLAT_FEE")
    pool = by_name["GCHostPay1", "DATABASE_POOL_SIZE"]
    assert (pool["unit"], pool["range"], pool["default"]) == ("connections", ">= 1, <= 100", "8")


def test_a_command_reads_a_setting_as_strictly_as_a_service_and_never_repeats_it() -> None:
    refused = gcpay("books", DATABASE_HOST="127.0.0.1", DATABASE_NAME_SECRET="the-name\n", DATABASE_USER_SECRET="")

    assert refused.returncode == Exit.UNAVAILABLE
    assert "DATABASE_NAME_SECRET has blanks or a line end around its value" in refused.stderr
    assert "DATABASE_USER_SECRET is blank" in refused.stderr
    assert "the-name" not in refused.stderr


def test_config_never_shows_a_secret() -> None:
    key = "0x" + "ab" * 32

    for arguments in (["config"], ["config", "--json"], ["config", "GCHostPay3"]):
        shown = gcpay(*arguments, HOST_WALLET_PRIVATE_KEY=key, SUCCESS_URL_SIGNING_KEY="a-key-of-many-bytes")
        assert shown.returncode == Exit.OK
        assert key not in shown.stdout
        assert "a-key-of-many-bytes" not in shown.stdout
        assert "********" in shown.stdout


def test_config_shows_what_the_environment_sets() -> None:
    settings = json.loads(gcpay("config", "GCAccumulator", "--json", TP_FLAT_FEE="2.9").stdout)

    assert [each["value"] for each in settings if each["name"] == "TP_FLAT_FEE"] == ["2.9"]


def test_an_image_without_the_sandbox_says_so(tmp_path: Path) -> None:
    """As the production image: everything but shared/sandbox."""
    (tmp_path / "shared").mkdir()
    for part in (ROOT / "shared").iterdir():
        if part.name not in ("sandbox", "__pycache__"):
            (tmp_path / "shared" / part.name).symlink_to(part)

    for verb in ("demo", "up", "test", "check"):
        refused = gcpay(verb, PYTHONPATH=str(tmp_path), cwd=tmp_path)
        assert refused.returncode == Exit.UNAVAILABLE, refused.stderr
        assert f"`gcpay {verb}` needs the sandbox, which is not part of a production image" in refused.stderr
    assert gcpay(PYTHONPATH=str(tmp_path), cwd=tmp_path).returncode == Exit.OK
    assert gcpay("config", PYTHONPATH=f"{tmp_path}:{ROOT}", cwd=tmp_path).returncode == Exit.OK


def test_a_fault_of_our_own_is_exit_70_with_its_traceback() -> None:
    program = "import shared.ops.cli as c; c.gcpay.main = lambda **_: 1 // 0; c.main()"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    failed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert failed.returncode == Exit.INTERNAL
    assert "ZeroDivisionError" in failed.stderr
