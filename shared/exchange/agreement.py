"""Does the order that the exchange opened agree with the one that was asked for? Pure, field by field.

An order that differs in any field is never paid. Fields that the exchange leaves out are tolerated where it is known to
do so; a field that is there must agree.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from shared.chain.address import ZERO_ADDRESS, is_address, same_address
from shared.exchange.port import Mismatch, OrderRequest
from shared.exchange.words import Json
from shared.money import Ether, MoneyError

_ID: Final = re.compile(r"[0-9A-Za-z]{6,64}", re.ASCII)


def is_order_id(value: object) -> bool:
    """ChangeNOW's samples are 14 hex digits; what matters is that it is safe in a URL and fits our columns."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def check_created(request: OrderRequest, answer: Json, own_addresses: Collection[str] = ()) -> list[Mismatch]:
    """Every field in which the answer contradicts the request; an empty list means: this is our order.

    `own_addresses` may never be where the exchange wants its deposit, in addition to the request's two.
    """
    mismatches = [
        *_identity(answer),
        *_deposit_address(request, answer, own_addresses),
        *_amount(request.amount, answer.get("fromAmount")),
        *_payout(request, answer),
    ]
    asked = {
        "fromCurrency": request.pair.from_currency,
        "fromNetwork": request.pair.from_network,
        "toCurrency": request.pair.to_currency,
        "toNetwork": request.pair.to_network,
        "flow": "standard",
        "type": "direct",
    }
    for name, word in asked.items():
        told = answer.get(name)
        if not _is_absent(told) and str(told).lower() != word.lower():
            mismatches.append(Mismatch(name, word, _shown(told)))
    return mismatches


def _identity(answer: Json) -> list[Mismatch]:
    told = answer.get("id")
    return [] if is_order_id(told) else [Mismatch("id", "an order id", _shown(told))]


def _deposit_address(request: OrderRequest, answer: Json, own_addresses: Collection[str]) -> list[Mismatch]:
    told = answer.get("payinAddress")
    if not isinstance(told, str) or not is_address(told) or told.lower() == ZERO_ADDRESS:
        return [Mismatch("payinAddress", "an Ethereum address", _shown(told))]
    ours = (request.payout_address, request.refund_address, *own_addresses)
    if any(same_address(told, own) for own in ours):
        return [Mismatch("payinAddress", "an address of the exchange", _shown(told))]
    memo = answer.get("payinExtraId")
    # A deposit that needs a memo cannot be made by a plain transfer.
    return [] if _is_absent(memo) else [Mismatch("payinExtraId", "none", _shown(memo))]


def _amount(asked: Ether, told: object) -> list[Mismatch]:
    if _is_absent(told):
        return []
    try:
        agrees = isinstance(told, str) and Ether.parse(str(told)) == asked
    except MoneyError:
        agrees = False
    return [] if agrees else [Mismatch("fromAmount", asked.short_text(), _shown(told))]


def _payout(request: OrderRequest, answer: Json) -> list[Mismatch]:
    mismatches = []
    told = answer.get("payoutAddress")
    if not _same_account(told, request.payout_address):
        mismatches.append(Mismatch("payoutAddress", request.payout_address, _shown(told)))
    refund = answer.get("refundAddress")
    if not _is_absent(refund) and not _same_account(refund, request.refund_address):
        mismatches.append(Mismatch("refundAddress", request.refund_address, _shown(refund)))
    return mismatches


def _same_account(told: object, asked: str) -> bool:
    # By value: the exchange may answer in lower case. Addresses of other networks are compared as they are.
    return isinstance(told, str) and (told == asked or same_address(told, asked))


def _is_absent(told: object) -> bool:
    return told is None or told == ""


def _shown(told: object) -> str:
    return "nothing" if _is_absent(told) else str(told)[:100]
