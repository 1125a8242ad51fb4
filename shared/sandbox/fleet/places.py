"""Where the sandbox writes: a folder per run below `.sandbox` of the checkout, or in the temporary folder."""

import os
import shutil
import tempfile
import time
from pathlib import Path

_KEPT_S = 24 * 3600


def new_run_folder(root: Path) -> Path:
    """A fresh folder for one run's logs. Folders of runs that were killed more than a day ago are removed."""
    runs = root / ".sandbox" / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="gcpay-run-"))
    for old in runs.iterdir():
        if time.time() - old.stat().st_mtime > _KEPT_S:
            shutil.rmtree(old, ignore_errors=True)
    if not os.access(runs, os.W_OK):
        return Path(tempfile.mkdtemp(prefix="gcpay-run-"))
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs))
