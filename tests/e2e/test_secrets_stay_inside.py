"""After real swaps on the real fleet: its own secrets are in no log, row, task, answer or archived file."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.environment import API_KEY
from shared.sandbox.fleet.identities import SERVICES
from tests.e2e.outside import speak
from tests.e2e.swaps import Swaps
from tests.security.canaries import search


def test_a_swap_leaves_no_secret_in_any_log_row_task_answer_or_archived_file(fleet: Fleet) -> None:
    with fleet.database.read() as conn:
        done = conn.all("select 1 from batch_conversions where conversion_status = 'completed'")
    if not done:
        Swaps(fleet).swap()
    fleet.post_payment("nonsense")  # and what is refused is written down too
    world = fleet.world
    secrets = {
        "internal key": world.internal_key,
        "upstream key": world.upstream_key,
        "exchange's key": API_KEY,
        "wallet's key": HOST_WALLET.private_key,
    }
    texts = list(everything_of(fleet))
    places = {place.partition(" ")[0] for place, _ in texts}
    assert {"GCHostPay3.log", "tasks.jsonl", "exchange.jsonl", "attempt", "outbox", "GCHostPay2/health"} <= places
    assert sum(len(text) for _, text in texts) > 100_000
    found = list(search(texts, secrets))
    assert not found, found[:3]


def everything_of(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """What every process wrote, every row as text and its bytes as letters, and what the open doors answer."""
    for path in sorted(fleet.options.logs.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes().decode("latin-1")
    with fleet.database.read() as conn:
        tables = [
            str(row["name"])
            for row in conn.all("select tablename::text as name from pg_tables where schemaname = 'public'")
        ]
        for table in tables:
            rows = conn.all(f"select t::text as whole from {table} as t")
            yield table, "\n".join(str(row["whole"]) for row in rows)
        for row in conn.all("select body from outbox"):
            yield "outbox", base64.b64encode(bytes(row["body"])).decode()
    for service in SERVICES:
        for door in ("/health", "/live"):
            yield f"{service}{door}", speak(fleet.urls[service], "GET", door).text
