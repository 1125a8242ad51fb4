"""How to start the secret service as a process."""

from __future__ import annotations

import sys
from typing import Final

VALUES_VARIABLE: Final = "SANDBOX_SECRETS"
"""In the environment of the process: its first secrets, a JSON object of names and values. Not in its argv, which
everybody on the machine can read."""


def command(project: str, port: int = 0) -> list[str]:
    """The argv. The ready line has `port` and `endpoint` (host:port for SECRETS_ENDPOINT)."""
    return [sys.executable, "-m", "shared.sandbox.secrets", "--project", project, "--port", str(port)]
