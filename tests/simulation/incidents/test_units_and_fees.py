"""One number in the place of another: dollars for ether, an estimate for a fact, gross for net."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from GCHostPay1.conductor import BOOKS_EVERY
from shared.exchange import ETH_TO_USDT, OrderRequest, Quote
from shared.messages import (
    CONDUCTOR_TO_EXECUTOR,
    CONDUCTOR_TO_WATCHER,
    UPSTREAM_TO_CONDUCTOR,
    Edge,
    InstantPayout,
    MessageInvalid,
    PayOrder,
    batch_unique_id,
)
from shared.money import Ether, Tether, Usd, take_fee
from shared.money.percent import Percent
from shared.sandbox.chain.accounts import FAUCET
from shared.sandbox.simulator.fleet import WALLET, attributes_replaced
from shared.sandbox.simulator.named.scenes import (
    every_order_will,
    must,
    number,
    payments_on_chain,
    rows,
    states,
    until,
    until_completed,
)
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World

from .base_story import (
    ARRIVED,
    HOUR_S,
    OF_A_BATCH,
    ORDERED,
    SHARES,
    alerts,
    base,
    base_result,
    base_to_the_end,
    guarded,
    nothing_is_sent,
    order_answers,
    order_reads,
    payment_states,
    plays,
    refusals,
    says,
    shares,
    terms,
    the_three_pay,
    watch_tasks,
)
from .marks import incident

HUNDRED_ETHER = 100 * 10**18
RICH = Ether.parse("990")


@pytest.mark.parametrize("edge", OF_A_BATCH, ids=lambda edge: edge.name)
@incident("I-01")
def test_a_message_that_says_the_dollars_as_ether_sends_no_other_amount(session: Session, edge: Edge) -> None:
    def script(world: World) -> None:
        world.top_up(RICH)
        heard: list[str] = []

        def says_it_in_dollars(task: Any, opened: Any) -> None:
            field = next((name for name in ("amount_wei", "usdt_units") if hasattr(opened.message, name)), None)
            if field is None or opened.edge != edge:
                return
            message = replace(opened.message, **{field: HUNDRED_ETHER if field == "amount_wei" else 100_000_000})
            heard.append(str(says(world, edge, message, f"forged-{len(heard)}").body.get("status")))

        watch_tasks(world, says_it_in_dollars)
        base(world)
        world.run_for(HOUR_S)
        if edge is CONDUCTOR_TO_WATCHER:
            # Who can seal this can say that the order is not the one to pay: nothing is sent, a person is told.
            nothing_is_sent(world)
            must(states(world, "batch") == ["parked"], f"the batch is {states(world, 'batch')}")
            must("batch_parked" in alerts(world), f"people were told {alerts(world)}")
            return
        base_result(world)
        must("refused" in heard or not heard, f"it was answered {heard}")
        if heard:
            must(bool(alerts(world)), "nobody is told")

    plays(session, script)


@pytest.mark.parametrize("usd", ["0.01", "1", "47.11", "100", "999.999999"])
@incident("I-01")
def test_what_is_ordered_does_not_depend_on_the_dollars(session: Session, usd: str) -> None:
    ordered: list[int] = []

    def script(world: World) -> None:
        world.pays(1, Usd.parse(usd), Ether.parse("0.04"))
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        ordered.extend(int(row["amount_wei"]) for row in rows(world, "select amount_wei from exchange_order"))

    wide = guarded(order_value_band=Percent.parse("100"))
    batcher = wide["batcher.terms"]
    always = {"batcher.terms": lambda world, made: replace(batcher(world, made), threshold=Usd.parse("0.01"))}
    plays(session, script, replaced=always, settles=False)
    assert set(ordered) <= {ORDERED.wei}
    assert ordered or usd != "100"


@pytest.mark.parametrize("amount", ["155", "0.4", "0.0400001", "0.0399", 0.04, "", "nothing"])
@incident("I-02", "L-12")
def test_an_order_that_is_answered_over_another_amount_is_never_paid(session: Session, amount: object) -> None:
    def script(world: World) -> None:
        world.top_up(RICH)
        order_answers(world, fromAmount=amount)
        base(world)
        world.run_for(HOUR_S)
        if amount == "":
            base_result(world)  # an amount that is not told is no other amount
            return
        nothing_is_sent(world)
        must("order_abandoned" in alerts(world), f"people were told {alerts(world)}")
        must(states(world, "batch") == ["parked"], f"the batch is {states(world, 'batch')}")
        must(payment_states(world) == ["swapping"] * 3, "its payments are not its own any more")

    plays(session, script)


@pytest.mark.parametrize("amount", ["155", "0.4", "0.0400001", "0.0399"])
@incident("I-02", "L-12")
def test_an_order_that_is_read_back_over_another_amount_is_not_paid(session: Session, amount: str) -> None:
    def script(world: World) -> None:
        world.top_up(RICH)
        order_reads(world, expected_from=Ether.parse(amount))
        base(world)
        world.run_for(HOUR_S)
        nothing_is_sent(world)
        must("request_parked" in alerts(world) or "batch_parked" in alerts(world), f"people were told {alerts(world)}")
        must("swapping" in payment_states(world), "its payments are not its own any more")

    plays(session, script, settles=False)


@pytest.mark.parametrize("currency", ["usdt", "", "USDT ", "eth-bsc", "dai", "ETH", "btc"])
@incident("I-03")
def test_whatever_is_not_ether_on_ethereum_is_refused_at_both_doors_and_never_sent(
    session: Session, currency: str
) -> None:
    def script(world: World) -> None:
        world.start_clockwork()
        order = world.exchange.open(OrderRequest(ETH_TO_USDT, Ether.parse("3.116936"), FAUCET.address, FAUCET.address))
        wei, to = order.request.amount.wei, order.payin_address
        try:
            instant = InstantPayout("payout-1", order.cn_api_id, currency, "eth", wei, to)
            order_to_pay = PayOrder("payout-1", "instant", order.cn_api_id, currency, "eth", wei, to)
        except MessageInvalid as refused:
            must("currency" in refused.field, f"it is refused for its {refused.field}")
            return
        heard = says(world, UPSTREAM_TO_CONDUCTOR, instant, "instant", task=False)
        must(400 <= heard.status < 500, f"the conductor answers {heard.status}")
        heard = says(world, CONDUCTOR_TO_EXECUTOR, order_to_pay, "pay", task=False)
        must(400 <= heard.status < 500, f"the executor answers {heard.status}")
        world.run_for(HOUR_S)
        nothing_is_sent(world)

    plays(session, script)


@incident("I-03")
def test_a_known_order_said_to_be_in_another_currency_is_not_paid_in_any(session: Session) -> None:
    def script(world: World) -> None:
        said: list[int] = []

        def in_usdt(task: Any, opened: Any) -> None:
            if isinstance(opened.message, PayOrder) and not said:
                said.append(1)
                message = replace(opened.message, from_currency="usdt")
                heard = says(world, CONDUCTOR_TO_EXECUTOR, message, "in-usdt", task=False)
                must(400 <= heard.status < 500, f"the executor answers {heard.status}")
                nothing_is_sent(world)

        watch_tasks(world, in_usdt)
        base(world)
        until_completed(world)
        base_result(world)
        must(bool(said), "nobody said it")

    plays(session, script)


@incident("I-04", "I-59")
def test_every_amount_that_the_exchange_is_asked_about_is_the_ledgers_in_the_asset_that_is_meant(
    session: Session,
) -> None:
    def script(world: World) -> None:
        asked: list[tuple[str, Ether]] = []
        estimate, create = world.exchange.estimate, world.exchange.create

        def estimated(pair: Any, amount: Ether) -> Quote:
            asked.append((f"{pair.from_currency}>{pair.to_currency}", amount))
            return estimate(pair, amount)

        def created(request: OrderRequest) -> Any:
            asked.append((f"{request.pair.from_currency}>{request.pair.to_currency}", request.amount))
            return create(request)

        world.exchange.estimate = estimated  # type: ignore[method-assign]
        world.exchange.create = created  # type: ignore[method-assign]
        base_to_the_end(world)
        must(asked == [("eth>usdt", ORDERED)] * 2, f"the exchange was asked about {asked}")
        (row,) = rows(world, "select * from exchange_order")
        stored = (row["from_currency"], row["from_network"], row["to_currency"], row["to_network"])
        must(stored == ("eth", "eth", "usdt", "eth"), f"the order's assets are {stored}")
        assets = {row["asset"] for row in rows(world, "select distinct asset from book_entry")}
        must(assets == {"ETH", "USDT"}, f"the books are in {assets}")

    plays(session, script)


@incident("I-04", "I-59")
def test_amounts_of_two_assets_neither_add_nor_compare_and_a_quote_keeps_its_pair() -> None:
    amounts: list[Any] = [Usd(5_000_000), Ether(5_000_000), Tether(5_000_000)]
    for first in amounts:
        for second in amounts:
            if first is second:
                continue
            assert first != second
            with pytest.raises(TypeError):
                first + second
            with pytest.raises(TypeError):
                assert first < second
    quote = Quote(ETH_TO_USDT, ORDERED, ARRIVED, "97", None)
    assert (quote.pair, type(quote.amount), type(quote.expected)) == (ETH_TO_USDT, Ether, Tether)


@incident("I-13")
def test_only_ether_that_is_there_is_ever_offered_and_an_order_that_wants_another_asset_is_not_paid(
    session: Session,
) -> None:
    def script(world: World) -> None:
        world.start_clockwork()
        for source in ("usdt", "btc"):
            order_reads(world, from_currency=source)
            world.asks_instant(len(world.exchange.orders) + 1, Ether.parse("0.02"))
            world.run_for(60)
        order_reads(world)
        must(refusals(world) == ["request_contradicts"] * 2, f"refused were {refusals(world)}")
        nothing_is_sent(world)
        base(world)
        until_completed(world)
        requests = [order.request for order in world.exchange.orders.values()][2:]
        must({request.pair for request in requests} == {ETH_TO_USDT}, f"{requests} were asked for")

    plays(session, script)


@pytest.mark.parametrize("fee", ["0", "0.5", "15", "30"])
@incident("I-14")
def test_the_fee_stays_and_the_net_ether_is_sent_to_the_wei(session: Session, fee: str) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("25"), Ether.parse("0.010"))
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        kept, net = take_fee(Ether.parse("0.010"), Percent.parse(fee))
        (paid,) = payments_on_chain(world)
        place = world.node.canonical(paid)
        must(place is not None and place[1].transaction.value_wei == net.wei, "another amount than the net was sent")
        (payment,) = rows(world, "select gross_wei, fee_wei, net_wei from payout_accumulation")
        told = [int(payment[name]) for name in ("gross_wei", "fee_wei", "net_wei")]
        must(told == [10**16, kept.wei, net.wei] and kept.wei + net.wei == 10**16, f"the payment says {told}")
        booked = number(world, "select coalesce(sum(amount), 0) from book_entry where account = 'platform_fee'")
        must(abs(booked) == kept.wei, f"{booked} are booked as the platform's")

    plays(session, script, replaced=terms(fee) | {"batcher.terms": _threshold("10")})


@pytest.mark.parametrize(
    ("fee", "kept", "net"),
    [
        ("0", 0, 10**16),
        ("0.5", 5 * 10**13, 995 * 10**13),
        ("15", 15 * 10**14, 85 * 10**14),
        ("33.333", 33_333 * 10**11, 66_667 * 10**11),
        ("100", 10**16, 0),
    ],
)
@incident("I-14")
def test_a_fee_and_what_is_left_add_up_to_what_came(fee: str, kept: int, net: int) -> None:
    assert take_fee(Ether.parse("0.010"), Percent.parse(fee)) == (Ether(kept), Ether(net))


@incident("L-31")
def test_the_platforms_fee_is_withheld_before_the_order_and_not_shared_out(session: Session) -> None:
    def script(world: World) -> None:
        base(world)
        until_completed(world)
        (order,) = world.exchange.orders.values()
        must(order.request.amount == Ether.parse("0.034"), f"{order.request.amount} were ordered")
        expected = {"np-1": 41_225_000, "np-2": 24_735_000, "np-3": 16_490_000}
        must(shares(world) == expected, f"the shares are {shares(world)}")
        booked = number(world, "select sum(amount) from book_entry where account = 'platform_fee' and asset = 'ETH'")
        must(abs(booked) == 6 * 10**15, f"{booked} wei are booked as the platform's")

    plays(session, script, replaced=terms("15") | {"batcher.terms": _threshold("80")})


@incident("I-16")
def test_the_ledger_holds_the_ether_that_came_and_not_the_invoice(session: Session) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("1.35"), Ether.parse("0.00030"))
        world.run_for(10)
        (payment,) = rows(world, "select gross_wei, net_wei, payment_amount_usd_micros from payout_accumulation")
        must(int(payment["gross_wei"]) == int(payment["net_wei"]) == 3 * 10**14, f"the ledger says {payment}")
        must(payment["payment_amount_usd_micros"] == 1_350_000, f"the weight is {payment}")

    plays(session, script)


@incident("I-16")
def test_a_wallet_that_is_short_by_one_wei_is_noticed(session: Session) -> None:
    def script(world: World) -> None:
        base_to_the_end(world)
        world.node.top_up(WALLET, -1)
        world.node.keep_busy(world.now)
        world.run_for(600)

    with pytest.raises(AssertionError, match="books_are_the_wallet"):
        plays(session, script)


@incident("I-16")
def test_a_wallet_that_is_short_by_one_wei_is_told_by_the_fleet_itself(session: Session) -> None:
    def script(world: World) -> None:
        compares_the_books(world)
        base_to_the_end(world)
        world.run_for(2 * HOUR_S)
        must(alerts(world) == [], f"while all is well people were told {alerts(world)}")
        world.node.top_up(WALLET, -1)
        world.node.keep_busy(world.now)
        world.run_for(2 * HOUR_S)
        must(alerts(world) == ["books_differ"], f"people were told {alerts(world)}")
        (told,) = rows(world, "select message from alert where kind = 'books_differ'")
        must("-0.000000000000000001 ETH" in told["message"], f"people were told {told}")

    plays(session, script, settles=False)


def compares_the_books(world: World) -> None:
    """The conductor does so once an hour, as its app.py has it."""

    def routes(_: object, made: Any) -> Any:
        return lambda conductor, *more: made(replace(conductor, books_every=BOOKS_EVERY), *more)

    with attributes_replaced(world, {"shared.sandbox.simulator.fleet:conductor_routes": routes}):
        world.fleet.start("conductor")


@incident("I-17")
def test_until_a_swap_is_proven_on_chain_nobody_is_shown_any_usdt(session: Session) -> None:
    def script(world: World) -> None:
        every_order_will(world, Fate.HOLDS)
        base(world)
        world.run_for(3 * HOUR_S)
        credited = {
            "shares": "select count(*) from payout_accumulation where converted_usdt_amount_units is not null",
            "members": "select count(*) from batch_member where share_usdt_units is not null",
            "arrivals": "select count(*) from arrival",
            "books": "select count(*) from book_entry where asset = 'USDT'",
            "batches": "select count(*) from batch_conversions where usdt_arrived_units is not null",
        }
        told = {name: number(world, sql) for name, sql in credited.items()}
        must(not any(told.values()), f"USDT is told of: {told}")
        must(payment_states(world) == ["swapping"] * 3, "the payments are not being swapped")

    plays(session, script)


@pytest.mark.parametrize("what", ["one transfer", "one day"])
@incident("I-18")
def test_a_transfer_above_a_limit_waits_for_a_person_and_is_not_sent(session: Session, what: str) -> None:
    def script(world: World) -> None:
        world.top_up(RICH)
        world.start_clockwork()
        amounts = ("0.51",) if what == "one transfer" else ("0.4", "0.4", "0.4")
        for payout, amount in enumerate(amounts, start=1):
            world.asks_instant(payout, Ether.parse(amount))
            world.run_for(300)
        world.run_for(HOUR_S)
        must(len(payments_on_chain(world)) == len(amounts) - 1, f"{payments_on_chain(world)} were sent")
        held = rows(world, "select reason from transfer where transfer_status = 'held'")
        rule = "over_transfer_limit" if what == "one transfer" else "over_daily_limit"
        must(len(held) == 1 and held[0]["reason"].startswith(rule), f"held are {held}")
        must("transfer_held" in alerts(world), f"people were told {alerts(world)}")

    limits = {
        "executor.terms": lambda _, made: replace(made, max_transfer=Ether.parse("0.5"), max_daily=Ether.parse("1"))
    }
    plays(session, script, replaced=limits)


@pytest.mark.parametrize("answer", [4_000 * 10**8, 100_000 * 10**8, 1_000 * 10**8])
@incident("I-18")
def test_a_price_that_does_not_fit_the_payments_opens_no_order(session: Session, answer: int) -> None:
    def script(world: World) -> None:
        world.contracts.feed_answer = answer
        base(world)
        for _ in range(4):
            world.run_for(900)
            world.tick()
        must(not world.exchange.orders, "an order was opened")
        must(payment_states(world) == ["pending"] * 3, "payments are claimed")
        must(alerts(world) == ["batch_held_back"], f"people were told {alerts(world)}")
        world.contracts.feed_answer = 2_500 * 10**8
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-17")
def test_what_came_in_another_currency_never_is_part_of_an_order_in_ether(session: Session) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        world.pays(4, Usd.parse("30"), Ether.parse("30"), "usdt")
        world.pays(5, Usd.parse("50"), Ether.parse("0.001"), "btc")
        world.pays(6, Usd.parse("10"), None)
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        base_result(world)
        must(payment_states(world) == ["completed"] * 3 + ["parked"] * 3, f"payments are {payment_states(world)}")
        must(alerts(world).count("payment_parked") >= 2, f"people were told {alerts(world)}")
        reasons = [
            row["parked_reason"] for row in rows(world, "select parked_reason from payout_accumulation order by id")
        ]
        must(all(reasons[3:]), f"the reasons are {reasons}")

    plays(session, script)


@incident("L-18")
def test_ether_that_nobody_told_of_is_not_replaced_by_an_estimate(session: Session) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("150"), None)
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        world.run_for(HOUR_S)
        must(not world.exchange.orders, "an order was opened over an estimate")
        must(payment_states(world) == ["parked"], f"the payment is {payment_states(world)}")
        must(bool(alerts(world)), "nobody is told")

    plays(session, script)


@incident("L-32")
def test_an_instant_payout_is_not_paid_with_ether_of_payments_that_wait(session: Session) -> None:
    def script(world: World) -> None:
        assert world.is_poor
        world.top_up(Ether.parse("0.035"))  # 0.065: the batch, its gas and the reserve
        the_three_pay(world)
        world.start_clockwork()
        world.run_for(30)
        world.asks_instant(1, Ether.parse("0.02"))
        world.run_for(300)
        held = rows(world, "select transfer_status, reason from transfer where context = 'instant'")
        must(payments_on_chain(world) == [], "the payments' ETH was sent")
        must([row["transfer_status"] for row in held] in (["approved"], ["held"]), f"the payout is {held}")
        must(bool(alerts(world)), "nobody is told")
        world.tick()
        until_completed(world)
        must(shares(world) == SHARES, f"the shares are {shares(world)}")
        must(number(world, "select count(*) from transfer where transfer_status = 'settled'") == 1, "both are paid")

    plays(session, script, profile=_poor(), settles=False)


@incident("L-49")
def test_a_wallet_that_holds_exactly_the_order_waits_for_its_gas_and_pays_when_it_has_it(session: Session) -> None:
    def script(world: World) -> None:
        world.top_up(Ether.parse("0.01"))  # 0.04, and nothing for gas
        base(world)
        world.run_for(20 * 60)
        nothing_is_sent(world)
        must(rows(world, "select account_status from account")[0]["account_status"] == "low_funds", "it is not said")
        must(any("funds" in kind for kind in alerts(world)), f"people were told {alerts(world)}")
        world.top_up(Ether.parse("0.02"))
        until_completed(world)
        base_result(world)
        must(number(world, "select count(*) from book_entry where account = 'gas'") == 1, "its gas is not booked")

    plays(session, script, profile=_poor())


@incident("L-49")
def test_a_batch_that_gas_would_eat_is_not_formed(session: Session) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("5"), Ether.parse("0.002"))
        world.start_clockwork()
        world.node.base_fee_wei = 100 * 10**9
        world.run_for(30)
        heard = world.tick()
        must(not world.exchange.orders, "an order was opened")
        must(heard is not None and heard.status == 200 and heard.body["batch_created"] is False, f"{heard}")
        must(alerts(world) == ["batch_held_back"], f"people were told {alerts(world)}")

    plays(session, script, replaced={"batcher.terms": _threshold("5")}, settles=False)


@incident("I-50", "L-48")
def test_every_wei_of_a_payment_is_ordered_and_sent_when_the_exchange_takes_eighteen_digits(session: Session) -> None:
    amounts = ("0.123456789012345678", "0.100000000000000001", "0.200000000000000002")
    total = sum(Ether.parse(amount).wei for amount in amounts)

    def script(world: World) -> None:
        for payment, amount in enumerate(amounts, start=1):
            ether = Ether.parse(amount)
            world.pays(payment, Usd(ether.wei * 2_500 // 10**12), ether)
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        (paid,) = payments_on_chain(world)
        place = world.node.canonical(paid)
        must(place is not None and place[1].transaction.value_wei == total, "another amount was sent")
        for sql in (
            "select sum(net_wei) from payout_accumulation",
            "select sum(wei) from batch_member",
            "select members_wei from batch_conversions",
            "select ordered_wei from batch_conversions",
            "select amount_wei from exchange_order",
            "select amount_wei from hostpay_request",
            "select value_wei from transfer",
        ):
            must(number(world, sql) == total, sql)

    plays(session, script, replaced=terms(exchange_decimals=18))


@incident("I-50", "L-48")
def test_what_eight_digits_cut_off_is_booked_and_carried_on_to_the_wei(session: Session) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("308.64"), Ether.parse("0.123456789012345678"))
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        (batch,) = rows(world, "select members_wei, ordered_wei, dust_out_wei from batch_conversions")
        told = [int(batch[name]) for name in ("members_wei", "ordered_wei", "dust_out_wei")]
        must(told == [123456789012345678, 123456780000000000, 9012345678], f"the batch says {told}")
        booked = number(world, "select sum(amount) from book_entry where account = 'dust'")
        must(abs(booked) == 9012345678, f"{booked} are booked as dust")
        world.pays(2, Usd.parse("250"), Ether.parse("0.100000000990987654"))
        world.run_for(30)
        world.tick()
        until_completed(world, batches=2)
        second = number(world, "select ordered_wei from batch_conversions where dust_in_wei > 0")
        must(second == 100000010000000000, f"the second order is {second}")

    plays(session, script)


@incident("L-47")
def test_every_amount_of_usdt_is_read_and_written_to_the_unit() -> None:
    for units in [*range(1, 20_000_000, 997), 1_001_000, 1, 20_000_000]:
        amount = Tether(units)
        assert Tether.parse(amount.decimal_text()) == amount == Tether.parse(amount.short_text())
    assert Tether.parse("1.001").units == 1_001_000


@incident("L-47")
def test_a_transfer_of_usdt_that_leaves_no_event_has_not_happened(session: Session) -> None:
    def script(world: World) -> None:
        transact = world.progress._transact

        def without_event(order: Any, what: str, to: str, value_wei: int, moves: Any, **rest: Any) -> str:
            return transact(order, what, to, value_wei, (), **rest)

        world.progress._transact = without_event  # type: ignore[method-assign]
        base(world)
        until(world, lambda: states(world, "batch") == ["parked"], "the batch is parked")
        must(shares(world) == {}, f"{shares(world)} are credited")
        must("batch_parked" in alerts(world), f"people were told {alerts(world)}")

    plays(session, script, settles=False)


@incident("L-76", "I-71")
def test_rows_alone_tell_the_whole_story_with_both_transactions(session: Session) -> None:
    def script(world: World) -> None:
        base_to_the_end(world)
        nulls = rows(
            world,
            """select p.id from payout_accumulation p
                 join batch_conversions b using (batch_conversion_id)
                 join exchange_order o using (batch_conversion_id)
                 join hostpay_request r on r.order_id = o.id
                 join transfer t on t.order_id = o.id
                 join slot s on s.unique_id = t.unique_id
                 join arrival a on a.batch_conversion_id = b.batch_conversion_id
                where (p.gross_wei, p.fee_wei, p.net_wei, p.converted_usdt_amount_units, p.conversion_tx_hash,
                       p.usdt_tx_hash, b.usdt_arrived_units, b.eth_tx_hash, b.usdt_tx_hash, o.cn_api_id, o.payin_hash,
                       o.payout_hash, r.eth_tx_hash, s.gas_wei, s.evidence, a.from_address) is not null""",
        )
        must(len(nulls) == 3, "something that an auditor needs is empty")
        (row,) = rows(world, "select distinct conversion_tx_hash as eth, usdt_tx_hash as usdt from payout_accumulation")
        must(row["eth"] != row["usdt"], "the two transactions are one")
        for tx_hash, mover in ((row["eth"], WALLET.lower()), (row["usdt"], None)):
            place = world.node.canonical(tx_hash)
            must(place is not None, f"{tx_hash} is not in the chain")
            assert place is not None
            must(mover is None or place[1].transaction.sender == mover, f"{tx_hash} is not the wallet's")
        gas = number(world, "select gas_wei from slot")
        wallet = number(world, "select sum(amount) from book_entry where account = 'wallet' and asset = 'ETH'")
        final = world.node.finalized().balances[WALLET.lower()]
        sent = 10 * 10**18 - ORDERED.wei - gas
        must(final == sent, f"the wallet has {final}, sent and gas leave {sent}")
        must(wallet == final, f"the books say {wallet}")
        usdt = number(world, "select sum(amount) from book_entry where account = 'wallet' and asset = 'USDT'")
        must(usdt == ARRIVED.units == world.node.finalized().tokens[WALLET.lower()], f"the books say {usdt}")

    plays(session, script)


@incident("L-72")
def test_a_transfer_is_recorded_once_with_whole_ids_and_the_amount_that_was_sent(session: Session) -> None:
    def script(world: World) -> None:
        base_to_the_end(world)
        (row,) = rows(
            world,
            "select t.*, o.cn_api_id as ordered, amount_wei from transfer t, exchange_order o where o.id = t.order_id",
        )
        must(row["cn_api_id"] == row["ordered"] and len(row["unique_id"]) == 42, f"the ids are {row}")
        must(int(row["value_wei"]) == int(row["amount_wei"]) == ORDERED.wei, f"the amounts are {row}")
        must(row["unique_id"] == batch_unique_id(str(row["batch_conversion_id"])), f"the id is {row['unique_id']}")
        again = "insert into transfer select * from transfer"
        with pytest.raises(Exception, match="transfer_is_named_once"), world.session.looking():
            world.session.connection.script("savepoint s")
            try:
                world.session.connection.script(again)
            finally:
                world.session.connection.script("rollback to savepoint s")

    plays(session, script)


@pytest.mark.parametrize("unique_id", ["acc_17", "payout-1", "a_batch_1", "acc_batch_17", "instant"])
@incident("L-77")
def test_what_kind_of_work_it_is_stands_in_a_row_and_not_in_an_ids_first_letters(
    session: Session, unique_id: str
) -> None:
    def script(world: World) -> None:
        world.start_clockwork()
        order = world.exchange.open(OrderRequest(ETH_TO_USDT, Ether.parse("0.02"), FAUCET.address, FAUCET.address))
        message = InstantPayout(unique_id, order.cn_api_id, "eth", "eth", order.request.amount.wei, order.payin_address)
        heard = says(world, UPSTREAM_TO_CONDUCTOR, message, "one")
        must(heard.status == 200, f"it is answered {heard}")
        until(world, lambda: states(world, "request") == ["reported"], "it is reported")
        (row,) = rows(world, "select context, unique_id from transfer")
        must((row["context"], row["unique_id"]) == ("instant", unique_id), f"it was treated as {row}")

    plays(session, script)


@pytest.mark.parametrize(
    "unique_id", ["batch_", "batch_1", "batch_11111111-2222-3333-4444-555555555555", "batch_batch_1"]
)
@incident("L-77")
def test_no_upstream_can_name_a_batchs_work(unique_id: str) -> None:
    with pytest.raises(MessageInvalid):
        InstantPayout(unique_id, "613c822e844358", "eth", "eth", 1, WALLET)


def _threshold(usd: str) -> Any:
    return lambda _, made: replace(made, threshold=Usd.parse(usd))


def _poor() -> Profile:
    return Profile(funds_short=1000)
