"""The exchange's orders: what each one is, and where all of them are kept."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eth_account import Account

LIVE = frozenset({"waiting", "confirming", "exchanging", "sending", "verifying", "expired"})
"""States in which the clock or a deposit may still change something."""


def utc_now() -> datetime:
    """The exchange's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Deposit:
    """Money that reached a deposit address."""

    tx_hash: str
    sender: str
    amount: int
    """wei, or token units when the wrong asset came"""
    block: int
    block_hash: str


@dataclass
class Order:
    """One exchange. Amounts: `_wei` of ETH in, `_units` of USDT out."""

    id: str
    partner: str
    flow: str
    expected_wei: int | None
    expected_units: int | None
    payin_address: str
    payout_address: str
    refund_address: str | None
    created_at: datetime
    updated_at: datetime
    since: float
    """monotonic second at which the present status began"""
    status: str = "waiting"
    type: str = "direct"
    from_currency: str = "eth"
    user_id: str | None = None
    payload: Any = None
    valid_until: datetime | None = None
    promised_units: int | None = None
    overridden: bool = False
    deposit: Deposit | None = None
    late: bool = False
    deposit_received_at: datetime | None = None
    payout_hash: str | None = None
    told_payout_units: int | None = None
    paid_units: int | None = None
    payout_sent_at: float | None = None
    refund_hash: str | None = None
    refund_wei: int | None = None
    refunding: bool = False
    actions_available: bool = False
    parent: str | None = None
    repeated: list[str] = field(default_factory=list)
    related: list[str] = field(default_factory=list)
    faults: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    earlier_answer: Any = None
    """by-id as it was before the last change of status, for a stale read"""

    @property
    def amount_wei(self) -> int | None:
        """What really came in; None until the deposit is seen."""
        return self.deposit.amount if self.deposit is not None else None


class OrderBook:
    """All orders of one exchange. `lock` is held by whoever reads or changes an order."""

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        self._random = random.Random(seed)
        self._orders: dict[str, Order] = {}
        self._by_payin: dict[str, str] = {}

    def new_id(self) -> str:
        """Fourteen lower-case hex digits, as the exchange makes them."""
        while (made := f"{self._random.getrandbits(56):014x}") in self._orders:
            pass
        return made

    def new_payin_address(self) -> str:
        """A fresh account that is nobody else's; its key comes from the seed and is not kept."""
        return str(Account.from_key(self._random.getrandbits(255).to_bytes(32, "big")).address)

    def add(self, order: Order) -> None:
        """Keep an order; its deposit address belongs to the first order that has it."""
        self._orders[order.id] = order
        self._by_payin.setdefault(order.payin_address.lower(), order.id)

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def at_address(self, address: str) -> Order | None:
        """The order whose deposit address this is."""
        found = self._by_payin.get(address.lower())
        return self._orders[found] if found is not None else None

    def __iter__(self) -> Iterator[Order]:
        """Oldest first; a copy, so that children may be added meanwhile."""
        return iter(list(self._orders.values()))
