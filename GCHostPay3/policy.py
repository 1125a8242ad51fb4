"""Which transfers may leave: rules over figures that our own rows gave. Pure; amounts are wei of ETH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.chain.address import ZERO_ADDRESS, is_address, same_address
from shared.messages import batch_of_unique_id
from shared.money import Ether

if TYPE_CHECKING:
    from shared.messages import PayOrder

    from .records import OurRows

ETHER: Final = "eth"


@dataclass(frozen=True, slots=True)
class PayLimits:
    """What a person allowed. What bounds an amount has no default: without it the service does not start."""

    max_transfer: Ether
    max_daily: Ether
    gas_reserve: Ether
    max_fee_per_gas_wei: int
    inflight_cap: int
    max_transfers_per_hour: int = 60


def contradiction(order: PayOrder, rows: OurRows | None) -> str | None:
    """Where the message and our rows, or our rows among themselves, differ; None if they agree in everything.

    The message decides nothing: it is only compared. The rule's name is stable, for alerts and tests.
    """
    if rows is None:
        return "request_unknown"
    compared = (
        ("context", order.context == rows.context == rows.order_context),
        ("batch", _same_batch(order, rows)),
        ("order_id", order.cn_api_id == rows.cn_api_id == rows.order_cn_api_id),
        ("currency", order.from_currency == rows.from_currency == ETHER),
        ("network", order.from_network == rows.from_network == ETHER),
        ("amount", Ether(order.amount_wei) == rows.amount == rows.order_amount),
        ("address", _all_same(order.payin_address, rows.payin_address, rows.order_payin_address)),
    )
    return next((f"{name}_differs" for name, agrees in compared if not agrees), None)


def not_payable(rows: OurRows) -> str | None:
    """Why a transfer that does not exist yet may not be made for these rows now; None if it may."""
    if rows.order_status != "adopted":
        return f"order_is_{rows.order_status}"
    if rows.request_status != "paying":
        return f"request_is_{rows.request_status}"
    return None


def forbidden_by(to_address: str, value: Ether, own_wallet: str, spent_today: Ether, limits: PayLimits) -> str | None:
    """The rule that forbids this transfer, with its figures; None if policy allows it."""
    if not is_address(to_address) or to_address.lower() == ZERO_ADDRESS:
        return f"address_not_payable: {to_address} can receive nothing"
    if same_address(to_address, own_wallet):
        return "address_is_ours: the wallet would pay itself"
    if value > limits.max_transfer:
        return f"over_transfer_limit: {value} is more than {limits.max_transfer} for one transfer"
    return over_daily_limit(value, spent_today, limits)


def over_daily_limit(value: Ether, spent_today: Ether, limits: PayLimits) -> str | None:
    """The daily limit's verdict alone: asked again when a nonce is reserved, under the account's lock."""
    if spent_today + value > limits.max_daily:
        return f"over_daily_limit: {spent_today} of {limits.max_daily} left within 24 h, {value} more is asked"
    return None


def over_velocity(begun_within_an_hour: int, limits: PayLimits) -> str | None:
    """The velocity rule: so many nonces in an hour are a bug or a thief, whatever each of them carries."""
    if begun_within_an_hour >= limits.max_transfers_per_hour:
        return f"over_velocity: {begun_within_an_hour} transfers were begun within an hour, as many as are allowed"
    return None


@dataclass(frozen=True, slots=True)
class Funds:
    """The wallet's ETH at one finalized block, and what of it is spoken for."""

    balance: Ether
    held: Ether
    earmarked: Ether

    def short_of(self, value: Ether, gas: Ether, limits: PayLimits) -> Ether | None:
        """What is missing to pay value and gas and to keep the reserve; None if nothing is."""
        missing = value + gas + limits.gas_reserve - (self.balance - self.held)
        return missing if missing.is_positive() else None

    def would_spend_earmarked(self, value: Ether, gas: Ether, limits: PayLimits) -> bool:
        """Whether an instant payout would be paid with ETH that belongs to pending payments."""
        left = self.balance - self.held - value - gas - limits.gas_reserve
        return left < self.earmarked


def _same_batch(order: PayOrder, rows: OurRows) -> bool:
    """A batch's request carries the batch's own name; an instant payout belongs to none."""
    batch = rows.batch_conversion_id
    named = order.context == "instant" if batch is None else batch_of_unique_id(order.unique_id) == str(batch)
    return named and batch == rows.order_batch_conversion_id


def _all_same(first: str, *others: str) -> bool:
    return all(same_address(first, other) for other in others)
