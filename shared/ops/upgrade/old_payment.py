"""One open row of the predecessor as a payment of ours, or the field and the rule for which it is none. Pure.

The key and the hash are those that the intake would give the same payment, so that a webhook which is delivered once
more after the import is a repeat and not a second payment: tests/integration/test_import_v1.py holds the two together.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.chain.address import ZERO_ADDRESS, same_address, to_checksum
from shared.money import Ether, MoneyError, Percent, Usd, take_fee
from shared.ops.upgrade.export import Raw

OPEN: Final = ("pending", "swapping")
_EVM_NETWORKS: Final = frozenset({"eth", "bsc", "matic", "arbitrum", "op", "base", "avaxc"})  # as the intake has them
_MOST_ETHER: Final = Ether(10_000 * 10**18)
_HALF_A_CENT: Final = Usd(5_001)  # and the micro that is cut: the predecessor rounded the gross amount to cents
_ID_TEXT: Final = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_WORD: Final = re.compile(r"[a-z0-9_-]{1,20}")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_INT64: Final = 2**63


class RowRefused(ValueError):
    """The row cannot be imported: `field` and the `rule` that it breaks."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class OldPayment:
    """What becomes a payment. `batch`: the predecessor's that was swapping it; the ETH is None where none is known."""

    v1_row_id: int
    status: str
    batch: UUID | None
    payment_ref: str
    request_hash: str
    user_id: int
    client_id: str
    wallet_address: str
    payout_currency: str
    payout_network: str
    subscription_id: int | None
    payment_timestamp: str
    amount_text: str
    pending_text: str
    amount: Usd
    fee_rate: Percent
    fee: Usd
    pending: Usd
    gateway_payment_id: str | None
    gateway_pay_address: str | None
    outcome_text: str | None
    outcome_currency: str | None
    gross_eth: Ether | None
    fee_eth: Ether | None
    net_eth: Ether | None


def read_row(
    row: Raw,
    batches: Mapping[str, Raw],
    fee_rate: Percent,
    outcome_currency: str,
    no_clients: Collection[str] = (),
) -> OldPayment:
    """The row as a payment. `fee_rate` is what the predecessor took; a row that it does not explain is refused.

    Raises RowRefused for the first rule that it breaks.
    """
    v1_row_id = _integer(row, "id", least=1)
    status, batch = _standing(row, batches)
    amount, pending = _usd(row, "payment_amount_usd"), _usd(row, "accumulated_amount_usdt")
    _require_fee(amount, pending, fee_rate)
    network = _word(row, "client_payout_network")
    wallet, currency = _wallet(row, network, no_clients), _word(row, "client_payout_currency")
    client = str(_integer(row, "client_id", least=-_INT64))
    user, subscription = _integer(row, "user_id", least=1), _subscription(row)
    timestamp = _timestamp(row)
    gateway_id = _gateway_id(row)
    outcome = row["nowpayments_outcome_amount"] or None
    received = None if outcome is None else _ether(outcome)
    gross_eth = received if outcome_currency == "eth" else None
    fee_eth, net_eth = (None, None) if gross_eth is None else take_fee(gross_eth, fee_rate)
    arrived = None if received is None else outcome_currency
    body = (user, client, wallet, currency, network, amount.micros, subscription, timestamp)
    return OldPayment(
        v1_row_id=v1_row_id,
        status=status,
        batch=batch,
        payment_ref=gateway_id or "body:" + _digest(*body),
        request_hash=_digest(
            amount.micros, client, wallet, None if received is None else str(received.base_units), arrived
        ),
        user_id=user,
        client_id=client,
        wallet_address=wallet,
        payout_currency=currency,
        payout_network=network,
        subscription_id=subscription,
        payment_timestamp=timestamp,
        amount_text=row["payment_amount_usd"],
        pending_text=row["accumulated_amount_usdt"],
        amount=amount,
        fee_rate=fee_rate,
        fee=amount - pending,
        pending=pending,
        gateway_payment_id=gateway_id,
        gateway_pay_address=_text(row, "nowpayments_pay_address", 255) if row["nowpayments_pay_address"] else None,
        outcome_text=outcome,
        outcome_currency=arrived,
        gross_eth=gross_eth,
        fee_eth=fee_eth,
        net_eth=net_eth,
    )


