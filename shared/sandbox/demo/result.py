"""What the demo proves: the figures, taken from the database and the chain after everything is final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.books import Report
from shared.db import Row
from shared.money import Ether, Tether, Usd
from shared.sandbox.demo.deliver import Delivered
from shared.sandbox.demo.readings import Seen, ether, tether, usd

Json = dict[str, object]
_RECORDED_FOR_A_BATCH = ("pending", "swapping", "completed")


@dataclass(frozen=True)
class Wallet:
    """What the host wallet holds on the chain at one finalized block."""

    ether: Ether
    tether: Tether


@dataclass(frozen=True)
class Result:
    """The whole answer of a demo; `as_json` is its documented shape."""

    payments: list[Json]
    refused: list[Json]
    parked: list[Json]
    batches: list[Json]
    instant: list[Json]
    pending_left: Usd
    wallet: Json
    books: Report
    services: Mapping[str, str]
    seconds: float
    troubles: list[str]
    below_threshold: str | None
    chaos: Json | None = None

    @property
    def ok(self) -> bool:
        """Whether everything that began has ended well and every unit is explained."""
        return not self.troubles

    @property
    def last_word(self) -> str:
        """One sentence for the person."""
        if self.troubles:
            return "NOT in order: " + "; ".join(self.troubles) + "."
        proof = "the books sum to zero and explain the wallet to the last wei and the last USDT unit"
        if self.below_threshold is not None and not self.batches:
            return f"No batch: {self.below_threshold}. Everything balances: {proof}."
        return f"Everything balances to the last unit: shares = arrived, sent = ordered, and {proof}."

    def as_json(self) -> Json:
        asked_for = {} if self.chaos is None else {"chaos": self.chaos}
        told: Json = {
            "ok": self.ok,
            "payments": self.payments,
            "refused": self.refused,
            "parked": self.parked,
            "batches": self.batches,
            "instant": self.instant,
            "pending_usd_left": self.pending_left.decimal_text(),
            "wallet": self.wallet,
            "books": self.books.as_json(),
            "services": dict(self.services),
            "seconds": round(self.seconds, 1),
        }
        return told | asked_for | ({"message": self.last_word} if self.troubles or not self.batches else {})

    @staticmethod
    def ether_text(wei_text: object) -> str:
        """Wei as text, for people: ETH without trailing zeros, "-" for none."""
        return "-" if wei_text is None else Ether(int(str(wei_text))).short_text()


def sum_up(
    seen: Seen,
    delivered: Delivered,
    before: Wallet,
    after: Wallet,
    books: Report,
    services: Mapping[str, str],
    seconds: float,
    below_threshold: str | None,
    troubles: list[str],
    chaos: Json | None = None,
) -> Result:
    """Put everything together and look for contradictions."""
    transfers = [row for row in seen.transfers if row["outcome"] == "settled"]
    sent = Ether.total(ether(row["value_wei"]) for row in transfers)
    gas = Ether.total(ether(row["gas_wei"]) for row in seen.transfers if row["gas_wei"] is not None)
    pending = [row for row in seen.payments if row["conversion_status"] == "pending"]
    found = [
        *troubles,
        *_contradictions(seen),
        *([] if before.ether - sent - gas == after.ether else ["the wallet's ETH is not what was sent and burnt"]),
        *([] if books.everything_balances else ["the books do not explain the wallet"]),
        *(f"{name} is {status}" for name, status in services.items() if status != "healthy"),
    ]
    return Result(
        payments=[
            _payment(row, delivered) for row in seen.payments if row["conversion_status"] in _RECORDED_FOR_A_BATCH
        ],
        refused=[refusal.as_json() for refusal in delivered.refusals],
        parked=[
            {"payment_ref": row["payment_ref"], "reason": row["parked_reason"]}
            for row in seen.payments
            if row["conversion_status"] == "parked"
        ],
        batches=[_batch(row, seen) for row in seen.batches],
        instant=[_instant(row, seen) for row in seen.requests if row["context"] == "instant"],
        pending_left=Usd.total(usd(row["pending_usd_amount_micros"]) for row in pending),
        wallet={
            "eth_before_wei": str(before.ether.wei),
            "eth_after_wei": str(after.ether.wei),
            "sent_wei": str(sent.wei),
            "gas_wei": str(gas.wei),
            "usdt_before": before.tether.decimal_text(),
            "usdt_after": after.tether.decimal_text(),
        },
        books=books,
        services=services,
        seconds=seconds,
        troubles=found,
        below_threshold=below_threshold,
        chaos=chaos,
    )


def _payment(row: Row, delivered: Delivered) -> Json:
    share = row["converted_usdt_amount_units"]
    return {
        "payment_ref": row["payment_ref"],
        "pending_usd": usd(row["pending_usd_amount_micros"]).decimal_text(),
        "received_wei": _wei(row["gross_wei"]),
        "net_wei": _wei(row["net_wei"]),
        "fee_wei": _wei(row["fee_wei"]),
        "share_usdt": None if share is None else tether(share).decimal_text(),
        "conversion_status": row["conversion_status"],
        "times_delivered": delivered.times[row["id"]],
    }


def _batch(row: Row, seen: Seen) -> Json:
    transfer = seen.transfer_of_batch(row["batch_conversion_id"])
    settled = transfer is not None and transfer["outcome"] == "settled"
    return {
        "batch_conversion_id": row["batch_conversion_id"],
        "cn_api_id": row["cn_api_id"],
        "status": row["conversion_status"],
        "ordered_wei": _wei(row["ordered_wei"]),
        "sent_wei": _wei(transfer["value_wei"]) if transfer is not None and settled else "0",
        "dust_wei": _wei(row["dust_out_wei"]),
        "distinct_nonces": row["distinct_nonces"],
        "eth_tx_hash": transfer["tx_hash"] if transfer is not None else None,
        "usdt_arrived": None if row["usdt_units"] is None else tether(row["usdt_units"]).decimal_text(),
        "usdt_tx_hash": row["usdt_tx_hash"],
        "payment_count": row["payment_count"],
    }


def _instant(row: Row, seen: Seen) -> Json:
    transfers = [each for each in seen.transfers if each["unique_id"] == row["unique_id"]]
    settled = [each for each in transfers if each["outcome"] == "settled"]
    return {
        "unique_id": row["unique_id"],
        "cn_api_id": row["cn_api_id"],
        "status": row["request_status"],
        "order_status": row["order_status"],
        "payin_address": row["payin_address"],
        "to_address": settled[0]["to_address"] if settled else None,
        "amount_wei": _wei(row["amount_wei"]),
        "sent_wei": _wei(sum(each["value_wei"] for each in settled)),
        "distinct_nonces": len({each["nonce"] for each in transfers if each["nonce"] is not None}),
        "eth_tx_hash": settled[0]["tx_hash"] if settled else None,
        "payout_hash": row["payout_hash"],
    }


def _contradictions(seen: Seen) -> list[str]:
    """Promises 3 and 4, asked of the rows: sent = ordered, shares = arrived, one nonce."""
    found = []
    for row in seen.batches:
        if row["conversion_status"] != "completed":
            found.append(f"batch {row['batch_conversion_id']} is {row['conversion_status']}: {row['reason']}")
            continue
        name, transfer = row["batch_conversion_id"], seen.transfer_of_batch(row["batch_conversion_id"])
        shares = [each for each in seen.payments if each["batch_conversion_id"] == name]
        if transfer is None or transfer["value_wei"] != row["ordered_wei"]:
            found.append(f"batch {name} sent another amount than it ordered")
        if sum(each["converted_usdt_amount_units"] or 0 for each in shares) != row["usdt_units"]:
            found.append(f"the shares of batch {name} are not what arrived")
        if row["distinct_nonces"] != 1:
            found.append(f"batch {name} used {row['distinct_nonces']} nonces")
    return found


def _wei(value: object) -> str | None:
    return None if value is None else str(value)
