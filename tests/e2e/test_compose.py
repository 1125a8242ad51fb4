"""docker-compose.yml: its commands, with its environment and its health checks, make a running system."""

from __future__ import annotations

from pathlib import Path

from shared.db import Database, plain, roles
from shared.sandbox.identity import IdentityClient
from shared.sandbox.loopback import call_json
from shared.sandbox.posting import Posting
from shared.sandbox.processes import ProcessGroup
from tests.deploy.compose import Pod, read
from tests.deploy.terraform_files import ROOT

from .waiting import until

PAYMENTS = ROOT / "shared" / "sandbox" / "demo" / "payments.jsonl"


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
