"""Is this still the order we mean to pay? Read it, compare every field, say what was seen.

What cannot be read is not an answer: the queue asks again. An order that the exchange does not know right now is
reported as not found, which decides nothing (exchange facts 6.4). Neither does a word that nobody knows, or one that
may pass: such an order is not paid as long as it says so, and is read again.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from shared.chain.address import is_address, same_address
from shared.exchange import Exchange, ExchangeStatus, NotFound, OrderSeen, Unreadable
from shared.lifecycle import TryLater
from shared.messages import CheckOrder, OrderChecked, as_sentence

_MAY_PASS: Final = (None, ExchangeStatus.HOLD, ExchangeStatus.VERIFYING)
"""Words that do not say whether the order still waits. None: one that nobody has seen yet (exchange facts 5)."""


class OrderUnreadable(TryLater):
    """The exchange gave no readable answer; nothing was decided."""

    code: ClassVar[str] = "order_unreadable"


def look_at_order(exchange: Exchange, asked: CheckOrder) -> OrderChecked:
    """What the exchange shows of the order, for the conductor. Raises OrderUnreadable. Repeats are free."""
    seen = exchange.read(asked.cn_api_id)
    match seen:
        case Unreadable(reason=reason):
            raise OrderUnreadable(f"Order {asked.cn_api_id} could not be read at the exchange: {reason}")
        case NotFound():
            return _answer(asked, "not_found", "", "the exchange does not show the order now")
        case OrderSeen():
            differences = differences_between(asked, seen)
            if differences:
                return _answer(asked, "mismatch", seen.status, "; ".join(differences))
            if seen.known in _MAY_PASS:
                return _answer(asked, "unclear", seen.status, f"the exchange says {seen.status}: it is read again")
            if not seen.is_payable:
                return _answer(asked, "not_waiting", seen.status, f"the exchange says {seen.status}, not waiting")
            return _answer(asked, "payable", seen.status, "the exchange waits for the deposit")


def differences_between(asked: CheckOrder, seen: OrderSeen) -> list[str]:
    """Every field in which the exchange's order differs from ours. What it does not tell is not a difference, but for
    the deposit address and the order's id, without which nothing may be paid.
    """
    compared = (
        ("cn_api_id", asked.cn_api_id, seen.cn_api_id, True),
        ("from_currency", asked.from_currency, _word(seen.from_currency), False),
        ("from_network", asked.from_network, _word(seen.from_network), False),
        ("to_currency", asked.to_currency, _word(seen.to_currency), False),
        ("to_network", asked.to_network, _word(seen.to_network), False),
        ("amount_wei", asked.amount_wei, None if seen.expected_from is None else seen.expected_from.wei, False),
        ("payin_address", asked.payin_address, seen.payin_address, True),
        ("payout_address", asked.payout_address, seen.payout_address, False),
    )
    differences = [
        f"{name} is {shown}, not {ours}"
        for name, ours, shown, required in compared
        if (shown is None and required) or (shown is not None and not _same(ours, shown))
    ]
    if seen.payin_extra_id is not None:
        differences.append(f"payin_extra_id is {seen.payin_extra_id}: a plain transfer cannot carry a memo")
    return differences


def _word(told: str | None) -> str | None:
    # Tickers and networks are words in any case; addresses of other chains are not.
    return None if told is None else told.lower()


def _same(ours: str | int, shown: str | int) -> bool:
    if isinstance(ours, str) and isinstance(shown, str) and is_address(ours) and is_address(shown.lower()):
        return same_address(ours, shown)
    return ours == shown


def _answer(asked: CheckOrder, verdict: str, status: str, detail: str) -> OrderChecked:
    return OrderChecked(
        unique_id=asked.unique_id,
        cn_api_id=asked.cn_api_id,
        verdict=verdict,
        exchange_status=re.sub("[^0-9a-z_-]", "_", status.lower())[:32],
        detail=as_sentence(detail),
    )
