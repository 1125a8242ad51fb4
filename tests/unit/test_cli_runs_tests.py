"""`gcpay test` and `gcpay check` on a small project of their own: the closing line and the exit code are true."""

from pathlib import Path

import pytest

from shared.ops import checks
from shared.ops import tests as verb
from shared.ops.exits import Exit

PASSES = "def test_yes() -> None:\n    assert True\n"
FAILS = "def test_no() -> None:\n    assert False\n"
SKIPS = "import pytest\n\n\n@pytest.mark.skip(reason='as asked')\ndef test_later() -> None: ...\n"
BREAKS = """import pytest


@pytest.fixture
def broken() -> None:
    raise OSError


def test_it(broken: None) -> None: ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(project: Path, *arguments: str) -> Exit:
    return verb.run_tests(project, ["-n0", "-q", "-p", "no:cacheprovider", *arguments], fast=True)


def test_the_closing_line_counts_and_the_code_is_0_when_all_pass(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "tests" / "test_a.py").write_text(PASSES)

    assert run(project) is Exit.OK
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"


def test_failures_errors_and_skipped_tests_are_counted_and_the_code_is_1(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"a": PASSES, "b": FAILS, "c": SKIPS, "d": BREAKS}.items():
        (project / "tests" / f"test_{name}.py").write_text(text)

    assert run(project) is Exit.NO
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 2 failed, 1 skipped"


def test_no_test_at_all_is_not_a_success(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(project, "-k", "nothing") is Exit.NO
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 0 failed"


def test_a_pytest_that_does_not_start_is_not_a_success(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(project, "--no-such-option") is Exit.NO
    assert "left no count" in capfd.readouterr().out


def test_a_failed_check_fails_the_whole_although_all_tests_pass(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tests" / "test_a.py").write_text(PASSES)
    monkeypatch.setattr(verb, "run_checks", lambda _root: Exit.NO)

    assert verb.run_tests(project, ["-n0", "-q", "-p", "no:cacheprovider"]) is Exit.NO
    said = capfd.readouterr().out.splitlines()
    assert said[-2:] == ["The checks found something, see above.", "1 passed, 0 failed"]


def test_check_says_one_line_per_check_with_its_time_and_the_complaints_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_documents", lambda _root: "")  # this project has none
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("import os\nx  = 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.mypy]\nfiles = ['shared']\n")

    assert checks.run_checks(tmp_path) is Exit.NO
    said = capsys.readouterr().out.splitlines()
    verdicts = {line[7:31].strip(): line.split()[-3] for line in said if line.startswith("check  ")}
    assert verdicts == {
        "types (mypy --strict)": "ok",
        "format (ruff)": "FAILED",
        "lint (ruff)": "FAILED",
        "import directions": "FAILED",
        "own rules": "FAILED",
        "documents": "ok",
    }
    assert any("F401" in line for line in said)
    assert any("the package does not say what it is for" in line for line in said)


def test_check_with_fix_writes_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_write_documents", lambda _root: None)  # this project has none
    monkeypatch.setattr(checks, "_documents", lambda _root: "")
    source = tmp_path / "x.py"
    source.write_text("x  =  1\n")
    (tmp_path / "pyproject.toml").write_text("")

    checks.run_checks(tmp_path, fix=True)

    assert source.read_text() == "x = 1\n"
