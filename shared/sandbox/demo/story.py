"""Tells what happened, one sentence a step, and who holds the money from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.db import Row
from shared.sandbox.demo.readings import Seen, ether, tether, usd

GATEWAY = "payment gateway"
HOST_WALLET = "host wallet"
ON_CHAIN = "on its way on the chain"
EXCHANGE = "exchange"
CLIENTS = "host wallet, owed to the clients"
_EXCHANGE_WORDS = {
    "confirming": "it waits for confirmations of the deposit",
    "exchanging": "it swaps",
    "sending": "it sends the USDT",
    "finished": "it has sent the USDT",
    "verifying": "it verifies the deposit",
    "refunded": "it has sent the ETH back",
    "failed": "it failed",
    "expired": "it expired",
}
_AFTER_THE_EXCHANGE = ("request_reported", "request_refunded", "batch_completed")


@dataclass(frozen=True)
class Step:
    """One line of the story; `who` acts, `holder` has the money now ("" when no money is in question)."""

    who: str
    what: str
    holder: str = ""


class Story:
    """Remembers what was told, so that each snapshot adds only what is new."""

    def __init__(self) -> None:
        self._told: set[int] = set()
        self._exchange_said: dict[str, str] = {}

    def continue_with(self, seen: Seen) -> Iterator[Step]:
        """The steps that this snapshot adds."""
        for row in seen.history:
            if row["id"] not in self._told:
                self._told.add(row["id"])
                if row["event"] in _AFTER_THE_EXCHANGE:
                    yield from self._exchange_words(seen)
                tell = _TELLERS.get(row["event"])
                step = tell(seen, row) if tell else None
                if step is not None:
                    yield step
        yield from self._exchange_words(seen)

    def _exchange_words(self, seen: Seen) -> Iterator[Step]:
        """The exchange's status is a hint and has no history; what it said last is in the order's row."""
        for row in seen.requests:
            word = row["exchange_status"]
            if word in _EXCHANGE_WORDS and self._exchange_said.get(row["cn_api_id"]) != word:
                self._exchange_said[row["cn_api_id"]] = word
                holder = ON_CHAIN if word == "finished" else EXCHANGE
                yield Step("exchange", f"order {row['cn_api_id']}: {_EXCHANGE_WORDS[word]}", holder)


def _batch_claimed(seen: Seen, row: Row) -> Step:
    batch = seen.batch(row["subject"])
    what = (
        f"{batch['payment_count']} payments form one batch: {usd(batch['total_pending_usd_micros'])} pending, "
        f"to swap {ether(batch['ordered_wei'])}"
    )
    return Step("batcher", what, HOST_WALLET)


def _batch_swapping(seen: Seen, row: Row) -> Step:
    batch = seen.batch(row["subject"])
    what = f"order {batch['cn_api_id']} adopted: {ether(batch['ordered_wei'])} to {batch['payin_address']}"
    return Step("batcher", what, HOST_WALLET)


def _request_paying(seen: Seen, row: Row) -> Step:
    request = next(each for each in seen.requests if each["unique_id"] == row["subject"])
    what = f"order {request['cn_api_id']} still waits for exactly {ether(request['amount_wei'])}: pay it"
    return Step("watcher", what, HOST_WALLET)


def _transfer(row: Row, seen: Seen) -> Row:
    return next(each for each in seen.transfers if each["unique_id"] == row["subject"])


def _slot_reserved(seen: Seen, row: Row) -> Step:
    transfer = _transfer(row, seen)
    return Step("executor", f"nonce {transfer['nonce']} belongs to this transfer for ever", HOST_WALLET)


def _attempt_signed(seen: Seen, row: Row) -> Step:
    transfer = _transfer(row, seen)
    return Step("executor", f"transaction {transfer['tx_hash']} signed and stored", HOST_WALLET)


def _attempt_sent(seen: Seen, row: Row) -> Step:
    transfer = _transfer(row, seen)
    return Step("executor", f"{ether(transfer['value_wei'])} sent to {transfer['to_address']}", ON_CHAIN)


def _transfer_included(seen: Seen, row: Row) -> Step:
    return Step("chain", f"the transfer is in block {_transfer(row, seen)['block_number']}; final soon", ON_CHAIN)


def _transfer_settled(seen: Seen, row: Row) -> Step:
    transfer = _transfer(row, seen)
    what = f"{ether(transfer['value_wei'])} final on the chain, both providers agree; gas {ether(transfer['gas_wei'])}"
    return Step("executor", what, EXCHANGE)


def _transfer_stuck(seen: Seen, row: Row) -> Step:
    transfer = _transfer(row, seen)
    return Step("executor", f"transfer {transfer['transfer_status']}: {transfer['reason']}", HOST_WALLET)


def _request_reported(seen: Seen, row: Row) -> Step | None:
    request = next(each for each in seen.requests if each["unique_id"] == row["subject"])
    if request["context"] == "instant":
        return Step("conductor", f"instant payout {request['unique_id']} is finished at the exchange", "payee")
    batch = seen.batch(request["batch_conversion_id"])
    if batch["usdt_units"] is None:
        return Step("conductor", f"request {request['unique_id']} is reported back")
    what = f"{tether(batch['usdt_units'])} seen arriving in transaction {batch['usdt_tx_hash']}"
    return Step("conductor", what, HOST_WALLET)


def _request_parked(seen: Seen, row: Row) -> Step:
    request = next(each for each in seen.requests if each["unique_id"] == row["subject"])
    return Step("conductor", f"request {request['unique_id']} waits for a person: {request['reason']}")


def _batch_completed(seen: Seen, row: Row) -> Step:
    batch = seen.batch(row["subject"])
    what = f"{tether(batch['usdt_units'])} shared out over {batch['payment_count']} payments, to the last unit"
    return Step("batcher", what, CLIENTS)


def _batch_ended_otherwise(seen: Seen, row: Row) -> Step:
    batch = seen.batch(row["subject"])
    return Step("batcher", f"batch {batch['conversion_status']}: {batch['reason']}", HOST_WALLET)


_TELLERS: dict[str, Callable[[Seen, Row], Step | None]] = {
    "batch_claimed": _batch_claimed,
    "batch_swapping": _batch_swapping,
    "batch_completed": _batch_completed,
    "batch_released": _batch_ended_otherwise,
    "batch_parked": _batch_ended_otherwise,
    "request_paying": _request_paying,
    "request_reported": _request_reported,
    "request_refunded": _request_reported,
    "request_parked": _request_parked,
    "slot_reserved": _slot_reserved,
    "attempt_signed": _attempt_signed,
    "attempt_sent": _attempt_sent,
    "transfer_included": _transfer_included,
    "transfer_settled": _transfer_settled,
    "transfer_held": _transfer_stuck,
    "transfer_reverted": _transfer_stuck,
    "transfer_cancelled": _transfer_stuck,
    "transfer_foreign": _transfer_stuck,
}
