"""docker-compose.yml can be read, refers to what is there, and its commands make a running system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.db import Database, plain, roles
from shared.sandbox.fleet.queues import write_queues
from shared.sandbox.identity import IdentityClient
from shared.sandbox.loopback import call_json
from shared.sandbox.posting import Posting
from shared.sandbox.processes import ProcessGroup
from tests.e2e.waiting import until

from .compose import FILE, Pod, faults, read
from .terraform_files import ROOT

PAYMENTS = ROOT / "shared" / "sandbox" / "demo" / "payments.jsonl"


def test_the_file_has_no_fault() -> None:
    assert list(faults(read())) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("read_only: true", "readonly: true", "schema: "),
        ("place: { condition: service_healthy }", "plaice: { condition: service_healthy }", "waits for plaice"),
        ('network_mode: "service:place"', 'network_mode: "service:plaice"', "is in the network of plaice"),
        ("networks: [pod]", "networks: [pot]", "in the network pot, which is not declared"),
        ("target: sandbox }", "target: sandpit }", "is built from something that is not there"),
        ('PORT: "8601"', 'PORT: "8600"', "both listen on 8600"),
        ("127.0.0.1:8609:8609", "0.0.0.0:8609:8609", "not on loopback"),
        ("--port=8614", "--port=8615", "speaks to port 8614, where nobody listens"),
        ('TP_FLAT_FEE: "15"', 'TP_FLAT_FEE: "45"', "TP_FLAT_FEE must be between"),
        ('MAX_DAILY_ETH: "800"', 'MAX_DAYLY_ETH: "800"', "MAX_DAILY_ETH is missing"),
        ('MAX_DAILY_ETH: "800"', 'MAX_DAILY_ETH: "800"\n      WORDS: "x"', "WORDS is given and not read"),
        ('MAX_DAILY_ETH: "800"', 'MAX_DAILY_ETH: ""', "must be a text with something in it"),
        ('"GCHostPay2.app:create_app()"', '"GCHostPay1.app:create_app()"', "GCHostPay2 is started by"),
        ("cap_drop: [ALL]", "cap_drop: []", "has rights"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, told: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    assert any(told in fault for fault in faults(read(text.replace(old, new)))), list(
        faults(read(text.replace(old, new)))
    )


def test_the_queues_are_those_of_the_sandbox(tmp_path: Path) -> None:
    write_queues(tmp_path / "queues.json")
    ours = (ROOT / "deploy" / "compose" / "queues.json").read_text(encoding="utf-8")
    assert json.loads(ours) == json.loads((tmp_path / "queues.json").read_text(encoding="utf-8"))


def test_its_commands_make_a_healthy_fleet_through_which_a_payment_goes(tmp_path: Path) -> None:
    with ProcessGroup() as group:
        pod = Pod(read(), tmp_path, group)
        pod.start(patience_s=120)
        tokens = IdentityClient(pod.url(8605))
        for body in PAYMENTS.read_text(encoding="utf-8").splitlines():
            assert _post(pod, tokens, "upstream", 8600, "/", body) == 200
        assert _post(pod, tokens, "scheduler", 8601, "/check-threshold", "{}") == 200
        connect = plain(host="127.0.0.1", port=pod.port(8612), database="gcpay", user=roles.OPERATOR)
        database = Database(connect, pool_size=1)
        until("three completed payments", lambda: _completed(database) == 3)
        database.close()
        assert {str(call_json("GET", f"{pod.url(port)}/health").body["version"]) for port in range(8600, 8605)} == {
            "compose"
        }
        check = ("python", "-m", "shared.ops.cli", "config", "check", "--service", "GCHostPay3")
        looked = pod.execute("gchostpay3", *check)
        assert looked.returncode == 0, looked.stdout + looked.stderr
        books = pod.run("operator", "books", "check")
        assert books.returncode == 0, books.stdout + books.stderr


def _post(pod: Pod, tokens: IdentityClient, who: str, port: int, path: str, body: str) -> int | None:
    # The audience is the address that the service knows itself by.
    token = tokens.token(f"{who}@sandbox.invalid", pod.url(port))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return Posting("POST", pod.url(port) + path, headers, body.encode(), 30.0).perform().status


def _completed(database: Database) -> int:
    with database.read() as conn:
        rows = conn.all("select conversion_status from payout_accumulation")
    return sum(row["conversion_status"] == "completed" for row in rows)