def _standing(row: Raw, batches: Mapping[str, Raw]) -> tuple[str, UUID | None]:
    """Pending, or swapping in a batch that the other file has; and nobody was paid for it."""
    status, batch = row["conversion_status"], row["batch_conversion_id"]
    if status not in OPEN:
        raise RowRefused("conversion_status", f"must be one of {', '.join(OPEN)}, completed")
    if row["is_paid_out"] not in ("f", ""):
        raise RowRefused("is_paid_out", "must be f: the client was paid before anything was swapped")
    if row["payment_currency"] != "usd":
        raise RowRefused("payment_currency", "must be usd")
    if status == "pending":
        if batch:
            raise RowRefused("batch_conversion_id", "must be empty while it is pending")
        return status, None
    if batch not in batches:
        raise RowRefused("batch_conversion_id", "must name a batch of the other file")
    try:
        return status, UUID(batch)
    except ValueError as error:
        raise RowRefused("batch_conversion_id", "must be a UUID") from error


def _require_fee(amount: Usd, pending: Usd, rate: Percent) -> None:
    if pending > amount:
        raise RowRefused("accumulated_amount_usdt", "must not be above payment_amount_usd")
    _, expected = take_fee(amount, rate)
    if abs(pending - expected) > _HALF_A_CENT:
        raise RowRefused("accumulated_amount_usdt", f"must be payment_amount_usd less {rate}, within half a cent")


def _required(row: Raw, field: str) -> str:
    if not row[field]:
        raise RowRefused(field, "is missing")
    return row[field]


def _usd(row: Raw, field: str) -> Usd:
    try:
        amount = Usd.parse_cut(_required(row, field))
    except MoneyError as error:
        raise RowRefused(field, error.rule) from error
    if amount <= Usd(0):
        raise RowRefused(field, "must be at least 0.000001")
    return amount


def _ether(text: str) -> Ether:
    field = "nowpayments_outcome_amount"
    try:
        received = Ether.parse_cut(text)
    except MoneyError as error:
        raise RowRefused(field, error.rule) from error
    if not Ether(0) < received <= _MOST_ETHER:
        raise RowRefused(field, f"must be more than 0 and at most {_MOST_ETHER}")
    return received


def _integer(row: Raw, field: str, *, least: int) -> int:
    text = _required(row, field)
    if not _INTEGER.fullmatch(text) or not least <= int(text) < _INT64:
        raise RowRefused(field, f"must be a whole number of at least {least}")
    return int(text)


def _subscription(row: Raw) -> int | None:
    return _integer(row, "subscription_id", least=0) if row["subscription_id"] else None


def _text(row: Raw, field: str, most: int) -> str:
    text = _required(row, field)
    if len(text) > most or not text.isprintable() or text != text.strip():
        raise RowRefused(field, f"must be printable text of at most {most} characters without blanks around it")
    return text


def _word(row: Raw, field: str) -> str:
    word = _text(row, field, 20).lower()
    if not _WORD.fullmatch(word):
        raise RowRefused(field, "must be a ticker of letters and digits")
    return word


def _wallet(row: Raw, network: str, no_clients: Collection[str]) -> str:
    field = "client_wallet_address"
    wallet = _text(row, field, 200)
    if any(same_address(wallet, address) for address in no_clients):
        raise RowRefused(field, "must be a client's: it is a wallet of the platform, or the USDT contract")
    if network not in _EVM_NETWORKS:
        return wallet
    if wallet == ZERO_ADDRESS:
        raise RowRefused(field, "must not be the zero address, which belongs to nobody")
    try:
        return to_checksum(wallet)
    except ValueError as error:
        raise RowRefused(field, "must be an Ethereum address with a right checksum") from error


def _timestamp(row: Raw) -> str:
    """As the webhook said it: the predecessor's column has a blank where that had a T."""
    try:
        return datetime.fromisoformat(_text(row, "payment_timestamp", 40)).isoformat()
    except ValueError as error:
        if isinstance(error, RowRefused):
            raise
        raise RowRefused("payment_timestamp", "must be a date and time") from error


def _gateway_id(row: Raw) -> str | None:
    text = row["nowpayments_payment_id"]
    if text and not _ID_TEXT.fullmatch(text):
        raise RowRefused("nowpayments_payment_id", "must be a text of at most 64 letters and digits")
    return text or None


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
