"""A webhook body, read field by field. Money is decimal text, whether JSON had a string or a number: never a float.

Both shapes of the upstream are read: with the gateway's fields and without. Everything that is wrong is refused here,
naming the field and the rule; what can be recorded but not paid (crypto other than ETH arrived) is told apart later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from shared.chain.address import ZERO_ADDRESS, same_address, to_checksum
from shared.http import JsonNumber
from shared.lifecycle import Refused
from shared.money import Ether, MoneyError, Usd

_ID_TEXT: Final = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_ID_NUMBER: Final = re.compile(r"[0-9]{1,64}")  # 4479119533.0 would be the same payment under another name
_WORD: Final = re.compile(r"[a-z0-9_-]{1,20}")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_INT64: Final = 2**63
_MOST_ETHER: Final = Ether(10_000 * 10**18)  # more than any payment can be: a slip of units, not money
_EVM_NETWORKS: Final = frozenset({"eth", "bsc", "matic", "arbitrum", "op", "base", "avaxc"})

JsonValue = object


class BadField(Refused):
    """A field of the body breaks a rule; nothing was recorded."""

    code = "bad_field"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"The field {field} {rule}", field=field, rule=rule)


@dataclass(frozen=True, slots=True)
class WebhookBody:
    """What one webhook says. `outcome_text` is None when the gateway did not say what crypto arrived."""

    user_id: int
    client_id: str
    wallet_address: str
    payout_currency: str
    payout_network: str
    amount: Usd
    amount_text: str
    subscription_id: int | None
    payment_timestamp: str
    gateway_payment_id: str | None
    gateway_pay_address: str | None
    outcome_text: str | None
    outcome_currency: str | None

    @property
    def payment_ref(self) -> str:
        """What makes two deliveries the same payment: the gateway's id as text, else a hash over the body."""
        if self.gateway_payment_id is not None:
            return self.gateway_payment_id
        return "body:" + _digest(
            self.user_id,
            self.client_id,
            self.wallet_address,
            self.payout_currency,
            self.payout_network,
            self.amount.micros,
            self.subscription_id,
            self.payment_timestamp,
        )

    @property
    def request_hash(self) -> str:
        """What must not change under one payment_ref: amount, client, wallet, and what arrived."""
        return _digest(
            self.amount.micros, self.client_id, self.wallet_address, _plain(self.outcome_text), self.outcome_currency
        )


def read_webhook_body(
    body: Mapping[str, JsonValue], *, outcome_currency: str, most: Usd, no_clients: Collection[str] = ()
) -> WebhookBody:
    """The body as typed values. `outcome_currency` is what an outcome is in when the body does not say; `no_clients`
    are addresses in EIP-55 spelling that cannot be a client's: our wallets, and the token's contract.

    Raises BadField for the first field that breaks a rule. Unknown fields are ignored: upstreams add some.
    """
    network = _word(body, "payout_network")
    amount_text = _number_text(body, "payment_amount_usd")
    outcome_text = _outcome_text(body)
    return WebhookBody(
        user_id=_integer(body, "user_id", least=1),
        client_id=str(_integer(body, "client_id", least=-_INT64)),
        wallet_address=_wallet(body, network, no_clients),
        payout_currency=_word(body, "payout_currency"),
        payout_network=network,
        amount=_usd(amount_text, most),
        amount_text=amount_text,
        subscription_id=None if body.get("subscription_id") is None else _integer(body, "subscription_id", least=0),
        payment_timestamp=_timestamp(body),
        gateway_payment_id=_gateway_id(body),
        gateway_pay_address=_optional_text(body, "nowpayments_pay_address"),
        outcome_text=outcome_text,
        outcome_currency=None if outcome_text is None else _outcome_currency(body, outcome_currency),
    )


def read_outcome(text: str) -> Ether:
    """The ETH that arrived, cut to the wei. Raises BadField when it is not an amount of ETH."""
    try:
        received = Ether.parse_cut(text)
    except MoneyError as error:
        _refuse("nowpayments_outcome_amount", error)
    if received <= Ether(0):
        raise BadField("nowpayments_outcome_amount", "must be more than 0")
    if received > _MOST_ETHER:
        raise BadField("nowpayments_outcome_amount", f"must be at most {_MOST_ETHER}")
    return received


