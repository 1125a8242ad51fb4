"""What the exchange says, leaves out, or does otherwise: nobody is paid, and nobody credited, on its word alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.exchange import ExchangeStatus, ExchangeUnreadable, Limits, NotFound, Quote, Unreadable
from shared.money import Ether, Tether, Usd
from shared.sandbox.simulator.blocks import TokenMove
from shared.sandbox.simulator.fleet import USDT, WALLET
from shared.sandbox.simulator.named.scenes import (
    fault,
    is_mined,
    must,
    number,
    rows,
    stands_still_once,
    states,
    until,
    until_completed,
)
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World

from .base_story import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    ORDERED,
    SHARES,
    alerts,
    base,
    base_result,
    nothing_is_sent,
    order_answers,
    order_reads,
    payment_states,
    plays,
    shares,
    the_three_pay,
)
from .marks import incident

OTHER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
ZERO = "0x" + "0" * 40


@pytest.mark.parametrize(
    "fields",
    [
        {"payinAddress": WALLET},
        {"payinAddress": ZERO},
        {"payinAddress": USDT},
        {"payinAddress": "0x57f31ad4b64095347F87eDB1675566DAfF5EC88"},
        {"payinAddress": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"},
        {"payoutAddress": OTHER},
        {"payoutAddress": ""},
        {"refundAddress": OTHER},
        {"toCurrency": "btc"},
        {"fromCurrency": "usdt"},
        {"fromNetwork": "bsc"},
        {"toNetwork": "bsc"},
        {"payinExtraId": "104322"},
        {"id": "../../etc"},
        {"flow": "fixed-rate"},
    ],
    ids=lambda fields: " ".join(f"{name} {told}" for name, told in fields.items()),
)
@incident("L-10")
def test_an_order_that_is_not_the_one_asked_for_is_never_paid(session: Session, fields: dict[str, object]) -> None:
    def script(world: World) -> None:
        world.node.refusing.add(USDT.lower())  # a contract that takes no ether, as it is
        order_answers(world, **fields)
        base(world)
        world.run_for(HOUR_S)
        nothing_is_sent(world)
        must(states(world, "batch") == ["parked"], f"the batch is {states(world, 'batch')}")
        must("order_abandoned" in alerts(world), f"people were told {alerts(world)}")

    plays(session, script)


@pytest.mark.parametrize(
    "fields",
    [
        {"payin_address": OTHER},
        {"payin_address": None},
        {"payout_address": OTHER},
        {"to_currency": "btc"},
        {"to_network": "bsc"},
        {"from_network": "bsc"},
        {"payin_extra_id": "104322"},
    ],
    ids=lambda fields: " ".join(f"{name} {told}" for name, told in fields.items()),
)
@incident("L-10")
def test_an_order_that_reads_otherwise_just_before_it_is_paid_is_not_paid(
    session: Session, fields: dict[str, object]
) -> None:
    def script(world: World) -> None:
        order_reads(world, **fields)
        base(world)
        world.run_for(HOUR_S)
        nothing_is_sent(world)
        must("batch_parked" in alerts(world), f"people were told {alerts(world)}")
        must("swapping" in payment_states(world), "its payments are not its own any more")

    plays(session, script, settles=False)


# --- after the payment ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ({"amount_from": Ether.parse("0.020")}, "completed"),
        ({"amount_to": Tether.parse("97000"), "amount_to_text": "97000"}, "completed"),
        ({"payout_address": OTHER.lower()}, "completed"),
        ({"payout_hash": None}, "swapping"),
        ({"payout_hash": "0x" + "ab" * 32}, "swapping"),
        ({"payout_hash": "finished"}, "swapping"),
    ],
    ids=["half of it", "a thousandfold", "to another address", "no hash", "a hash nobody has", "no hash at all"],
)
@incident("L-11")
def test_shares_are_what_is_seen_arriving_whatever_a_finished_order_says(
    session: Session, told: dict[str, object], ends: str
) -> None:
    def script(world: World) -> None:
        base(world)
        until(world, lambda: is_mined(world), "it is paid")
        order_reads(world, **told)
        world.run_for(HOUR_S // 2)
        must(states(world, "batch") == [ends], f"the batch is {states(world, 'batch')}")
        must(shares(world) == (SHARES if ends == "completed" else {}), f"the shares are {shares(world)}")
        order_reads(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize(
    "move",
    [
        TokenMove(USDT.lower(), "", OTHER.lower(), 97_000_000),
        TokenMove(OTHER.lower(), "", WALLET.lower(), 97_000_000),
        None,
    ],
    ids=["to somebody else", "of another token", "none"],
)
@incident("L-11")
def test_a_payout_that_is_not_usdt_to_our_wallet_credits_nobody(session: Session, move: TokenMove | None) -> None:
    def script(world: World) -> None:
        transact = world.progress._transact

        def otherwise(order: Any, what: str, to: str, value_wei: int, moves: Any, **rest: Any) -> str:
            instead = () if move is None else (replace(move, sender=moves[0].sender),)
            return transact(order, what, to, value_wei, instead, **rest)

        world.progress._transact = otherwise  # type: ignore[method-assign]
        base(world)
        until(world, lambda: states(world, "batch") == ["parked"], "the batch is parked")
        must(shares(world) == {}, f"the shares are {shares(world)}")
        must("batch_parked" in alerts(world), f"people were told {alerts(world)}")

    plays(session, script, settles=False)


@incident("L-11")
def test_ninety_that_arrive_are_ninety_that_are_shared(session: Session) -> None:
    def script(world: World) -> None:
        transact = world.progress._transact

        def ninety(order: Any, what: str, to: str, value_wei: int, moves: Any, **rest: Any) -> str:
            return transact(order, what, to, value_wei, tuple(replace(m, units=90_000_000) for m in moves), **rest)

        world.progress._transact = ninety  # type: ignore[method-assign]
        base(world)
        until_completed(world)
        must(shares(world) == {"np-1": 45_000_000, "np-2": 27_000_000, "np-3": 18_000_000}, f"{shares(world)}")

    plays(session, script)


@incident("L-57")
def test_a_result_below_its_band_is_credited_as_it_came_told_and_stops_new_batches(session: Session) -> None:
    def script(world: World) -> None:
        transact = world.progress._transact

        def sixty(order: Any, what: str, to: str, value_wei: int, moves: Any, **rest: Any) -> str:
            return transact(order, what, to, value_wei, tuple(replace(m, units=60_000_000) for m in moves), **rest)

        world.progress._transact = sixty  # type: ignore[method-assign]
        base(world)
        until_completed(world)
        must(shares(world) == {"np-1": 30_000_000, "np-2": 18_000_000, "np-3": 12_000_000}, f"{shares(world)}")
        must("result_outside_band" in alerts(world), f"people were told {alerts(world)}")
        world.progress._transact = transact  # type: ignore[method-assign]
        for payment in (4, 5):
            world.pays(payment, Usd.parse("60"), Ether.parse("0.024"))
        world.run_for(30)
        heard = world.tick()
        must(heard is not None and heard.body["batch_created"] is False, f"the next tick answers {heard}")
        must(len(states(world, "batch")) == 1, "there is a second batch")

    plays(session, script)


@incident("L-57")
def test_a_quote_below_its_band_opens_no_order(session: Session) -> None:
    def script(world: World) -> None:
        honest = world.exchange.estimate
        world.exchange.estimate = lambda pair, amount: replace(  # type: ignore[method-assign]
            honest(pair, amount), expected=Tether.parse("60")
        )
        base(world)
        world.run_for(HOUR_S)
        world.tick()
        must(not world.exchange.orders, "an order was opened")
        must(payment_states(world) == ["pending"] * 3, f"the payments are {payment_states(world)}")
        must(alerts(world) == ["batch_held_back"], f"people were told {alerts(world)}")
        world.exchange.estimate = honest  # type: ignore[method-assign]
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize(
    "fate", [Fate.REFUNDS, Fate.FAILS_THEN_REFUNDS, Fate.HOLDS_THEN_REFUNDS], ids=lambda fate: fate.name.lower()
)
@incident("L-37")
def test_a_refund_gives_the_payments_back_when_its_ether_is_there_and_not_before(session: Session, fate: Fate) -> None:
    def script(world: World) -> None:
        world.exchange.fates.append(fate)
        base(world)
        (order,) = world.exchange.orders.values()
        must(order.request.refund_address == WALLET, "a refund would go to somebody else")

        def came_back() -> bool:
            return order.refund_hash is not None and world.node.is_final(order.refund_hash)

        while states(world, "batch")[0] != "released":
            must(world.idle.total_seconds() < 4 * HOUR_S, "it never comes back")
            must(payment_states(world) == ["swapping"] * 3 or came_back(), "the payments are back before their ether")
            world.run_for(12)
        must(payment_states(world) == ["pending"] * 3, f"the payments are {payment_states(world)}")
        must("batch_released" in alerts(world), f"people were told {alerts(world)}")
        net = number(world, "select sum(net_wei) from payout_accumulation")
        must(net == ORDERED.wei, f"the payments have {net} wei")
        world.tick()
        until_completed(world)
        must(shares(world) == SHARES, f"the shares are {shares(world)}")
        must(len(world.exchange.orders) == 2, f"{len(world.exchange.orders)} orders were opened")

    plays(session, script)


@pytest.mark.parametrize("word", ["failed", "expired", "hold", "verifying", "overdue"])
@incident("L-37")
def test_an_order_that_goes_wrong_after_it_was_paid_is_seen_told_and_never_paid_again(
    session: Session, word: str
) -> None:
    def script(world: World) -> None:
        known = ExchangeStatus(word) if word in list(ExchangeStatus) else None
        base(world)
        until(world, lambda: is_mined(world), "it is paid")
        order_reads(world, status=word, known=known, payout_hash=None)
        world.run_for(HOUR_S)
        must(shares(world) == {}, f"the shares are {shares(world)}")
        must(payment_states(world) == ["swapping"] * 3, f"the payments are {payment_states(world)}")
        if known is not None:
            must(states(world, "batch") == ["parked"], f"the batch is {states(world, 'batch')}")
            must("batch_parked" in alerts(world), f"people were told {alerts(world)}")
        (order,) = rows(world, "select exchange_status from exchange_order")
        must(order["exchange_status"] == word, f"the order's row says {order}")
        order_reads(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-42")
def test_a_swap_that_takes_23_hours_ends_by_itself(session: Session) -> None:
    def script(world: World) -> None:
        model: Any = world.exchange
        plan = model._plan
        model._plan = lambda: replace(plan(), sending_after_s=23 * HOUR_S)
        base(world)
        world.run_for(22 * HOUR_S)
        must(states(world, "batch") == ["swapping"], f"the batch is {states(world, 'batch')}")
        must(shares(world) == {}, f"the shares are {shares(world)}")
        until_completed(world)
        base_result(world)
        must(alerts(world) == ["request_overdue"], f"people were told {alerts(world)}")

    plays(session, script)


@pytest.mark.parametrize("trouble", ["unreadable", "refused", "missing", "null", "strange"])
@incident("L-41")
def test_whatever_the_first_looks_at_a_paid_order_meet_the_looks_go_on(session: Session, trouble: str) -> None:
    def script(world: World) -> None:
        model: Any = world.exchange
        honest = model._read
        base(world)
        until(world, lambda: is_mined(world), "it is paid")
        looks: list[str] = []

        def read(cn_api_id: str) -> Any:
            looks.append(cn_api_id)
            seen = honest(cn_api_id)
            return {
                "unreadable": Unreadable("HTTP 500", retry=True),
                "refused": Unreadable("no JSON but <html>", retry=False),
                "missing": NotFound(),
                "null": replace(seen, payout_hash=None, payin_hash=None, amount_to=None, expected_from=None),
                "strange": replace(seen, status="aml-check", known=None),
            }[trouble]

        model._read = read
        until(world, lambda: bool(looks), "somebody looks")
        world.queue.lost_answers.extend([False] * 5)
        world.run_for(30 * MINUTE_S)
        must(len(looks) > 10, f"only {len(looks)} looks were taken")
        must(states(world, "batch") == ["swapping"], f"the batch is {states(world, 'batch')}")
        model._read = honest
        until_completed(world)
        base_result(world)

    plays(session, script)


# --- before the payment -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["expired", "failed", "refunded", "finished", "confirming", "exchanging"])
@incident("L-43")
def test_an_order_that_does_not_wait_for_its_deposit_is_fenced_off_unpaid_and_replaced(
    session: Session, word: str
) -> None:
    def script(world: World) -> None:
        model: Any = world.exchange
        honest = model._read
        known = ExchangeStatus(word) if word in list(ExchangeStatus) else None

        def read(cn_api_id: str) -> Any:
            seen = honest(cn_api_id)
            first = min(world.exchange.orders.values(), key=lambda order: order.number)
            return replace(seen, status=word, known=known) if cn_api_id == first.cn_api_id else seen

        model._read = read
        base(world)
        until_completed(world)
        base_result(world)
        first, second = sorted(world.exchange.orders.values(), key=lambda order: order.number)
        must(first.deposit is None, "the order that did not wait was paid")
        must(second.deposit == ORDERED, "the other one was not paid")
        must("batch_parked" in alerts(world), f"people were told {alerts(world)}")
        kept = [row["order_status"] for row in rows(world, "select order_status from exchange_order order by id")]
        must(kept == ["abandoned", "finished"], f"the orders are {kept}")

    plays(session, script)


@pytest.mark.parametrize("word", ["verifying", "hold", "", "queued"])
@incident("L-43")
def test_an_order_whose_word_says_nothing_is_read_again_told_and_paid_when_it_waits(
    session: Session, word: str
) -> None:
    def script(world: World) -> None:
        known = ExchangeStatus(word) if word in list(ExchangeStatus) else None
        order_reads(world, status=word, known=known)
        base(world)
        world.run_for(HOUR_S // 2)
        nothing_is_sent(world)
        must(states(world, "request") == ["checking"], f"the request is {states(world, 'request')}")
        must("request_overdue" in alerts(world), f"people were told {alerts(world)}")
        order_reads(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("trouble", ["missing", "unreadable"])
@incident("L-43")
def test_an_order_that_is_not_shown_waits_and_is_paid_when_it_is(session: Session, trouble: str) -> None:
    def script(world: World) -> None:
        fault(world, **{"reads_missing" if trouble == "missing" else "reads_unreadable": 1000})
        base(world)
        world.run_for(HOUR_S // 2)
        nothing_is_sent(world)
        must(states(world, "request") == ["checking"], f"the request is {states(world, 'request')}")
        must(len(world.exchange.orders) == 1, "another order was opened")
        fault(world, reads_missing=0, reads_unreadable=0)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-43")
def test_an_order_that_is_shown_as_new_still_waits_for_its_deposit(session: Session) -> None:
    def script(world: World) -> None:
        model: Any = world.exchange
        honest = model._read

        def read(cn_api_id: str) -> Any:
            seen = honest(cn_api_id)
            return replace(seen, status="new", known=ExchangeStatus.NEW) if seen.status == "waiting" else seen

        model._read = read
        base(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-66")
def test_below_the_exchanges_minimum_payments_wait_with_the_reason_and_go_when_there_are_more(
    session: Session,
) -> None:
    def script(world: World) -> None:
        model: Any = world.exchange
        model.range = lambda _: Limits(Ether.parse("0.05"), None)
        base(world)
        for tick in range(3):
            world.run_for(900)
            heard = world.tick()
            must(heard is not None and heard.status == 200, f"tick {tick} is answered {heard}")
        must(not world.exchange.orders, "an order was opened")
        must(payment_states(world) == ["pending"] * 3, f"the payments are {payment_states(world)}")
        told = [row["outcome"] for row in rows(world, "select outcome from threshold_check order by id")]
        must(told == ["below_exchange_minimum"] * 4, f"the ticks say {told}")
        must(alerts(world) == ["batch_held_back"], f"people were told {alerts(world)}")
        world.pays(4, Usd.parse("40"), Ether.parse("0.016"))
        world.run_for(30)
        world.tick()
        until_completed(world)
        (order,) = world.exchange.orders.values()
        must(order.request.amount == Ether.parse("0.056"), f"{order.request.amount} were ordered")

    plays(session, script)


@incident("L-66")
def test_while_one_handler_hangs_at_the_exchange_every_other_route_answers(session: Session) -> None:
    def script(world: World) -> None:
        base(world)
        until_completed(world)
        for payment in (4, 5):
            world.pays(payment, Usd.parse("60"), Ether.parse("0.024"))
        world.run_for(10)
        answered: list[object] = []

        def meanwhile() -> None:
            world.pays(6, Usd.parse("10"), Ether.parse("0.004"))
            world.sweep()
            heard = world.tick()
            answered.append(None if heard is None else heard.status)
            answered.append("np-6" in world.accepted)

        stands_still_once(
            world,
            "batcher",
            lambda where: where == "before it asks the exchange for an order",
            10 * MINUTE_S,
            meanwhile=meanwhile,
        )
        world.tick()
        must(answered == [200, True], f"meanwhile it was answered {answered}")
        until_completed(world, batches=2)

    plays(session, script)


# --- while it is away -------------------------------------------------------------------------------------------------


@incident("I-11")
def test_the_exchange_is_away_for_26_hours_and_tasks_are_lost_and_all_is_still_there(session: Session) -> None:
    def script(world: World) -> None:
        fault(world, tasks_lost=400)
        away = [True]
        estimate = world.exchange.estimate

        def not_readable(pair: Any, amount: Ether) -> Quote:
            if away[0]:
                raise ExchangeUnreadable("a quote", "HTTP 503")
            return estimate(pair, amount)

        world.exchange.estimate = not_readable  # type: ignore[method-assign]
        base(world)
        statuses = set()
        for _ in range(26 * 4):
            world.run_for(900)
            heard = world.tick()
            statuses.add(None if heard is None else heard.status)
        must(statuses == {503}, f"the scheduler was told {statuses}")
        must(payment_states(world) == ["pending"] * 3, f"the payments are {payment_states(world)}")
        away[0] = False
        fault(world, tasks_lost=0)
        must(alerts(world) == ["payments_overdue"], f"people were told {alerts(world)}")
        world.tick()
        until_completed(world)
        base_result(world)
        must(alerts(world) == ["payments_overdue"], f"people were told {alerts(world)} at last")

    plays(session, script)


@incident("I-11")
def test_payments_that_wait_for_too_long_are_told(session: Session) -> None:
    def script(world: World) -> None:
        away: Any = world.exchange
        away.range = _cannot_be_read
        base(world)
        world.run_for(8 * DAY_S)
        must("payments_overdue" in alerts(world), f"people were told {alerts(world)}")

    plays(session, script, settles=False)


@pytest.mark.parametrize("feed", ["away", "zero", "stale"])
@incident("L-29")
def test_while_there_is_no_price_payments_are_taken_and_valued_when_there_is_one(session: Session, feed: str) -> None:
    def script(world: World) -> None:
        contracts: Any = world.contracts
        call, honest = contracts.call, contracts.feed_answer

        def broken(to: str, question: bytes, block: Any) -> bytes:
            if to == contracts.feed and feed == "away":
                return b""
            answer: bytes = call(to, question, block)
            if to == contracts.feed and feed == "stale" and len(answer) > 32:
                old = (int(block.at.timestamp()) - 2 * 3_600).to_bytes(32, "big")
                return answer[:64] + old + old + answer[128:]
            return answer

        contracts.call = broken
        contracts.feed_answer = 0 if feed == "zero" else honest
        base(world)
        heard = world.tick()
        must(heard is not None and heard.status == 503, f"the scheduler is told {heard}")
        must(payment_states(world) == ["pending"] * 3, f"the payments are {payment_states(world)}")
        must(not world.exchange.orders, "an order was opened without a price")
        contracts.call, contracts.feed_answer = call, honest
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("I-51")
def test_the_intake_records_while_the_exchange_is_away_and_never_asks_it_anything(session: Session) -> None:
    def script(world: World) -> None:
        asked: list[str] = []
        calls = world.calls
        world.calls = lambda where: asked.append(where) or calls(where)  # type: ignore[method-assign, func-returns-value]
        fault(world, quotes_missing=1000, reads_unreadable=1000)
        the_three_pay(world)
        must(len(world.accepted) == 3, f"accepted are {sorted(world.accepted)}")
        must(asked == [], f"the intake asked {asked}")
        fault(world, quotes_missing=0, reads_unreadable=0)
        world.start_clockwork()
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)


def _cannot_be_read(_: object) -> Limits:
    raise ExchangeUnreadable("range", "HTTP 503")
