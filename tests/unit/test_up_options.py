"""What `gcpay up` is told: read before anything starts, and an impossible wish is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ops.exits import Exit, Leave
from shared.sandbox.fleet import Ports
from shared.sandbox.up import UpOptions, fleet_options


def parsed(alerts: str) -> UpOptions:
    return UpOptions.parse(first_port=9000, threshold="20", fee="15", tick_every_s=0, alerts=alerts)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9999/alerts", "https://hooks.example/T1/B2?x=y"])
def test_alerts_go_where_up_is_told(url: str) -> None:
    wanted = parsed(url)
    assert fleet_options(wanted, Ports.free(), Path("logs")).alert_webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "x",
        "ftp://a/b",
        "http://",
        "http://[",
        "http://u:p@a/b",
        "http://a/b#c",
        "http://a\n/b",
        "file:///etc/passwd",
        "http://\udcff",
    ],
)
def test_an_address_that_cannot_be_called_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(Leave, match="--alerts must be an address") as refused:
        parsed(url)
    assert refused.value.code is Exit.USAGE
