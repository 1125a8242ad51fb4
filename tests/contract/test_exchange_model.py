"""What the fleet relies on of an exchange: one suite on the sandbox's, through the real client, and on the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.chain import EtherReceived
from shared.exchange import (
    ETH_TO_USDT,
    Created,
    ExchangeStatus,
    NotFound,
    Order,
    OrderRequest,
    OrderSeen,
    QuoteRefused,
    RefusalKind,
    RefusedByExchange,
    Unclear,
)
from shared.money import Ether, Tether
from shared.sandbox.chain import HOST_WALLET, Chain
from shared.sandbox.chain.deploy import Deployment, deploy
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process
from tests.contract.exchange_worlds import ExchangeWorld, ModelMarket, RealExchange, until

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "contract-model-key"
AMOUNT = Ether.parse("0.04")
REQUEST = OrderRequest(ETH_TO_USDT, AMOUNT, HOST_WALLET.address, HOST_WALLET.address)


@dataclass
class Running:
    """The sandbox's chain and exchange."""

    rpc_url: str
    contracts: Deployment
    url: str
    control: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Chain.start(block_time_s=None) as chain:
        contracts = deploy(chain.url)
        command = [
            sys.executable,
            "-m",
            "shared.sandbox.exchange",
            "--rpc",
            chain.url,
            "--usdt",
            contracts.usdt_address,
        ]
        command += ["--api-key", KEY, "--time-scale", "600", "--confirmations", "1", "--seed", "7"]
        process = Process.start("exchange", command, cwd=REPOSITORY)
        yield Running(chain.url, contracts, str(process.ready["url"]), str(process.ready["control"]))
        process.stop()


@pytest.fixture(params=["real", "model"])
def world(request: pytest.FixtureRequest) -> Iterator[ExchangeWorld]:
    if request.param == "model":
        yield ModelMarket()
        return
    running: Running = request.getfixturevalue("running")
    yield RealExchange(running.url, running.control, running.rpc_url, running.contracts, KEY)
    call_json("DELETE", f"{running.control}/faults")


def opened(world: ExchangeWorld) -> Order:
    created = world.exchange.create(REQUEST)
    assert isinstance(created, Created), created
    return created.order


def test_limits_and_a_quote_fit_each_other(world: ExchangeWorld) -> None:
    limits = world.exchange.range(ETH_TO_USDT)
    assert limits.allow(AMOUNT)
    quote = world.exchange.estimate(ETH_TO_USDT, AMOUNT)
    assert quote.amount == AMOUNT
    assert Tether.parse("90") < quote.expected < Tether.parse("100")
    assert world.exchange.quote_price(ETH_TO_USDT, AMOUNT).value(AMOUNT).micros <= quote.expected.units


def test_below_the_minimum_there_is_neither_a_quote_nor_an_order(world: ExchangeWorld) -> None:
    little = Ether.parse("0.0001")
    with pytest.raises(QuoteRefused) as caught:
        world.exchange.estimate(ETH_TO_USDT, little)
    assert caught.value.kind is RefusalKind.TOO_SMALL
    refused = world.exchange.create(OrderRequest(ETH_TO_USDT, little, HOST_WALLET.address, HOST_WALLET.address))
    assert isinstance(refused, RefusedByExchange)
    assert refused.kind is RefusalKind.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("payout", "refund", "kind"),
    [
        ("0x1234", HOST_WALLET.address, RefusalKind.BAD_PAYOUT_ADDRESS),
        (HOST_WALLET.address, "0x1234", RefusalKind.BAD_REFUND_ADDRESS),
    ],
)
def test_an_address_that_is_none_is_refused(world: ExchangeWorld, payout: str, refund: str, kind: RefusalKind) -> None:
    refused = world.exchange.create(OrderRequest(ETH_TO_USDT, AMOUNT, payout, refund))
    assert isinstance(refused, RefusedByExchange)
    assert refused.kind is kind


def test_a_new_order_waits_for_exactly_what_was_asked(world: ExchangeWorld) -> None:
    order = opened(world)
    seen = world.exchange.read(order.cn_api_id)
    assert isinstance(seen, OrderSeen)
    assert seen.is_payable
    assert (seen.payin_address, seen.expected_from) == (order.payin_address, AMOUNT)
    assert (seen.from_currency, seen.to_currency) == ("eth", "usdt")
    assert (seen.amount_from, seen.amount_to, seen.payin_hash, seen.payout_hash) == (None, None, None, None)


def test_the_same_request_again_opens_another_order(world: ExchangeWorld) -> None:
    one, other = opened(world), opened(world)
    assert one.cn_api_id != other.cn_api_id
    assert one.payin_address != other.payin_address


def test_an_order_that_nobody_opened_is_not_found(world: ExchangeWorld) -> None:
    assert world.exchange.read("ffffffffffffff") == NotFound()


def test_an_answer_that_is_lost_leaves_an_order_that_nobody_knows(world: ExchangeWorld) -> None:
    before = world.orders()
    world.loses_the_next_answer()
    unclear = world.exchange.create(REQUEST)
    assert isinstance(unclear, Unclear)
    assert unclear.maybe_created
    assert world.orders() == before + 1


def test_not_found_is_no_proof_that_there_is_no_order(world: ExchangeWorld) -> None:
    order = opened(world)
    world.forgets_orders()
    assert world.exchange.read(order.cn_api_id) == NotFound()
    world.wait()
    assert isinstance(world.exchange.read(order.cn_api_id), OrderSeen)


def test_a_paid_order_ends_with_its_usdt_on_chain(world: ExchangeWorld) -> None:
    order = opened(world)
    deposit = world.pays(order.payin_address, AMOUNT.wei)
    seen = until(world, order.cn_api_id, lambda seen: seen.known is ExchangeStatus.FINISHED)
    assert (seen.amount_from, seen.payin_hash) == (AMOUNT, deposit)
    seen = until(world, order.cn_api_id, lambda seen: seen.payout_hash is not None)  # it may come later
    assert seen.payout_hash is not None
    for _ in range(4):
        world.wait()
    arrived = world.chain.usdt_arrivals(seen.payout_hash, world.token, HOST_WALLET.address)
    assert isinstance(arrived, list)
    assert [Tether(one.units) for one in arrived] == [seen.amount_to]


def test_a_refunded_order_ends_with_its_ether_back_on_chain(world: ExchangeWorld) -> None:
    world.next_order_is("refunded")
    order = opened(world)
    world.pays(order.payin_address, AMOUNT.wei)
    seen = until(world, order.cn_api_id, lambda seen: seen.known is ExchangeStatus.REFUNDED)
    assert seen.refund_hash is not None
    for _ in range(4):
        world.wait()
    back = world.chain.ether_received(seen.refund_hash, HOST_WALLET.address)
    assert isinstance(back, EtherReceived)
    assert 0 < back.value_wei <= AMOUNT.wei
    assert back.sender != HOST_WALLET.address


@pytest.mark.parametrize(
    ("fate", "statuses"),
    [("failed", {ExchangeStatus.FAILED}), ("held", {ExchangeStatus.VERIFYING, ExchangeStatus.HOLD})],
)
def test_an_order_in_trouble_says_so_and_names_no_payout(
    world: ExchangeWorld, fate: str, statuses: set[ExchangeStatus]
) -> None:
    world.next_order_is(fate)
    order = opened(world)
    world.pays(order.payin_address, AMOUNT.wei)
    seen = until(world, order.cn_api_id, lambda seen: seen.known in statuses)
    assert seen.payout_hash is None
