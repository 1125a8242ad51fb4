"""The launcher, run as a person runs it: a real interpreter and virtual environment, but a lock with no packages."""

import importlib.machinery
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

LAUNCHER = Path(__file__).parents[2] / "gcpay"
ECHO_ARGUMENTS = "import json, sys; print(json.dumps([sys.prefix, *sys.argv[1:]]))"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of nothing but the launcher, an empty lock and a command line that prints its arguments."""
    root = tmp_path_factory.mktemp("a folder") / "with blanks"
    (root / "shared" / "ops").mkdir(parents=True)
    shutil.copy(LAUNCHER, root / "gcpay")
    (root / "requirements.lock").write_text("# no packages\n")
    (root / "shared" / "__init__.py").touch()
    (root / "shared" / "ops" / "__init__.py").touch()
    (root / "shared" / "ops" / "cli.py").write_text(ECHO_ARGUMENTS)
    return root


def start(command: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(command), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_first_start_installs_and_hands_over_from_any_folder_and_through_a_link(
    checkout: Path, tmp_path: Path
) -> None:
    link = tmp_path / "linked gcpay"
    link.symlink_to(checkout / "gcpay")
    (tmp_path / "click.py").write_text("raise RuntimeError('the caller\\'s folder was imported')")

    first = start(link, "demo", "two words", cwd=tmp_path)

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == [str(checkout / ".venv"), "demo", "two words"]
    assert "installing 0 packages" in first.stderr
    assert "installed in" in first.stderr


def test_the_second_start_says_nothing_and_takes_less_than_two_seconds(checkout: Path) -> None:
    started = time.monotonic()
    second = start(checkout / "gcpay", "x", cwd=checkout)

    assert time.monotonic() - started < 2
    assert (second.returncode, second.stderr) == (0, "")


def test_a_changed_lock_makes_a_new_environment(checkout: Path) -> None:
    left_over = checkout / ".venv" / "left-over"
    left_over.touch()
    (checkout / "requirements.lock").write_text("# no packages, said differently\n")

    assert "First start" in start(checkout / "gcpay", cwd=checkout).stderr
    assert not left_over.exists()


def test_an_interrupted_installation_is_begun_anew(checkout: Path) -> None:
    (checkout / ".venv" / "gcpay-stamp.json").unlink()

    assert "installed in" in start(checkout / "gcpay", cwd=checkout).stderr
    assert start(checkout / "gcpay", cwd=checkout).stderr == ""


def test_two_first_starts_at_once_install_once(checkout: Path) -> None:
    (checkout / ".venv" / "gcpay-stamp.json").unlink()
    command = [sys.executable, str(checkout / "gcpay")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sum("installed in" in stderr for _, stderr in said) == 1
    assert sum("waiting for it to finish" in stderr for _, stderr in said) == 1


def test_a_lock_that_cannot_be_installed_is_one_sentence_and_exit_69(checkout: Path) -> None:
    lock = checkout / "requirements.lock"
    before = lock.read_text()
    lock.write_text("this-is-no-requirement ==\n")

    refused = start(checkout / "gcpay", cwd=checkout)
    lock.write_text(before)

    assert refused.returncode == 69
    assert "pip could not install the packages" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_missing_lock_is_one_sentence_and_exit_69(tmp_path: Path) -> None:
    shutil.copy(LAUNCHER, tmp_path / "gcpay")

    refused = start(tmp_path / "gcpay", cwd=tmp_path)

    assert refused.returncode == 69
    assert refused.stderr.count("\n") == 1
    assert "requirements.lock is missing" in refused.stderr


def test_an_old_python_without_a_newer_one_is_one_sentence_and_exit_69(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    launcher = load()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit) as left:
        launcher.restart_with_a_newer_python()

    assert left.value.code == 69
    assert "needs Python 3.11 or newer" in capsys.readouterr().err


def test_the_launcher_can_be_read_by_the_python_it_refuses() -> None:
    import ast

    ast.parse(LAUNCHER.read_text(), feature_version=(3, 7))


def load() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("gcpay_launcher", str(LAUNCHER))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
