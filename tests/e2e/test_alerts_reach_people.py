"""On the real fleet an alert goes from the commit of a payment through the queue to the webhook, once."""

from __future__ import annotations

import json
import time
from pathlib import Path

from shared.sandbox.fleet import Fleet, FleetOptions
from shared.sandbox.loopback import call_json
from tests.e2e.bodies import a_payment
from tests.integration.alert_sink import alert_sink


def test_an_alert_reaches_the_webhook_once_while_payments_go_on(tmp_path: Path) -> None:
    with alert_sink() as sink, Fleet.start(FleetOptions(logs=tmp_path, alert_webhook=sink.url)) as fleet:
        parked = fleet.post_payment(a_payment(1, nowpayments_outcome_currency="btc"))
        assert parked.status == 200
        give_up_at = time.monotonic() + 60
        while not _delivered(fleet):
            assert time.monotonic() < give_up_at, "the alert was not delivered within a minute"
            time.sleep(0.2)
        (heard,) = sink.heard
        assert (heard["alert"]["kind"], heard["alert"]["service"]) == ("payment_parked", "GCAccumulator")
        assert heard["alert"]["money_at_risk"] == ["50.000000 USD"]

        sink.answers = "hang"
        for number in range(2, 10):
            assert fleet.post_payment(a_payment(number, nowpayments_outcome_currency="btc")).status == 200
        time.sleep(2.5)  # both places at the sink are taken
        began = time.monotonic()
        assert fleet.tick().status == 200
        assert time.monotonic() - began < 2
        assert len(set(sink.ids)) == len(sink.ids) <= 3
        components = call_json("GET", f"{fleet.urls['GCMicroBatchProcessor']}/health", timeout_s=10).body["components"]
        assert isinstance(components, dict)
        assert (components["alerts"], components["scheduler"]) == ("healthy", "healthy")
        log = (tmp_path / "GCMicroBatchProcessor.log").read_text(encoding="utf-8")
    assert "a-secret-path" not in log
    assert json.dumps(sink.heard).count("a-secret-path") == 0


def _delivered(fleet: Fleet) -> bool:
    with fleet.database.read() as conn:
        rows = conn.all("select delivered_at from alert")
    return bool(rows) and all(row["delivered_at"] is not None for row in rows)
