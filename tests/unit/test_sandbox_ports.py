"""The ports of a sandbox: free ones that no other sandbox chooses at the same time, or a row that is asked for."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared.sandbox.fleet import PortInUse, Ports

ROOT = Path(__file__).parents[2]
CHOOSE = "from shared.sandbox.fleet.ports import Ports; print(*vars(Ports.free()).values(), flush=True); input()"


def test_sandboxes_that_start_at_once_never_choose_the_same_port() -> None:
    command = [sys.executable, "-c", CHOOSE]
    starting = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    chosen = [port for _ in range(60) for port in vars(Ports.free()).values()]
    for other in starting:
        assert other.stdout is not None
        chosen += map(int, other.stdout.readline().split())
    for other in starting:
        other.communicate("\n")

    assert len(chosen) == 62 * len(vars(Ports.free()))
    assert len(set(chosen)) == len(chosen)


def test_a_port_of_the_row_that_is_in_use_is_named_with_who_wanted_it() -> None:
    row = vars(Ports.free())
    name, port = list(row.items())[4]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortInUse) as refusal:
        Ports.in_a_row(next(iter(row.values())))
    assert str(refusal.value) == f"Port {port} ({name}) is in use."
    assert refusal.value.port == port


def test_asking_for_a_row_holds_nothing() -> None:
    first = Ports.free().GCAccumulator
    assert Ports.in_a_row(first) == Ports.in_a_row(first)
