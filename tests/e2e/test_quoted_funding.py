"""A fleet with BATCH_FUNDING=quoted swaps payments of which the gateway did not say what crypto arrived."""

from __future__ import annotations

import time
from pathlib import Path

from shared.money import Usd
from shared.ops.books_report import reconcile
from shared.sandbox.demo.readings import Seen, look
from shared.sandbox.fleet import Fleet, FleetOptions
from tests.e2e.bodies import a_payment


def test_quoted_payments_are_swapped_at_the_quote_and_shared_out_to_the_unit(tmp_path: Path) -> None:
    options = FleetOptions(logs=tmp_path, threshold=Usd.parse("60"), fee_percent="0", funding="quoted")
    with Fleet.start(options) as fleet:
        for number, dollars in enumerate(("33.333333", "33.333333", "0.01"), start=1):
            body = a_payment(number, payment_amount_usd=dollars, nowpayments_outcome_amount=None)
            assert fleet.post_payment(body).status == 200
        assert fleet.tick().status == 200
        seen = _swapped(fleet)
        books = reconcile(fleet.database, fleet.chain, fleet.chain_settings)

    (batch,) = seen.batches
    shares = [row["converted_usdt_amount_units"] for row in seen.payments]
    assert batch["conversion_status"] == "completed"
    assert sum(shares) == batch["usdt_units"]
    # 66.676666 USD: what is ordered is worth that at the exchange's own price, to within what eight decimals cut off.
    assert abs(batch["usdt_units"] - 66_676_666) < 50
    assert shares[0] == shares[1]
    assert 0 < shares[2] < 10_100
    (transfer,) = seen.transfers
    assert transfer["value_wei"] == batch["ordered_wei"]
    assert books.everything_balances


def _swapped(fleet: Fleet) -> Seen:
    give_up_at = time.monotonic() + 60
    while True:
        seen = look(fleet.database)
        if seen.batches and seen.batches[0]["conversion_status"] != "swapping":
            return seen
        assert time.monotonic() < give_up_at, "the batch was not swapped within a minute"
        time.sleep(0.3)
