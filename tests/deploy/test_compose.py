"""docker-compose.yml can be read, refers to what is there; tests/e2e/test_compose.py runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.sandbox.fleet.queues import write_queues

from .compose import FILE, faults, read
from .terraform_files import ROOT


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
