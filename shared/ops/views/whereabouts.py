"""Where the money of one matter is now, in a sentence: what our own rows prove, and nothing that somebody only says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.money import Ether, Tether
from shared.ops.acts.standing import newest

if TYPE_CHECKING:
    from shared.db import Row
    from shared.ops.acts.standing import Standing

_OUT: Final = ("live", "included")


def money_is(s: Standing) -> str:
    """The place of the money, with its amount."""
    if s.batch is None and s.payment is not None:
        wei = s.payment["net_wei"]
        return "nobody has said that ETH came for it" if wei is None else f"{Ether(wei)} came in and is not swapped yet"
    if s.arrivals:
        arrived = Tether.total(Tether(row["usdt_units"]) for row in s.arrivals)
        return f"host wallet, owed to the clients: {arrived} arrived in {s.arrivals[-1]['tx_hash']}"
    if s.batch is not None and s.batch["conversion_status"] == "released":
        return "host wallet: its payments were given back and are pending, or in another batch"
    back = next((row for row in s.orders if row["order_status"] == "refunded"), None)
    if back is not None:
        return f"host wallet: the order's ETH came back in {back['refund_hash']}"
    transfer = s.transfer_of(s.request) or newest(s.transfers)
    return _not_sent(s) if transfer is None else _by_transfer(s, transfer)


def _not_sent(s: Standing) -> str:
    wei = s.batch["ordered_wei"] if s.batch is not None else (s.order or {}).get("amount_wei")
    return "host wallet: nothing was sent" if wei is None else f"host wallet: {Ether(wei)} is ordered and was not sent"


def _by_transfer(s: Standing, transfer: Row) -> str:
    amount, status = Ether(transfer["value_wei"]), transfer["transfer_status"]
    if status in _OUT:
        block = "" if transfer["in_block"] is None else f", in block {transfer['in_block']} that is not final"
        return f"{amount} is on its way on the chain with nonce {transfer['nonce']}{block}"
    if status == "settled":
        order = next((row for row in s.orders if row["id"] == transfer["order_id"]), None)
        if order is not None and order["order_status"] == "finished":
            return f"with the payee: the exchange has finished order {order['cn_api_id']} of {amount}"
        word = "" if order is None or not order["exchange_status"] else f", which says {order['exchange_status']}"
        return f"exchange: {amount} was paid for order {transfer['cn_api_id']} in {transfer['tx_hash']}{word}"
    if status in ("reverted", "cancelled", "foreign"):
        return f"host wallet: nonce {transfer['nonce']} was used and is {status}; {amount} was not paid by it"
    if transfer["nonce"] is not None:
        return f"host wallet: {amount} has nonce {transfer['nonce']} and was not sent"
    return f"host wallet: {amount} was not sent; its transfer is {status}"
