"""BASE, the story that every incident is tried on, and its result.

A pays 50 USD (0.020 ETH came), B 30 (0.012), C 20 (0.008); the threshold is 100 USD, the fee nothing unless it is said.
The exchange takes 0.040 ETH and pays 97 USDT. The result: one order over 0.040 ETH, one transfer of it, mined; A has
48.500000 USDT, B 29.100000, C 19.400000; the batch is completed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from shared.exchange import Created, Creation, Order, OrderMismatch, OrderRequest
from shared.exchange.agreement import check_created
from shared.messages import ALL_EDGES, Edge, Message, Opened, open_sealed, seal
from shared.money import Ether, Percent, Tether, Usd
from shared.sandbox.simulator.door import Call, Heard
from shared.sandbox.simulator.fleet import KEYRING, USDT, WALLET, Replace, Replacement, identity
from shared.sandbox.simulator.histories import SETTLES_WITHIN, History, play
from shared.sandbox.simulator.named.scenes import (
    everything_happened,
    must,
    number,
    payments_on_chain,
    rows,
    states,
    until_completed,
)
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.queue import ModelTask
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.settling import finally_true, why_unsettled
from shared.sandbox.simulator.world import World

SEED: Final = 12  # its world has three providers, two of which must agree; payments are swapped as they were received
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
ORDERED: Final = Ether.parse("0.04")
ARRIVED: Final = Tether.parse("97")
SHARES: Final = {"np-1": 48_500_000, "np-2": 29_100_000, "np-3": 19_400_000}
PAYMENTS: Final = (("50", "0.020"), ("30", "0.012"), ("20", "0.008"))

DELIVERS_ALERTS: Final = "/deliver-alert"
"""The route that carries no money's message; whether it is there is a setting's matter."""
EDGES: Final = tuple(edge for edge in ALL_EDGES if edge.route != DELIVERS_ALERTS)
OF_A_BATCH: Final = tuple(edge for edge in EDGES if edge.producer != "upstream")

Script = Callable[[World], None]


# --- playing ----------------------------------------------------------------------------------------------------------


def terms(fee: str = "0", **batcher: Any) -> dict[str, Replacement]:
    """The settings of BASE; `batcher` changes the batcher's."""
    return {
        "intake.terms": lambda _, made: replace(made, fee_rate=Percent.parse(fee)),
        "batcher.terms": lambda _, made: replace(made, threshold=Usd.parse("100"), **batcher),
    }


def guarded(**guard: Any) -> dict[str, Replacement]:
    """The settings of BASE with other bands or limits of the batcher's price guard."""
    return terms() | {
        "batcher.terms": lambda _, made: replace(made, threshold=Usd.parse("100"), guard=replace(made.guard, **guard))
    }


