"""Starts anvil as the sandbox needs it: a block a second, and a head that is final two blocks later."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from shared.sandbox.lifetime import guarded
from shared.sandbox.processes import Process

from .accounts import MNEMONIC
from .install import ensure_anvil
from .rpc import Rpc, RpcUnreachable

CHAIN_ID = 31337
BLOCK_TIME_S = 1
KEPT_STATES = 2000  # balances of older blocks are forgotten, so that a sandbox may run for days
REPOSITORY = Path(__file__).resolve().parents[3]


def anvil_command(
    port: int,
    *,
    chain_id: int = CHAIN_ID,
    block_time_s: float | None = BLOCK_TIME_S,
    state_file: Path | None = None,
    program: Path | None = None,
) -> list[str]:
    """The command line of one chain on loopback. `block_time_s` None mines each transaction at once; `state_file` is
    read at the start and written at the end. Fetches anvil on first use."""
    command = [str(program or ensure_anvil()), "--silent", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--chain-id", str(chain_id), "--mnemonic", MNEMONIC, "--accounts", "10"]
    # One slot in an epoch: `safe` is one block behind the head and `finalized` two.
    command += ["--slots-in-an-epoch", "1", "--prune-history", str(KEPT_STATES)]
    if block_time_s is not None:
        command += ["--block-time", str(block_time_s)]
    if state_file is not None:
        command += ["--state", str(state_file)]
    return command


@dataclass
class Chain:
    """A running chain; `url` is its JSON-RPC endpoint. A context manager that stops it."""

    url: str
    process: Process

    @classmethod
    def start(
        cls,
        port: int = 0,
        *,
        chain_id: int = CHAIN_ID,
        block_time_s: float | None = BLOCK_TIME_S,
        state_file: Path | None = None,
        log: Path | None = None,
    ) -> Chain:
        """Start anvil and wait for its first answer. Raises StartFailed, or AnvilUnavailable."""
        chosen = port or _free_port()
        url = f"http://127.0.0.1:{chosen}"
        program = ensure_anvil()
        command = anvil_command(
            chosen, chain_id=chain_id, block_time_s=block_time_s, state_file=state_file, program=program
        )
        # anvil makes a folder `.foundry` in the home folder: it gets the one that it is installed in.
        environment = {**os.environ, "HOME": str(program.parent)}
        process = Process.start(
            "anvil", guarded(command), environment, log_path=log, ready_when=lambda: _answers(url), cwd=REPOSITORY
        )
        return cls(url, process)

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(url: str) -> bool:
    try:
        Rpc(url).call("eth_chainId")
    except RpcUnreachable:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
