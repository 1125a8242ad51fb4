"""The exchange client against the sandbox's exchange: a process of its own that really pays on a real chain."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.exchange import (
    ETH_TO_USDT,
    ChangeNow,
    Created,
    Exchange,
    ExchangeSettings,
    ExchangeStatus,
    ExchangeUnreadable,
    NotFound,
    Order,
    OrderMismatch,
    OrderRequest,
    OrderSeen,
    QuoteRefused,
    RefusalKind,
    RefusedByExchange,
    Unclear,
    Unreadable,
)
from shared.money import Ether, Price, Tether
from shared.sandbox.chain import FAUCET, HOST_WALLET, Chain
from shared.sandbox.chain.deploy import Deployment, deploy
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet, token_balance
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process

REPOSITORY = Path(__file__).resolve().parents[2]
KEY, OTHER_KEY = "contract-test-key", "contract-test-other-key"
AMOUNT = Ether.parse("0.04")
REQUEST = OrderRequest(ETH_TO_USDT, AMOUNT, HOST_WALLET.address, HOST_WALLET.address)


@dataclass
class Simulator:
    """The running exchange and what it needs."""

    url: str
    control: str
    rpc: Rpc
    contracts: Deployment

    def account(self, key: str = KEY, timeout_s: int = 5, previous: str | None = None, calls: int = 1800) -> Exchange:
        settings = ExchangeSettings(
            changenow_api_key=SecretStr(key),
            changenow_api_key_previous=None if previous is None else SecretStr(previous),
            changenow_calls_per_minute=calls,
            changenow_api_url=self.url,
            changenow_timeout_s=timeout_s,
        )
        return ChangeNow(settings, own_addresses=[HOST_WALLET.address])

    def misbehave(self, name: str, **fields: object) -> None:
        reply = call_json("POST", f"{self.control}/faults", {"name": name, **fields})
        assert reply.status == 200, reply.body

    def orders(self) -> int:
        shown = call_json("GET", f"{self.control}/orders").body["orders"]
        assert isinstance(shown, list)
        return len(shown)


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[Chain, Deployment]]:
    with Chain.start(block_time_s=None) as running:
        yield running, deploy(running.url)


@pytest.fixture(scope="module")
def process(chain: tuple[Chain, Deployment]) -> Iterator[Process]:
    running, contracts = chain
    command = [sys.executable, "-m", "shared.sandbox.exchange", "--rpc", running.url, "--usdt", contracts.usdt_address]
    command += ["--api-key", KEY, "--api-key", OTHER_KEY, "--time-scale", "600", "--confirmations", "1", "--seed", "7"]
    started = Process.start("exchange", command, cwd=REPOSITORY)
    yield started
    started.stop()


@pytest.fixture
def simulator(process: Process, chain: tuple[Chain, Deployment]) -> Iterator[Simulator]:
    control = str(process.ready["control"])
    yield Simulator(str(process.ready["url"]), control, Rpc(chain[0].url), chain[1])
    call_json("DELETE", f"{control}/faults")


@pytest.fixture
def exchange(simulator: Simulator) -> Exchange:
    return simulator.account()


def opened(exchange: Exchange) -> Order:
    created = exchange.create(REQUEST)
    assert isinstance(created, Created), created
    return created.order


# --- the good way ---------------------------------------------------------------------------------------------------


def test_limits_quote_and_price_are_those_of_the_market(exchange: Exchange) -> None:
    limits = exchange.range(ETH_TO_USDT)
    assert (limits.minimum, limits.maximum) == (Ether.parse("0.0006"), None)
    assert exchange.estimate(ETH_TO_USDT, AMOUNT).expected == Tether.parse("97")
    assert exchange.quote_price(ETH_TO_USDT, AMOUNT) == Price(2425 * 10**8, 8)


def test_an_order_is_opened_read_paid_and_finished_with_usdt_on_chain(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    waiting = exchange.read(order.cn_api_id)
    assert isinstance(waiting, OrderSeen)
    assert waiting.is_payable
    assert waiting.payin_address == order.payin_address
    assert waiting.expected_from == AMOUNT
    assert (waiting.amount_from, waiting.amount_to, waiting.payout_hash) == (None, None, None)
    before = token_balance(simulator.rpc, simulator.contracts.usdt_address, HOST_WALLET.address)
    deposit = Wallet(simulator.rpc, FAUCET.private_key).send(order.payin_address, value_wei=AMOUNT.wei)
    seen = _finished(simulator, exchange, order.cn_api_id)
    assert (seen.amount_from, seen.amount_to, seen.payin_hash) == (AMOUNT, Tether.parse("97"), deposit)
    after = token_balance(simulator.rpc, simulator.contracts.usdt_address, HOST_WALLET.address)
    assert after - before == 97_000_000


def _finished(simulator: Simulator, exchange: Exchange, cn_api_id: str) -> OrderSeen:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        simulator.rpc.call("evm_mine")
        seen = exchange.read(cn_api_id)
        if isinstance(seen, OrderSeen) and seen.known is ExchangeStatus.FINISHED:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"not finished: {exchange.read(cn_api_id)}")


# --- creation that goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop_after_commit", "error_after_commit", "truncated_json", "cut_short"])
def test_an_answer_lost_after_the_order_was_made_is_unclear_and_not_repeated(
    simulator: Simulator, exchange: Exchange, fault: str
) -> None:
    before = simulator.orders()
    simulator.misbehave(fault, route="create")
    unclear = exchange.create(REQUEST)
    assert isinstance(unclear, Unclear)
    assert unclear.maybe_created
    assert simulator.orders() == before + 1


@pytest.mark.parametrize("fault", ["drop_before_commit", "html_502"])
def test_an_answer_lost_before_anything_happened_looks_just_as_unclear(
    simulator: Simulator, exchange: Exchange, fault: str
) -> None:
    before = simulator.orders()
    simulator.misbehave(fault, route="create")
    assert isinstance(exchange.create(REQUEST), Unclear)
    assert simulator.orders() == before


def test_an_answer_later_than_the_time_out_is_unclear(simulator: Simulator) -> None:
    before = simulator.orders()
    simulator.misbehave("delay", route="create", seconds=2)
    assert isinstance(simulator.account(timeout_s=1).create(REQUEST), Unclear)
    assert simulator.orders() == before + 1


def test_a_field_named_twice_is_unclear(simulator: Simulator, exchange: Exchange) -> None:
    simulator.misbehave("duplicate_keys", route="create", field="payinAddress", value=HOST_WALLET.address)
    assert isinstance(exchange.create(REQUEST), Unclear)


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ("changed_payout_address", "payoutAddress"),
        ("malformed_payin_address", "payinAddress"),
        ("wrong_amount", "fromAmount"),
    ],
)
def test_an_order_that_differs_is_found_out(simulator: Simulator, exchange: Exchange, fault: str, field: str) -> None:
    simulator.misbehave(fault)
    created = exchange.create(REQUEST)
    assert isinstance(created, OrderMismatch)
    assert [one.field for one in created.mismatches] == [field]
    assert created.cn_api_id is not None


def test_optional_fields_may_be_missing_from_the_answer(simulator: Simulator, exchange: Exchange) -> None:
    optional = ["fromAmount", "toAmount", "flow", "type", "fromCurrency", "toCurrency", "refundAddress", "validUntil"]
    simulator.misbehave("missing_fields", route="create", fields=optional)
    assert opened(exchange).amount == AMOUNT


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (OrderRequest(ETH_TO_USDT, Ether.parse("0.0001"), HOST_WALLET.address, HOST_WALLET.address), "out_of_range"),
        (OrderRequest(ETH_TO_USDT, AMOUNT, "0x1234", HOST_WALLET.address), "bad_payout_address"),
        (OrderRequest(ETH_TO_USDT, AMOUNT, HOST_WALLET.address, "0x1234"), "bad_refund_address"),
    ],
)
def test_a_refused_order_says_what_kind_of_refusal_it_is(exchange: Exchange, request_: OrderRequest, kind: str) -> None:
    refused = exchange.create(request_)
    assert isinstance(refused, RefusedByExchange)
    assert refused.kind == kind


def test_a_rate_limit_and_an_inactive_pair_may_pass(simulator: Simulator, exchange: Exchange) -> None:
    for fault, kind in {"rate_limited": RefusalKind.RATE_LIMITED, "pair_inactive": RefusalKind.PAIR_INACTIVE}.items():
        simulator.misbehave(fault, route="create")
        refused = exchange.create(REQUEST)
        assert isinstance(refused, RefusedByExchange)
        assert (refused.kind, refused.kind.may_pass) == (kind, True)


# --- reading that goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["drop_after_commit", "error_after_commit", "truncated_json", "cut_short", "html_502", "rate_limited"]
)
def test_a_read_survives_two_bad_answers(simulator: Simulator, exchange: Exchange, fault: str) -> None:
    order = opened(exchange)
    simulator.misbehave(fault, route="by-id", times=2)
    assert isinstance(exchange.read(order.cn_api_id), OrderSeen)


def test_a_read_that_never_succeeds_ends_within_its_budget(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    simulator.misbehave("html_502", route="by-id", times=100)
    started_s = time.monotonic()
    assert exchange.read(order.cn_api_id) == Unreadable("HTTP 502", retry=True)
    assert time.monotonic() - started_s < 9


def test_a_status_named_twice_is_not_believed(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    simulator.misbehave("duplicate_keys", route="by-id", times=100)
    assert isinstance(exchange.read(order.cn_api_id), Unreadable)


def test_an_unknown_status_is_kept_as_a_word(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    simulator.misbehave("unknown_status", status="pondering")
    seen = exchange.read(order.cn_api_id)
    assert isinstance(seen, OrderSeen)
    assert (seen.status, seen.known) == ("pondering", None)


def test_an_order_not_found_right_after_creation_is_there_later(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    simulator.misbehave("forgotten_order")
    assert exchange.read(order.cn_api_id) == NotFound()
    assert isinstance(exchange.read(order.cn_api_id), OrderSeen)
    assert exchange.read("ffffffffffffff") == NotFound()


def test_an_order_of_another_key_needs_a_person(simulator: Simulator, exchange: Exchange) -> None:
    order = opened(exchange)
    refused = simulator.account(OTHER_KEY).read(order.cn_api_id)
    assert isinstance(refused, Unreadable)
    assert not refused.retry


def test_after_a_rotation_the_orders_of_the_key_before_are_read_with_it(
    simulator: Simulator, exchange: Exchange
) -> None:
    created = exchange.create(REQUEST)
    assert isinstance(created, Created)
    rotated = simulator.account(OTHER_KEY, previous=KEY)
    assert isinstance(rotated.read(created.order.cn_api_id), OrderSeen)
    newer = rotated.create(REQUEST)
    assert isinstance(newer, Created)
    assert isinstance(rotated.read(newer.order.cn_api_id), OrderSeen)
    assert isinstance(exchange.read(newer.order.cn_api_id), Unreadable), "it was made with the new key"


def test_more_calls_than_the_share_of_this_process_are_not_made(simulator: Simulator) -> None:
    thrifty = simulator.account(calls=6, timeout_s=1)
    assert isinstance(thrifty.create(REQUEST), Created)
    before = simulator.orders()
    assert thrifty.create(REQUEST) == Unclear("this process has used up its share of calls", maybe_created=False)
    assert simulator.orders() == before


def test_a_key_the_exchange_does_not_know_is_refused_everywhere(simulator: Simulator) -> None:
    stranger = simulator.account("nobody-knows-this-key")
    refused = stranger.create(REQUEST)
    assert isinstance(refused, RefusedByExchange)
    assert refused.kind is RefusalKind.KEY_REFUSED
    with pytest.raises(QuoteRefused):
        stranger.estimate(ETH_TO_USDT, AMOUNT)


# --- limits and quotes that go wrong --------------------------------------------------------------------------------


def test_a_quote_below_the_minimum_is_too_small(exchange: Exchange) -> None:
    with pytest.raises(QuoteRefused) as caught:
        exchange.estimate(ETH_TO_USDT, Ether.parse("0.0001"))
    assert caught.value.kind is RefusalKind.TOO_SMALL


def test_an_exchange_that_does_not_answer_has_no_limits(simulator: Simulator, exchange: Exchange) -> None:
    simulator.misbehave("truncated_json", route="range", times=100)
    with pytest.raises(ExchangeUnreadable):
        exchange.range(ETH_TO_USDT)