def the_exchange_pays_97(world: World) -> None:
    """97 USDT for every 0.040 ETH, as it quotes."""
    model: Any = world.exchange
    model._expected = lambda amount: Tether(amount.wei * ARRIVED.units // ORDERED.wei)
    plan = model._plan
    model._plan = lambda: replace(plan(), payout_ppm=1_000_000)


def plays(
    session: Session,
    script: Script,
    *,
    replaced: Replace | None = None,
    profile: Profile | None = None,
    prepare: Script = lambda _: None,
    settles: bool = True,
) -> None:
    """Plays the script on BASE's settings. Fails with the end of the story when a promise breaks or nothing settles.

    `settles` False: the incident leaves something that a person must settle.
    """

    def prepared(world: World) -> None:
        the_exchange_pays_97(world)
        prepare(world)

    history = History(getattr(script, "__name__", "incident"), script, profile or Profile(), SEED)
    parts = {**terms(), **(replaced or {})}
    within = SETTLES_WITHIN if settles else timedelta(minutes=15)
    ending = play(session, SEED, history=history, replace=parts, prepare=prepared, settles_within=within)
    if ending.failure is not None and (settles or not ending.unsettled):
        told = play(session, SEED, history=history, replace=parts, prepare=prepared, listening=True).lines[-40:]
        raise AssertionError("\n".join([f"{ending.failure.invariant}: {ending.failure.detail}", *told]))


# --- what people do ---------------------------------------------------------------------------------------------------


def the_three_pay(world: World) -> None:
    for payment, (usd, ether) in enumerate(PAYMENTS, start=1):
        world.pays(payment, Usd.parse(usd), Ether.parse(ether))


def base(world: World) -> None:
    """A, B and C pay, and the tick comes. The clockwork runs from here on."""
    the_three_pay(world)
    world.start_clockwork()
    world.run_for(30)
    world.tick()


def base_to_the_end(world: World) -> None:
    """BASE as it goes by itself, and its result."""
    base(world)
    until_completed(world)
    base_result(world)


# --- what must come of it ---------------------------------------------------------------------------------------------


def base_result(world: World) -> None:
    """The BASE result. Orders that were opened and never funded may be there beside the one."""
    everything_happened(world)
    paid = payments_on_chain(world)
    must(len(paid) == 1, f"{len(paid)} payments are in the chain, not one")
    place = world.node.canonical(paid[0])
    assert place is not None
    must(place[1].transaction.value_wei == ORDERED.wei, f"{place[1].transaction.value_wei} wei were sent")
    adopted = rows(world, "select amount_wei, order_status from exchange_order where payin_hash is not null")
    must([int(row["amount_wei"]) for row in adopted] == [ORDERED.wei], f"orders are {adopted}")
    nonces = [row["nonce"] for row in rows(world, "select nonce from slot order by nonce")]
    must(nonces == [0], f"the nonces are {nonces}, not 0 alone")
    must(shares(world) == SHARES, f"the shares are {shares(world)}")
    must(states(world, "batch") == ["completed"], f"the batches are {states(world, 'batch')}")
    sent = [state for state in states(world, "transfer") if state != "void"]
    must(sent == ["settled"], f"the transfers are {states(world, 'transfer')}")


def settled(world: World) -> None:
    """Everything came to its end already, for a story that goes on long after it (and is played with settles=False)."""
    world.faults.stop()
    must(why_unsettled(world) is None, f"it is not settled: {why_unsettled(world)}")
    finally_true(world)


def nothing_is_sent(world: World) -> None:
    """Nothing ever left the wallet, and no nonce was given out."""
    sent = number(world, "select count(*) from attempt where first_send_started_at is not null")
    slots = number(world, "select count(*) from slot")
    mine = [key for key in world.node.pool if key[0] == WALLET.lower()]
    must((sent, slots, mine, payments_on_chain(world)) == (0, 0, [], []), f"{sent} are sent, {slots} nonces are given")


def shares(world: World) -> dict[str, int]:
    """The USDT units credited to each payment that has some."""
    sql = "select payment_ref as ref, converted_usdt_amount_units as units from payout_accumulation order by id"
    return {row["ref"]: int(row["units"]) for row in rows(world, sql) if row["units"] is not None}


def payment_states(world: World) -> list[str]:
    return [
        row["conversion_status"] for row in rows(world, "select conversion_status from payout_accumulation order by id")
    ]


def alerts(world: World) -> list[str]:
    """What people were told, by kind, oldest first. The scheduler ticks as the story says: its silence is no news."""
    return [row["kind"] for row in rows(world, "select kind from alert where kind <> 'scheduler_silent' order by id")]


def refusals(world: World) -> list[str]:
    """The codes with which task messages were refused for good."""
    return [row["code"] for row in rows(world, "select code from refused_message order by id")]


def everything_of(world: World) -> dict[str, list[Any]]:
    """Every row that money depends on, to show that nothing changed."""
    tables = (
        *("payout_accumulation", "batch_conversions", "batch_member", "exchange_order", "hostpay_request", "arrival"),
        *("transfer", "slot", "attempt", "posting", "book_entry", "history"),
    )
    return {table: rows(world, f"select * from {table} order by 1, 2") for table in tables}


# --- messages on their way --------------------------------------------------------------------------------------------


def watch_tasks(world: World, seen: Callable[[ModelTask, Opened], object]) -> None:
    """Shows every task in the moment before it is delivered."""
    queue: Any = world.queue
    deliver = queue._deliver

    def watched(task: ModelTask) -> int | None:
        opened = opened_task(world, task)
        if opened is not None:
            seen(task, opened)
        status: int | None = deliver(task)
        return status

    queue._deliver = watched


def opened_task(world: World, task: ModelTask) -> Opened | None:
    """The message in a task; None when it cannot be opened."""
    return open_sealed(ALL_EDGES, json.loads(task.body)["token"], KEYRING, world.now)


def says(world: World, edge: Edge, message: Message, name: str, *, task: bool = True) -> Heard:
    """Somebody who can seal for this edge says this, through its queue or directly."""
    token = seal(edge, message, KEYRING, name.encode().ljust(16, b".")[:16], world.now)
    body = json.dumps({"token": token}).encode()
    call = Call(edge.route, body, identity(edge.producer), "0" * 32, f"task-{name}" if task else None)
    heard = world.call(edge.consumer, call)
    assert heard is not None, "nobody is killed here"
    return heard


# --- the exchange -----------------------------------------------------------------------------------------------------


def order_answers(world: World, **fields: object) -> None:
    """The exchange opens orders as asked, and says something else of them in these fields of its answer."""
    open_ = world.exchange.open

    def create(request: OrderRequest) -> Creation:
        order = open_(request)
        answer: dict[str, Any] = {
            "id": order.cn_api_id,
            "payinAddress": order.payin_address,
            "payoutAddress": request.payout_address,
            "refundAddress": request.refund_address,
            "fromAmount": request.amount.short_text(),
            "toAmount": order.expected.short_text(),
            "fromCurrency": request.pair.from_currency,
            "fromNetwork": request.pair.from_network,
            "toCurrency": request.pair.to_currency,
            "toNetwork": request.pair.to_network,
            "flow": "standard",
            "type": "direct",
        } | fields
        order.payin_address = str(answer["payinAddress"])  # what it says is what it would see a deposit on
        mismatches = check_created(request, answer, (WALLET, USDT))
        if mismatches:
            return OrderMismatch(order.cn_api_id, tuple(mismatches))
        return Created(Order(order.cn_api_id, order.payin_address, request.amount, order.expected.short_text()))

    world.exchange.create = create  # type: ignore[method-assign]


def order_reads(world: World, **fields: object) -> None:
    """Whoever reads an order is shown these fields otherwise, until `order_reads(world)` is called without any."""
    model: Any = world.exchange
    honest = getattr(model, "honest_read", None) or model._read
    model.honest_read = honest

    def read(cn_api_id: str) -> Any:
        seen = honest(cn_api_id)
        return replace(seen, **fields) if fields and hasattr(seen, "payin_address") else seen

    model._read = read


def same(mapping: Mapping[str, object], other: Mapping[str, object]) -> None:
    """Nothing changed between two looks; says where it did."""
    changed = [table for table in mapping if mapping[table] != other[table]]
    must(not changed, f"these rows changed: {changed}")
