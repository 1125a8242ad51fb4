"""Processes of the sandbox start when they say so, stop when told to, and are never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.sandbox.identity import IdentityService, command
from shared.sandbox.lifetime import guarded
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process, ProcessGroup, StartFailed

READY = "import json, time; print(json.dumps({'ready': True, 'port': 7}), flush=True); "
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def ends(pid: int, within_s: float = 4.0) -> bool:
    give_up_at = time.monotonic() + within_s
    while lives(pid):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


def test_the_ready_line_gives_the_ports_and_the_rest_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "import sys; print('warming up', flush=True); " + READY + "print('later', flush=True); time.sleep(60)"
    process = Process.start("one", python(script), log_path=log)
    try:
        assert process.port() == 7
        assert process.running
        while "later" not in log.read_text():
            time.sleep(0.01)
    finally:
        assert process.stop() == -signal.SIGTERM
    assert process.stop() == -signal.SIGTERM, "a repeat gives the same answer"
    assert log.read_text().split() == ["warming", "up", "later"]


def test_a_process_that_ends_or_stays_silent_is_a_failed_start_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"(?s)bad ended with exit code 3.*port 5432 is in use"):
        Process.start(
            "bad", python("import sys; sys.stderr.write('port 5432 is in use'); sys.exit(3)"), None, tmp_path / "l"
        )
    began = time.monotonic()
    with pytest.raises(StartFailed, match=r"mute was not ready after 0\.2 s"):
        Process.start("mute", python("import time; time.sleep(60)"), timeout_s=0.2)
    assert time.monotonic() - began < 3


def test_a_process_without_a_ready_line_is_asked_until_it_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    script = f"import pathlib, time; time.sleep(0.1); pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"
    process = Process.start("asked", python(script), ready_when=flag.exists)
    assert flag.exists()
    process.stop()


def test_a_stubborn_process_and_its_children_are_killed_after_the_grace(tmp_path: Path) -> None:
    script = STUBBORN + (
        "import subprocess, sys, json, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(json.dumps({'ready': True, 'child': child.pid}), flush=True)\n"
        "time.sleep(60)\n"
    )
    process = Process.start("stubborn", python(script))
    child = process.port("child")
    assert lives(child)
    began = time.monotonic()
    assert process.stop(grace_s=0.2) == -signal.SIGKILL
    assert time.monotonic() - began < 2
    assert ends(child)


def test_a_group_stops_everything_in_reverse_order_when_its_block_fails(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    script = "import signal, sys\n" + (
        "def end(*_):\n"
        f"    with open({str(ended)!r}, 'a') as f: f.write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n" + READY + "time.sleep(60)\n"
    )
    with pytest.raises(ZeroDivisionError), ProcessGroup() as group:
        pids = [group.spawn(name, [*python(script), name]).popen.pid for name in "abc"]
        for process in group.processes:
            process.wait_ready()
        raise ZeroDivisionError
    assert ended.read_text() == "cba"
    assert not any(map(lives, pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_an_orchestrator_whatever_ends_it(number: signal.Signals) -> None:
    script = (
        "import sys, time\n"
        "from shared.sandbox.identity import command\n"
        "from shared.sandbox.lifetime import guarded\n"
        "from shared.sandbox.processes import ProcessGroup\n"
        "foreign = [sys.executable, '-c', 'import time, os; print(os.getpid(), flush=True); time.sleep(60)']\n"
        "with ProcessGroup() as group:\n"
        "    own = group.start('identity', command())\n"
        "    guard = group.spawn('foreign', guarded(foreign), ready_when=lambda: True)\n"
        "    print(own.popen.pid, guard.popen.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    orchestrator = subprocess.Popen(python(script), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert orchestrator.stdout is not None
    with orchestrator.stdout as output:
        pids = [int(word) for word in output.readline().split()]
        assert all(map(lives, pids))
        orchestrator.send_signal(number)
        assert orchestrator.wait(5) != 0
    assert all(map(ends, pids))


def test_a_second_interrupt_does_not_stop_the_stopping() -> None:
    slow = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.4), sys.exit(0))); "
    script = (
        "import sys, time\n"
        "from shared.sandbox.processes import ProcessGroup\n"
        f"slow = {slow + READY + 'time.sleep(60)'!r}\n"
        "with ProcessGroup() as group:\n"
        "    pids = [group.start(str(n), [sys.executable, '-c', slow]).popen.pid for n in range(2)]\n"
        "    print(*pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    orchestrator = subprocess.Popen(python(script), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert orchestrator.stdout is not None
    with orchestrator.stdout as output:
        pids = [int(word) for word in output.readline().split()]
        for _ in range(3):
            orchestrator.send_signal(signal.SIGINT)
            time.sleep(0.2)
        orchestrator.wait(10)
    assert not any(map(lives, pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_only_the_first_signal_counts_until_the_block_has_cleaned_up(number: signal.Signals) -> None:
    script = (
        "import os, signal\n"
        "from shared.sandbox.processes import ended_once\n"
        "ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)\n"
        "before = [signal.getsignal(each) for each in ending]\n"
        "try:\n"
        "    with ended_once():\n"
        "        try:\n"
        "            with ended_once():\n"
        f"                os.kill(os.getpid(), {int(number)})\n"
        "        finally:\n"
        "            for each in ending:\n"
        "                os.kill(os.getpid(), each)\n"
        "            print('cleaned up')\n"
        "except (KeyboardInterrupt, SystemExit) as ended:\n"
        "    print(ended.args == (() if ending[0] == " + f"{int(number)} else ({128 + number},)))\n"
        "    print([signal.getsignal(each) for each in ending] == before)\n"
    )
    told = subprocess.run(python(script), capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.split("\n") == ["cleaned up", "True", "True", ""]


def test_a_guard_passes_on_the_stop_signal_and_the_exit_code() -> None:
    script = "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(9)); " + READY + "time.sleep(60)"
    process = Process.start("guarded", guarded(python(script), stop_signal="INT"))
    assert process.stop() == 9
    quick = Process.spawn("quick", guarded(python("raise SystemExit(4)")), ready_when=lambda: True)
    assert quick.popen.wait(5) == 4


def test_the_programs_of_a_guard_that_is_killed_outright_die_with_it() -> None:
    script = "import os, json, time; print(json.dumps({'ready': True, 'own': os.getpid()}), flush=True); time.sleep(60)"
    process = Process.start("guarded", guarded(python(script)))
    foreign = process.port("own")
    process.popen.kill()
    assert ends(foreign)
    process.stop()


def test_a_control_port_answers_nonsense_with_a_reason_and_hides_nothing_else() -> None:
    with IdentityService() as service:
        assert call_json("GET", f"{service.url}/nowhere").status == 404
        assert call_json("GET", f"{service.url}/token").status == 404
        assert "email" in str(call_json("POST", f"{service.url}/token", {}).body["error"])


def test_a_process_that_was_started_by_hand_also_leaves_on_an_interrupt() -> None:
    process = subprocess.Popen(command(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        assert b'"ready": true' in output.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(3) == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["shared.sandbox.identity", "--port", "{port}"],
        ["shared.sandbox.tasks", "--port", "{port}"],
        ["shared.sandbox.tasks", "--control-port", "{port}"],
        ["shared.sandbox.scheduler", "--port", "{port}", "--identity-url", "http://x", "--identity-email", "a@b"],
    ],
)
def test_a_port_in_use_is_one_clear_sentence(argv: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [sys.executable, "-m", *(word.format(port=port) for word in argv)]
        with pytest.raises(
            StartFailed, match=rf"(?s)exit code 1 .*cannot listen: port {port}: Address already in use"
        ) as failed:
            Process.start("one", words, log_path=tmp_path / "log")
    assert "Traceback" not in str(failed.value)
