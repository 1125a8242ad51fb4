"""A service's log needs no rich, and whoever does finds it as before."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys, shared.telemetry; print('rich' in sys.modules)", "False"),
        ("import shared.telemetry, rich.console; print(rich.console.Console.__name__)", "Console"),
        ("import rich, shared.telemetry, sys; print(sys.modules['rich'] is rich)", "True"),
        (
            "import shared.telemetry as t; t.configure_logging('console', 'INFO', 'x'); t.get_logger().info('told')",
            "told",
        ),
    ],
)
def test_the_log_does_without_rich_and_takes_it_from_nobody(script: str, told: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told in done.stdout + done.stderr
