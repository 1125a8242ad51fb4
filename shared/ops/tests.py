"""`gcpay test`: the checks, then every test, then one plain closing line that a person and CI can trust."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click

from shared.ops.checks import run_checks
from shared.ops.exits import Exit

_NOTHING_COLLECTED = 5
_NO_FLEET = ["--ignore=tests/e2e"]
_MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own in it
_ROOM_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Count:
    """How many tests passed, failed (errors in their set-up included) and were skipped."""

    passed: int
    failed: int
    skipped: int

    def line(self) -> str:
        """The closing line: "12 passed, 0 failed", with the skipped ones only when there are some."""
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def run_tests(root: Path, pytest_args: list[str], *, fast: bool = False) -> Exit:
    """Check, test, count. Content only when the checks are, at least one test ran, and none failed.

    The tests run even after a failed check: both are worth knowing in one go.
    """
    checked = Exit.OK if fast else run_checks(root)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        code = _pytest(root, report, [*(_NO_FLEET if fast else []), *pytest_args])
        count = read_report(report)
    if checked is not Exit.OK:
        click.echo("The checks found something, see above.")
    if count is None:
        click.echo(f"pytest ended with exit code {code} and left no count.")
        return Exit.NO
    click.echo(count.line())
    content = checked is Exit.OK and code == 0 and count.failed == 0 and count.passed > 0
    if code == _NOTHING_COLLECTED:
        click.echo("No test was selected.", err=True)
    return Exit.OK if content else Exit.NO


def read_report(report: Path) -> Count | None:
    """Count from pytest's own report (JUnit XML); None when there is none, as after a crash of pytest."""
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - pytest wrote it just now
        totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for name in totals:
                totals[name] += int(suite.get(name, "0"))
    except (OSError, ElementTree.ParseError):
        return None
    failed = totals["failures"] + totals["errors"]
    # A test that passed and whose tear-down then failed is reported twice: as one test and one error.
    return Count(max(totals["tests"] - failed - totals["skipped"], 0), failed, totals["skipped"])


def _pytest(root: Path, report: Path, arguments: list[str]) -> int:
    # Whole files to one worker: what a file starts is started once. One worker more than two cores, because a fleet
    # waits for blocks most of the time; in the order of the folders, because the quick ones stand last and even out.
    spread = [] if any(each.startswith(("-n", "--numprocesses")) for each in arguments) else ["-n", "3"]
    spread += ["--dist", "loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-P", "-m", "pytest", *spread, f"--junitxml={report}", *arguments]
    with _folder_for_databases() as folder:
        # What a failed test leaves for its reader stays on disk.
        kept = {"PYTEST_DEBUG_TEMPROOT": tempfile.gettempdir()}
        return subprocess.run(command, cwd=root, env={**kept, **os.environ, "TMPDIR": folder}, check=False).returncode


@contextlib.contextmanager
def _folder_for_databases() -> Iterator[str]:
    """The caller's TMPDIR if there is one; else, where there is room, a folder in memory: making and dropping a test's
    database is ten times cheaper there (9 ms against 100)."""
    if "TMPDIR" in os.environ or not _has_room(_MEMORY):
        yield tempfile.gettempdir()
        return
    for left in _MEMORY.glob("gcpay-test-*"):  # by a run that was killed
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"gcpay-test-{os.getpid()}-", dir=_MEMORY, ignore_cleanup_errors=True
    ) as own:
        Path(own).chmod(0o711)  # PostgreSQL's user gets through to its cluster when we are root
        yield own


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= _ROOM_BYTES
