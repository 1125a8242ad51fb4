"""ChangeNOW v2, standard flow: the real `Exchange`.

Reads repeat themselves within a few seconds. A creation is asked exactly once: the API has no idempotency key, so a
repeat could open a second order, and what was lost is cheaper to forget than to look for.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from shared.exchange.agreement import check_created, is_order_id
from shared.exchange.budget import CallBudget
from shared.exchange.port import (
    Created,
    Creation,
    ExchangeStatus,
    Limits,
    NotFound,
    Order,
    OrderMismatch,
    OrderRequest,
    OrderSeen,
    Pair,
    Quote,
    Reading,
    RefusalKind,
    Unclear,
    Unreadable,
)
from shared.exchange.settings import ExchangeSettings
from shared.exchange.trouble import ExchangeUnreadable, QuoteRefused
from shared.exchange.wire import Answered, NotAnswered, Wire
from shared.exchange.words import (
    Json,
    amount_text_in,
    is_refusal,
    object_in,
    plain_in,
    refusal_in,
    text_in,
)
from shared.exchange.words import Unreadable as UnreadableAnswer
from shared.money import Ether, MoneyError, Price, Tether

READ_BUDGET_S: Final = 8.0  # all tries of one read together; a task has other things to do
_TRIES: Final = 4
_LEAST_TRY_S: Final = 0.5
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 2.0
_JITTER_S: Final = 0.3
_OK: Final = 200
_PRICE_DECIMALS: Final = 8


class ChangeNow:
    """`Exchange` over HTTP. `own_addresses` can never be deposit addresses of an order."""

    def __init__(self, settings: ExchangeSettings, own_addresses: Collection[str] = ()) -> None:
        budget = CallBudget(settings.changenow_calls_per_minute)
        self._wire = Wire(settings.changenow_api_url, settings.changenow_api_key, budget)
        previous = settings.changenow_api_key_previous
        self._previous = None if previous is None else Wire(settings.changenow_api_url, previous, budget)
        self._timeout_s = settings.changenow_timeout_s
        self._own_addresses = tuple(own_addresses)

    def __repr__(self) -> str:
        return f"ChangeNow({self._wire!r})"

    def range(self, pair: Pair) -> Limits:
        question = "range"
        told = self._read_object(question, "/exchange/range", _pair_fields(pair) | {"flow": "standard"})
        try:
            minimum = _ether(told, "minAmount")
            maximum = _ether(told, "maxAmount")
        except UnreadableAnswer as error:
            raise ExchangeUnreadable(question, str(error)) from None
        if minimum is None:
            raise ExchangeUnreadable(question, "minAmount is missing")
        # Some pairs answer 0 for "no ceiling".
        return Limits(minimum, maximum if maximum is not None and maximum.is_positive() else None)

    def estimate(self, pair: Pair, amount: Ether) -> Quote:
        question = "estimate"
        query = _pair_fields(pair) | {
            "fromAmount": amount.short_text(),
            "toAmount": "",
            "flow": "standard",
            "type": "direct",
        }
        told = self._read_object(question, "/exchange/estimated-amount", query)
        try:
            expected_text = amount_text_in(told, "toAmount")
            expected = _tether(told, "toAmount")
            echoed = _ether(told, "fromAmount")
            warning = text_in(told, "warningMessage")
        except UnreadableAnswer as error:
            raise ExchangeUnreadable(question, str(error)) from None
        if expected is None or expected_text is None or not expected.is_positive():
            raise ExchangeUnreadable(question, "toAmount is missing or not positive")
        if echoed is not None and echoed != amount:
            raise ExchangeUnreadable(question, "the answer is about another amount")
        return Quote(pair, amount, expected, expected_text, warning)

    def quote_price(self, pair: Pair, probe: Ether) -> Price:
        quote = self.estimate(pair, probe)
        scale = 10 ** (Ether.DECIMALS - Tether.DECIMALS + _PRICE_DECIMALS)
        return Price(quote.expected.units * scale // probe.wei, _PRICE_DECIMALS)

    def create(self, request: OrderRequest) -> Creation:
        body = _pair_fields(request.pair) | {
            "fromAmount": request.amount.short_text(),
            "toAmount": "",
            "address": request.payout_address,
            "extraId": "",
            "refundAddress": request.refund_address,
            "refundExtraId": "",
            "userId": "",
            "contactEmail": "",
            "flow": "standard",
            "type": "direct",
            "rateId": "",
        }
        answer = self._wire.post("/exchange", body, self._timeout_s)
        if isinstance(answer, NotAnswered):
            return Unclear(answer.reason, answer.maybe_sent)
        if is_refusal(answer.status):
            return refusal_in(answer)
        if answer.status != _OK:
            return Unclear(f"HTTP {answer.status}", maybe_created=True)
        try:
            told = object_in(answer.body)
        except UnreadableAnswer as error:
            return Unclear(str(error), maybe_created=True)
        return self._checked(request, told)

    def read(self, cn_api_id: str) -> Reading:
        if not is_order_id(cn_api_id):
            return Unreadable("this cannot be an order id", retry=False)
        answer = self._read(self._wire, "/exchange/by-id", {"id": cn_api_id})
        if self._previous is not None and isinstance(answer, Answered) and _is_about_the_key(answer):
            # An order is shown to the key that made it only.
            answer = self._read(self._previous, "/exchange/by-id", {"id": cn_api_id})
        if isinstance(answer, NotAnswered):
            return Unreadable(answer.reason, retry=True)
        if answer.status == 404:
            return NotFound()
        if is_refusal(answer.status):
            refusal = refusal_in(answer)
            return Unreadable(f"{refusal.kind}: {refusal.message}", retry=refusal.kind.may_pass)
        if answer.status != _OK:
            return Unreadable(f"HTTP {answer.status}", retry=True)
        try:
            return _order_seen(cn_api_id, object_in(answer.body))
        except UnreadableAnswer as error:
            return Unreadable(str(error), retry=True)

    def _checked(self, request: OrderRequest, told: Json) -> Creation:
        if "error" in told and "id" not in told:
            return Unclear("HTTP 200 with an error", maybe_created=True)
        mismatches = check_created(request, told, self._own_addresses)
        cn_api_id = told.get("id")
        if mismatches:
            return OrderMismatch(str(cn_api_id) if is_order_id(cn_api_id) else None, tuple(mismatches))
        try:
            expected = amount_text_in(told, "toAmount")
        except UnreadableAnswer:
            expected = None  # a forecast; the order is complete without it
        return Created(Order(str(cn_api_id), str(told["payinAddress"]), request.amount, expected))

    def _read_object(self, question: str, path: str, query: Mapping[str, str]) -> Json:
        answer = self._read(self._wire, path, query)
        if isinstance(answer, NotAnswered):
            raise ExchangeUnreadable(question, answer.reason)
        if is_refusal(answer.status):
            refusal = refusal_in(answer)
            raise QuoteRefused(question, refusal.kind, refusal.message)
        if answer.status != _OK:
            raise ExchangeUnreadable(question, f"HTTP {answer.status}")
        try:
            told = object_in(answer.body)
        except UnreadableAnswer as error:
            raise ExchangeUnreadable(question, str(error)) from None
        if "error" in told:
            refusal = refusal_in(answer)
            raise QuoteRefused(question, refusal.kind, refusal.message)
        return told

    def _read(self, wire: Wire, path: str, query: Mapping[str, str]) -> Answered | NotAnswered:
        """The last answer of up to four tries within the budget."""
        import stamina

        deadline_s = time.monotonic() + READ_BUDGET_S
        try:
            for attempt in stamina.retry_context(
                on=_AskAgain,
                attempts=_TRIES,
                timeout=READ_BUDGET_S,
                wait_initial=_FIRST_WAIT_S,
                wait_max=_LONGEST_WAIT_S,
                wait_jitter=_JITTER_S,
            ):
                with attempt:
                    return self._usable(wire, path, query, deadline_s)
        except _AskAgain as last:
            return last.answer
        raise AssertionError("stamina ended without an attempt")

    def _usable(self, wire: Wire, path: str, query: Mapping[str, str], deadline_s: float) -> Answered | NotAnswered:
        # The waits between tries are bounded apart; this bounds what each try may take of the rest.
        left_s = max(deadline_s - time.monotonic(), _LEAST_TRY_S)
        answer = wire.get(path, query, min(self._timeout_s, left_s))
        if _is_worth_another_try(answer):
            raise _AskAgain(answer)
        return answer


def _is_about_the_key(answer: Answered) -> bool:
    # Which HTTP status "made from another api key" comes with is not documented; its error code is.
    return is_refusal(answer.status) and refusal_in(answer).kind is RefusalKind.KEY_REFUSED


class _AskAgain(Exception):
    """This try had no usable answer; another one may have."""

    def __init__(self, answer: Answered | NotAnswered) -> None:
        super().__init__("no usable answer")
        self.answer = answer


def _is_worth_another_try(answer: Answered | NotAnswered) -> bool:
    if isinstance(answer, NotAnswered):
        return True
    if answer.status == _OK:
        try:
            object_in(answer.body)
        except UnreadableAnswer:
            return True
        return False
    return not is_refusal(answer.status) or answer.status == 429


def _order_seen(asked_id: str, told: Json) -> Reading:
    if told.get("id") != asked_id:
        return Unreadable("the answer is about another order", retry=True)
    status = text_in(told, "status")
    if status is None:
        return Unreadable("the answer has no status", retry=True)
    from_currency, to_currency = text_in(told, "fromCurrency"), text_in(told, "toCurrency")
    is_ether = (from_currency or "").lower() == "eth"
    is_tether = (to_currency or "").lower() == "usdt"
    return OrderSeen(
        cn_api_id=asked_id,
        status=status,
        known=_STATUSES.get(status.lower()),
        from_currency=from_currency,
        from_network=text_in(told, "fromNetwork"),
        to_currency=to_currency,
        to_network=text_in(told, "toNetwork"),
        payin_address=text_in(told, "payinAddress"),
        payin_extra_id=text_in(told, "payinExtraId"),
        payout_address=text_in(told, "payoutAddress"),
        refund_address=text_in(told, "refundAddress"),
        expected_from=_ether(told, "expectedAmountFrom") if is_ether else None,
        expected_to_text=amount_text_in(told, "expectedAmountTo"),
        amount_from=_ether(told, "amountFrom") if is_ether else None,
        amount_to_text=amount_text_in(told, "amountTo"),
        amount_to=_tether(told, "amountTo") if is_tether else None,
        payin_hash=text_in(told, "payinHash"),
        payout_hash=text_in(told, "payoutHash"),
        refund_hash=text_in(told, "refundHash"),
        refund_amount_text=amount_text_in(told, "refundAmount"),
        updated_at_text=text_in(told, "updatedAt"),
        children=tuple(_children_in(told)),
        raw=plain_in(told),
    )


def _children_in(told: Json) -> Iterator[str]:
    """The ids of the orders that further deposits made. A list of another form tells nothing, and harms nothing."""
    for name in ("relatedExchangesInfo", "repeatedExchangesInfo"):
        listed = told.get(name)
        for child in listed[:_MOST_CHILDREN] if isinstance(listed, list) else ():
            child_id = child.get("id") if isinstance(child, dict) else None
            if is_order_id(child_id):
                yield str(child_id)


_MOST_CHILDREN: Final = 20
_STATUSES: Final = {status.value: status for status in ExchangeStatus}


def _pair_fields(pair: Pair) -> dict[str, str]:
    if (pair.from_currency, pair.from_network) != ("eth", "eth"):
        raise ValueError("only ETH on Ethereum is swapped")
    return {
        "fromCurrency": pair.from_currency,
        "fromNetwork": pair.from_network,
        "toCurrency": pair.to_currency,
        "toNetwork": pair.to_network,
    }


def _ether(told: Json, name: str) -> Ether | None:
    text = amount_text_in(told, name)
    try:
        return None if text is None else Ether.parse_cut(text)
    except MoneyError as error:
        raise UnreadableAnswer(f"{name}: {error}") from None


def _tether(told: Json, name: str) -> Tether | None:
    text = amount_text_in(told, name)
    try:
        return None if text is None else Tether.parse_cut(text)
    except MoneyError as error:
        raise UnreadableAnswer(f"{name}: {error}") from None
