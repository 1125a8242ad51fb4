"""`gcpay check`: format, lint, types, import directions and the project's own rules. CI runs the same."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from shared.ops.exits import Exit

_IMPORT_LINTER = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"


@dataclass(frozen=True)
class Outcome:
    """What one check said: `complaint` is empty when it is content."""

    name: str
    complaint: str
    seconds: float


def run_checks(root: Path, *, fix: bool = False) -> Exit:
    """Run every check over the checkout at `root`, print one line each and the complaints; 1 when there is one.

    With `fix` the formatter writes first, so that a repeat of the command has nothing left to format.
    """
    if fix:
        _tool(root, "ruff", "check", "--fix", "--quiet")
        _tool(root, "ruff", "format", "--quiet")
        _write_documents(root)
    checks: dict[str, Callable[[], str]] = {
        "types (mypy --strict)": lambda: _tool(root, "mypy"),
        "format (ruff)": lambda: _tool(root, "ruff", "format", "--check", "--output-format", "concise"),
        "lint (ruff)": lambda: _tool(root, "ruff", "check", "--quiet", "--output-format", "concise"),
        "import directions": lambda: _python(root, "-c", _IMPORT_LINTER, "--no-logo"),
        "own rules": lambda: _own_rules(root),
        "documents": lambda: _documents(root),
    }
    bad = 0
    # Two at a time, because two cores are what CI has; mypy is first, because everything else ends before it.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for outcome in pool.map(_timed, checks, checks.values()):
            bad += bool(outcome.complaint)
            _show(outcome)
    return Exit.NO if bad else Exit.OK


def _show(outcome: Outcome) -> None:
    word = "FAILED" if outcome.complaint else "ok"
    click.echo(f"check  {outcome.name:<24} {word:<7} {outcome.seconds:5.1f} s")
    for line in outcome.complaint.splitlines():
        click.echo(f"       {line}")


def _timed(name: str, run: Callable[[], str]) -> Outcome:
    started = time.monotonic()
    complaint = run()
    return Outcome(name, complaint, time.monotonic() - started)


def _tool(root: Path, module: str, *arguments: str) -> str:
    return _python(root, "-m", module, *arguments)


def _python(root: Path, *arguments: str) -> str:
    """Run a tool of this environment; give what it said when it is not content, with words if it said nothing."""
    done = subprocess.run([sys.executable, "-P", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    return (done.stdout + done.stderr).strip() or f"ended with exit code {done.returncode}"


def _own_rules(root: Path) -> str:
    from shared.sandbox.check import find_all

    return "\n".join(str(finding) for finding in find_all(root))


def _documents(root: Path) -> str:
    """The documents that are made from the code and differ from it; --fix makes them anew."""
    from shared.sandbox.documents import stale_documents

    return "\n".join(f"{path} differs from the code; gcpay check --fix makes it anew" for path in stale_documents(root))


def _write_documents(root: Path) -> None:
    from shared.sandbox.documents import write_documents

    write_documents(root)
