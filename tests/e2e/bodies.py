"""Webhook bodies as upstream sends them, and files of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from shared.sandbox import demo

BASE = Path(demo.__file__).with_name("payments.jsonl")
"""50, 30 and 20 USD; 0.02, 0.012 and 0.008 ETH."""


def a_payment(payment_id: object, **changed: object) -> dict[str, object]:
    """The first of the base payments under another id, with some fields changed; None takes a field out."""
    body = json.loads(BASE.read_text().splitlines()[0]) | {"nowpayments_payment_id": payment_id} | changed
    return {name: value for name, value in body.items() if value is not None}


def write_lines(path: Path, bodies: Sequence[dict[str, object] | str]) -> Path:
    """A file of JSON lines; text stands as it is."""
    path.write_text("".join((body if isinstance(body, str) else json.dumps(body)) + "\n" for body in bodies))
    return path
