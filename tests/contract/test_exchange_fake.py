"""The fake exchange keeps the promises of the port, as the real client does against the sandbox's exchange.

The same questions as in test_exchange_changenow.py, where they make sense without a wire: what is quoted, opened,
refused, lost and read.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.chain import is_address, same_address
from shared.exchange import (
    ETH_TO_USDT,
    Created,
    Exchange,
    ExchangeStatus,
    Limits,
    NotFound,
    Order,
    OrderRequest,
    OrderSeen,
    QuoteRefused,
    RefusalKind,
    RefusedByExchange,
    Unclear,
    check_created,
    is_order_id,
)
from shared.money import Ether, Price, Tether
from shared.sandbox.fake_exchange import FakeExchange

WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
AMOUNT = Ether.parse("0.04")
REQUEST = OrderRequest(ETH_TO_USDT, AMOUNT, WALLET, WALLET)


@pytest.fixture
def fake() -> FakeExchange:
    return FakeExchange()


def opened(exchange: Exchange, request: OrderRequest = REQUEST) -> Order:
    created = exchange.create(request)
    assert isinstance(created, Created), created
    return created.order


def seen(exchange: Exchange, order: Order) -> OrderSeen:
    reading = exchange.read(order.cn_api_id)
    assert isinstance(reading, OrderSeen), reading
    return reading


def test_limits_quote_and_price_are_those_of_the_market(fake: FakeExchange) -> None:
    exchange: Exchange = fake
    limits = exchange.range(ETH_TO_USDT)
    assert (limits.minimum, limits.maximum) == (Ether.parse("0.0006"), None)
    quote = exchange.estimate(ETH_TO_USDT, AMOUNT)
    assert (quote.pair, quote.amount, quote.expected) == (ETH_TO_USDT, AMOUNT, Tether.parse("97"))
    assert Tether.parse(quote.expected_text) == quote.expected
    one_usd = Price(2_425, 0)
    assert exchange.quote_price(ETH_TO_USDT, AMOUNT).value(AMOUNT) == one_usd.value(AMOUNT)


def test_a_quote_is_about_its_amount(fake: FakeExchange) -> None:
    half = fake.estimate(ETH_TO_USDT, Ether.parse("0.02"))
    assert half.expected == Tether.parse("48.5")
    fake.pays = Tether.parse("8.5")
    assert fake.estimate(ETH_TO_USDT, AMOUNT).expected == Tether.parse("8.5")


def test_a_quote_outside_the_range_is_refused_with_its_kind(fake: FakeExchange) -> None:
    fake.limits = Limits(Ether.parse("0.0006"), AMOUNT)
    for amount, kind in {
        Ether.parse("0.0006") - Ether(1): RefusalKind.TOO_SMALL,
        AMOUNT + Ether(1): RefusalKind.TOO_LARGE,
    }.items():
        for ask in (fake.estimate, fake.quote_price):
            with pytest.raises(QuoteRefused) as refused:
                ask(ETH_TO_USDT, amount)
            assert refused.value.kind is kind
    assert fake.estimate(ETH_TO_USDT, AMOUNT).amount == AMOUNT
    assert fake.estimate(ETH_TO_USDT, Ether.parse("0.0006")).expected.is_positive()


def test_an_order_is_what_was_asked_for_and_waits_for_its_deposit(fake: FakeExchange) -> None:
    order = opened(fake)
    assert is_order_id(order.cn_api_id)
    assert is_address(order.payin_address)
    assert not same_address(order.payin_address, WALLET)
    assert order.amount == AMOUNT
    shown = seen(fake, order)
    assert shown.is_payable
    assert shown.known is ExchangeStatus.WAITING
    assert (shown.payin_address, shown.expected_from) == (order.payin_address, AMOUNT)
    assert (shown.amount_from, shown.amount_to, shown.payin_hash, shown.payout_hash) == (None, None, None, None)
    assert (shown.from_currency, shown.from_network) == (ETH_TO_USDT.from_currency, ETH_TO_USDT.from_network)
    assert (shown.to_currency, shown.to_network) == (ETH_TO_USDT.to_currency, ETH_TO_USDT.to_network)
    assert shown.payout_address == WALLET.lower(), "as the real one: by value, not by spelling"
    assert same_address(shown.payout_address, WALLET)


def test_the_answer_would_pass_the_field_by_field_check(fake: FakeExchange) -> None:
    order = opened(fake)
    shown = seen(fake, order)
    answer: dict[str, object] = {
        "id": shown.cn_api_id,
        "payinAddress": shown.payin_address,
        "fromAmount": order.amount.short_text(),
        "payoutAddress": shown.payout_address,
        "refundAddress": shown.refund_address,
        "fromCurrency": shown.from_currency,
        "toCurrency": shown.to_currency,
    }
    assert check_created(REQUEST, answer, [WALLET]) == []


def test_every_creation_opens_another_order_even_for_the_same_request(fake: FakeExchange) -> None:
    assert len({opened(fake).cn_api_id for _ in range(3)}) == 3
    assert len(fake.orders) == 3


def test_creations_by_many_threads_have_ids_of_their_own(fake: FakeExchange) -> None:
    started = threading.Barrier(8)

    def open_one(_: int) -> str:
        started.wait(timeout=10)
        return opened(fake).cn_api_id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(open_one, range(8)))) == 8


def test_an_order_outside_the_range_is_refused_and_nothing_is_opened(fake: FakeExchange) -> None:
    refused = fake.create(replace(REQUEST, amount=Ether.parse("0.0001")))
    assert isinstance(refused, RefusedByExchange)
    assert (refused.kind, refused.kind.may_pass) == (RefusalKind.OUT_OF_RANGE, True)
    assert fake.orders == []


def test_an_answer_lost_after_the_order_was_made_is_unclear_and_the_order_is_there(fake: FakeExchange) -> None:
    fake.answer_next(Unclear("time-out", maybe_created=True))
    answer = fake.create(REQUEST)
    assert isinstance(answer, Unclear)
    assert answer.maybe_created
    (orphan,) = fake.orders
    assert isinstance(fake.read(orphan.seen.cn_api_id), OrderSeen)
    assert opened(fake).cn_api_id != orphan.seen.cn_api_id, "the next call is not disturbed"


def test_what_happens_before_an_answer_happens_after_the_order_is_there(fake: FakeExchange) -> None:
    counted: list[int] = []
    fake.before_next_answer(lambda: counted.append(len(fake.orders)))
    opened(fake)
    assert counted == [1]


def test_an_unknown_order_is_not_found(fake: FakeExchange) -> None:
    assert fake.read("ffffffffffffff") == NotFound()


def test_an_order_can_be_made_to_say_anything_of_itself(fake: FakeExchange) -> None:
    order, other = opened(fake), opened(fake)
    fake.show(order.cn_api_id, lambda now: replace(now, status="pondering", known=None))
    assert (seen(fake, order).status, seen(fake, order).is_payable) == ("pondering", False)
    assert seen(fake, other).is_payable