def _usd(text: str, most: Usd) -> Usd:
    try:
        amount = Usd.parse_cut(text)
    except MoneyError as error:
        _refuse("payment_amount_usd", error)
    if amount <= Usd(0):
        raise BadField("payment_amount_usd", "must be at least 0.000001")
    if amount > most:
        raise BadField("payment_amount_usd", f"must be at most {most}")
    return amount


def _refuse(field: str, error: MoneyError) -> NoReturn:
    raise BadField(field, error.rule) from error


def _required(body: Mapping[str, JsonValue], field: str) -> JsonValue:
    value = body.get(field)
    if value is None or value == "":
        raise BadField(field, "is missing")
    return value


def _number_text(body: Mapping[str, JsonValue], field: str) -> str:
    value = _required(body, field)
    if not isinstance(value, str):
        raise BadField(field, "must be a number, or a string with a number")
    return str(value)


def _integer(body: Mapping[str, JsonValue], field: str, *, least: int) -> int:
    value = _required(body, field)
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise BadField(field, "must be a whole number")
    number = int(value)
    if not least <= number < _INT64:
        raise BadField(field, f"must be between {least} and {_INT64 - 1}")
    return number


def _plain_text(body: Mapping[str, JsonValue], field: str, most: int) -> str:
    value = _required(body, field)
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise BadField(field, "must be a string")
    if len(value) > most or not value.isprintable() or value != value.strip():
        raise BadField(field, f"must be printable text of at most {most} characters without blanks around it")
    return value


def _optional_text(body: Mapping[str, JsonValue], field: str) -> str | None:
    return None if body.get(field) in (None, "") else _plain_text(body, field, 255)


def _word(body: Mapping[str, JsonValue], field: str) -> str:
    word = _plain_text(body, field, 20).lower()
    if not _WORD.fullmatch(word):
        raise BadField(field, "must be a ticker of letters and digits")
    return word


def _outcome_text(body: Mapping[str, JsonValue]) -> str | None:
    """An amount in whatever crypto arrived. Its form is checked even where its currency parks the payment."""
    field = "nowpayments_outcome_amount"
    if body.get(field) is None:
        return None
    text = _number_text(body, field)
    try:
        Ether.parse_cut(text)
    except MoneyError as error:
        _refuse(field, error)
    return text


def _outcome_currency(body: Mapping[str, JsonValue], otherwise: str) -> str:
    field = "nowpayments_outcome_currency"
    return otherwise if body.get(field) in (None, "") else _word(body, field)


def _wallet(body: Mapping[str, JsonValue], network: str, no_clients: Collection[str]) -> str:
    wallet = _plain_text(body, "wallet_address", 200)
    if any(same_address(wallet, address) for address in no_clients):
        raise BadField("wallet_address", "must be a client's: it is a wallet of the platform, or the USDT contract")
    if network not in _EVM_NETWORKS:
        return wallet
    if wallet == ZERO_ADDRESS:
        raise BadField("wallet_address", "must not be the zero address, which belongs to nobody")
    try:
        return to_checksum(wallet)
    except ValueError as error:
        raise BadField("wallet_address", "must be an Ethereum address with a right checksum") from error


def _timestamp(body: Mapping[str, JsonValue]) -> str:
    text = _plain_text(body, "payment_timestamp", 40)
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise BadField("payment_timestamp", "must be a date and time as in ISO 8601") from error
    return text


def _gateway_id(body: Mapping[str, JsonValue]) -> str | None:
    field = "nowpayments_payment_id"
    value = body.get(field)
    if value is None or value == "":
        return None
    form = _ID_NUMBER if isinstance(value, JsonNumber) else _ID_TEXT
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadField(field, "must be a whole number or a text of at most 64 letters and digits")
    return str(value)


def _plain(outcome_text: str | None) -> str | None:
    """0.02, "0.020" and 2e-2 are one amount: what is hashed is the amount, not its spelling."""
    return None if outcome_text is None else str(Ether.parse_cut(outcome_text).base_units)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
