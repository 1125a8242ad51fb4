"""`gcpay up`: what it prints works when it is pasted, and a port in use is one clear sentence."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.ops.exits import Exit, Leave
from shared.sandbox.chain import FAUCET, HOST_WALLET
from shared.sandbox.chain.endpoint import KNOWN_FAULTS
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet
from shared.sandbox.exchange import faults as exchange_faults
from shared.sandbox.fault_verb import run_fault
from shared.sandbox.fleet import PortInUse, Ports
from shared.sandbox.tasks.faults import FaultKind
from tests.e2e.command import ROOT


@dataclass
class Up:
    """A running `gcpay up`, with all that it said."""

    process: subprocess.Popen[str]
    said: str
    checkout: Path

    def gcpay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same checkout."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "shared.ops.cli", *arguments],
            cwd=self.checkout, env=_environment(self.checkout), capture_output=True, text=True, check=False,
        )  # fmt: skip

    def pasted(self, title: str) -> str:
        """The command that stands below a title, run by a shell; what it printed."""
        command = self.said.split(title)[1].strip().splitlines()[0].strip()
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30).stdout


def _environment(checkout: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """On ports that are free now, in a copy of the checkout, so that a sandbox of the developer's own is left alone."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in (
        "shared",
        "migrations",
        "GCAccumulator",
        "GCMicroBatchProcessor",
        "GCHostPay1",
        "GCHostPay2",
        "GCHostPay3",
    ):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / ".sandbox").mkdir()
    for program in (ROOT / ".sandbox").glob("anvil-*"):
        (checkout / ".sandbox" / program.name).symlink_to(program)
    command = [sys.executable, "-P", "-m", "shared.ops.cli", "up", "--port", str(_free_row()), "--every", "0"]
    process = subprocess.Popen(
        command, cwd=checkout, env=_environment(checkout), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield Up(process, _said_until(process, "Ctrl-C ends everything."), checkout)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def _free_row() -> int:
    """A first port with enough free ones after it."""
    for first in range(21_000 + os.getpid() % 5000, 60_000, 50):
        try:
            Ports.in_a_row(first)
        except PortInUse:
            continue
        return first
    raise AssertionError("no row of free ports")


def _said_until(process: subprocess.Popen[str], last_line: str) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.strip() == last_line:
            return "".join(said)
    raise AssertionError("gcpay up ended: " + "".join(said))


def test_config_check_finds_all_there_that_a_service_of_it_needs(up: Up) -> None:
    assert "./gcpay config check" in up.said
    checked = up.gcpay("config", "check", "--service", "GCHostPay3")
    assert checked.returncode == Exit.OK, checked.stdout + checked.stderr
    assert "GCHostPay3            wallet          ok" in checked.stdout


def test_the_printed_commands_post_a_payment_tick_and_ask_for_health(up: Up) -> None:
    first = json.loads(up.pasted("Post a payment, as upstream does (again and again: it counts once):"))
    again = json.loads(up.pasted("Post a payment, as upstream does (again and again: it counts once):"))
    assert (first["status"], first["duplicate"]) == ("success", False)
    assert (again["accumulation_id"], again["duplicate"]) == (first["accumulation_id"], True)

    tick = json.loads(up.pasted("Let the batcher look now:"))
    assert (tick["total_pending"], tick["batch_created"]) == ("42.500000", True)

    health = json.loads(up.pasted("Ask a service how it is, with an operator's identity as in production:"))
    assert (health["service"], health["status"]) == ("GCHostPay3", "healthy")


def test_the_books_of_the_running_sandbox_balance_in_the_end(up: Up) -> None:
    give_up_at = time.monotonic() + 60
    while True:
        books = up.gcpay("books", "--json")
        owed = json.loads(books.stdout)["usdt"]["clients_owed"]
        if owed != "0.000000":
            break
        assert time.monotonic() < give_up_at, "the batch was not swapped within a minute"
        time.sleep(0.5)

    checked = up.gcpay("books", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "The books balance to the last unit and explain the whole wallet." in checked.stdout
    assert re.search(r"clients_owed +0\.0+ +-41\.225000", checked.stdout)


def test_the_report_explains_every_unit_and_its_batch_has_one_trace_in_the_logs_of_four_services(up: Up) -> None:
    asked = up.gcpay("report", "--chain", "--json")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    told = json.loads(asked.stdout)
    assert (told["ok"], told["chain_was_asked"]) == (True, True)
    batch = told["batches"][0]["batch"]
    of_the_batch = json.loads(up.gcpay("explain", batch, "--json").stdout)["traces"][0]["id"]
    logs = Path(up.said.split("Logs: ")[1].splitlines()[0])
    for service in ("GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"):
        lines = map(json.loads, (logs / f"{service}.log").read_text().splitlines())
        traces = {line.get("logging.googleapis.com/trace", "") for line in lines}
        assert any(trace.endswith(f"/traces/{of_the_batch}") for trace in traces), service


def test_every_fault_can_be_pinned_by_its_name_is_listed_and_cleared(
    up: Up, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(place: str, name: str | None, *told: str, clear: bool = False) -> Any:
        run_fault(up.checkout, place, name, told, clear=clear)
        return json.loads(capsys.readouterr().out)

    known = {"exchange": exchange_faults.KNOWN, "chain": KNOWN_FAULTS}
    for place, faults in known.items():
        for name in faults:
            fault(place, name, "times=2")
        assert [each["name"] for each in fault(place, None)["faults"]] == list(faults)
        assert fault(place, None, clear=True) == {"faults": []}
    for kind in FaultKind:
        fault("tasks", kind, "queue=microbatch-response-queue")
    listed = {each["kind"]: each["queue"] for each in fault("tasks", None)["faults"]}
    assert listed == dict.fromkeys(FaultKind, "microbatch-response-queue")
    fault("tasks", None, clear=True)


def test_a_fault_that_is_pinned_strikes(up: Up) -> None:
    assert up.gcpay("fault", "chain", "rate_limited", "times=1", "route=eth_chainId").returncode == 0
    url = re.findall(r"  chain_second +(http\S+)", up.said)[0]
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' {url} -H 'Content-Type: application/json' -d "
    ask += """'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'"""
    told = [subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout for _ in "12"]
    assert told == ["429", "200"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("exchange", "no_such"), "exchange: no fault 'no_such'"),
        (("exchange", "delay", "hours=3"), "fault delay has no field 'hours'"),
        (("exchange", "delay", "times=0"), "`times` is a whole number above zero"),
        (("chain", "lag", "blocks"), "'blocks': a field is NAME=VALUE"),
        (("tasks", "delay", "delay_s=-1"), "delay_s and count: must not be negative"),
        (("tasks", "no_such"), "kind: must be one of"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused_with_the_rule(
    up: Up, arguments: tuple[str, ...], sentence: str
) -> None:
    place, name, *told = arguments
    with pytest.raises(Leave, match=re.escape(sentence)) as refused:
        run_fault(up.checkout, place, name, tuple(told), clear=False)
    assert refused.value.code is Exit.USAGE


def test_without_a_sandbox_there_is_nothing_to_break(tmp_path: Path) -> None:
    with pytest.raises(Leave, match="No sandbox to break"):
        run_fault(tmp_path, "exchange", "delay", (), clear=False)


def test_eth_from_outside_is_unexplained_until_a_person_books_it(up: Up) -> None:
    rpc = Rpc(re.findall(r"  chain +(http\S+)", up.said)[0])
    tx_hash = Wallet(rpc, FAUCET.private_key).send(HOST_WALLET.address, value_wei=20_000_000_000_000_000)
    signed = ("--by", "Ada", "--reason", "the gateway's payout of today")
    give_up_at = time.monotonic() + 20
    while (rehearsed := up.gcpay("books", "gateway", tx_hash, *signed)).returncode != 0:
        assert time.monotonic() < give_up_at, rehearsed.stdout + rehearsed.stderr
        assert rehearsed.returncode == Exit.TRY_LATER, rehearsed.stderr
        time.sleep(0.5)
    assert f"0.02 ETH of {tx_hash} is booked as gateway_settled" in rehearsed.stdout
    unexplained = up.gcpay("books", "check")
    assert (unexplained.returncode, "0.020000000000000000" in unexplained.stdout) == (1, True), unexplained.stdout
    booked = up.gcpay("books", "gateway", tx_hash, *signed, "--yes")
    assert booked.returncode == 0, booked.stderr
    assert up.gcpay("books", "check").returncode == 0
    again = up.gcpay("books", "gateway", tx_hash, *signed, "--yes")
    assert (again.returncode, "booked before" in again.stderr) == (1, True), again.stderr


def test_the_logs_lie_where_it_says(up: Up) -> None:
    logs = Path(up.said.split("Logs: ")[1].splitlines()[0])

    events = {json.loads(line)["message"] for line in (logs / "GCAccumulator.log").read_text().splitlines()}
    assert {"payment_recorded", "payment_repeated"} <= events


def test_a_port_in_use_is_one_clear_sentence_with_the_option(tmp_path: Path) -> None:
    first = _free_row()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 2))
        taken.listen()
        refused = subprocess.run(
            [sys.executable, "-P", "-m", "shared.ops.cli", "up", "--port", str(first)],
            cwd=tmp_path, env=_environment(ROOT), capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert refused.returncode == 69
    assert refused.stderr == (
        f"Port {first + 2} (GCHostPay1) is in use. Choose another first port: gcpay up --port {first + 102}\n"
    )


def test_ctrl_c_is_the_right_end_and_leaves_nothing_behind(up: Up) -> None:
    children = psutil.Process(up.process.pid).children(recursive=True)
    assert len(children) > 15

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(30) == 0
    _gone, left = psutil.wait_procs(children, timeout=10)
    assert [each.cmdline() for each in left] == []
    assert not (up.checkout / ".sandbox" / "up" / "operator.env").exists()
