"""What people do to the fleet: each act on its way, and everything that must be refused; nothing pays twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shared.db import Database
from shared.db.roles import OPERATOR
from shared.messages import PayOrder, VoidTransfer
from shared.ops.acts import (
    Act,
    NotAllowed,
    NotKnown,
    Unsigned,
    abandon_order,
    approve,
    pause,
    release,
    resume,
    retry,
)
from shared.ops.acts.perform import Acting, Step
from shared.sandbox.chain import HOST_WALLET
from tests.integration.operations_world import BY, REASON, Operations
from tests.integration.test_fence_across_services import is_paid_once


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> Operations:
    return Operations.of(database, database_as)


# --- retry ------------------------------------------------------------------------------------------------------------
def test_a_parked_payment_is_pending_again_and_is_told_by_whom(world: Operations) -> None:
    payment = world.a_parked_payment()
    done = world.do(retry(payment))
    assert world.fleet.batcher.statuses() == ["pending"]
    assert done.done[0] == "payment payment-1 worth 60.00 USD is pending again"
    evidence = world.fleet.column("select evidence from history where event = 'payment_unparked'")
    assert evidence == [{"by": BY, "reason": REASON, "operator_log": 1}]


def test_what_arrived_in_another_currency_is_not_tried_again_and_the_refusal_says_what_to_do(world: Operations) -> None:
    payment = world.a_parked_payment()
    with world.owner.transaction() as conn:
        conn.run("update payout_accumulation set outcome_currency = 'doge'")
    refusal = "is not tried again: doge arrived for it, .* Whoever holds the doge pays it back, .* stays parked"
    for funding in ("received", "quoted"):
        world.fleet.batcher.with_terms(funding=funding)
        with pytest.raises(NotAllowed, match=refusal):
            world.do(retry(payment))
        world.fleet.batcher.tick()
    assert world.fleet.batcher.statuses() == ["parked"]
    assert [row.allowed for row in world.parked()] == [[]]


def test_a_batch_whose_attempts_are_spent_gets_as_many_again_and_is_paid_once(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    asked = world.fleet.batcher.exchange.asked
    world.do(retry(str(batch)))
    assert world.batch_status(batch) == "pending"
    assert world.fleet.batcher.exchange.asked == asked, "an act asks the exchange nothing"
    is_paid_once(world.fleet, order_statuses=["unknown"] * asked + ["adopted"])


def test_attempts_that_are_spent_again_park_the_batch_again(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    world.do(retry(str(batch)))
    for _ in range(5):
        world.fleet.batcher.exchange.answer_next(world.unclear)
    for _ in range(7):
        world.fleet.sweep()
    assert world.batch_status(batch) == "parked"
    assert world.fleet.batcher.exchange.asked == 10


def test_a_parked_request_is_checked_again_and_paid_once(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.verdict = "not_waiting"
    world.fleet.lost = {VoidTransfer}
    world.fleet.rest()
    world.fleet.verdict = "payable"
    world.do(retry(f"batch_{batch}"))
    assert world.fleet.column("select request_status from hostpay_request") == ["checking"]
    is_paid_once(world.fleet, order_statuses=["adopted"])


def test_a_fence_that_was_on_its_way_wins_over_a_retry(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.verdict = "not_waiting"
    world.fleet.lost = {VoidTransfer}
    world.fleet.rest()
    world.do(retry(f"batch_{batch}"))
    world.fleet.lost = set()
    world.fleet.receive(VoidTransfer(f"batch_{batch}", world.fleet.batcher.adopted(batch)["cn_api_id"]))
    world.fleet.verdict = "payable"
    world.fleet.rest()
    assert world.fleet.column("select request_status from hostpay_request order by created_at")[0] == "abandoned"
    assert world.fleet.column("select transfer_status from transfer order by created_at")[0] == "void"
    is_paid_once(world.fleet, order_statuses=["abandoned", "adopted"])


def test_a_paid_order_is_only_looked_at_sooner(world: Operations) -> None:
    batch = world.a_batch()
    is_paid_once(world.fleet, order_statuses=["adopted"])
    before = world.fleet.column("select request_status from hostpay_request")
    done = world.do(retry(f"batch_{batch}"))
    assert "looks at order" in done.done[0]
    assert world.fleet.column("select request_status from hostpay_request") == before
    assert world.fleet.column("select due_at from hostpay_request") == [world.fleet.now]


# --- release ----------------------------------------------------------------------------------------------------------
def test_a_batch_that_can_never_be_funded_gives_its_payments_back_and_the_books_balance(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    world.do(release(str(batch)))
    assert world.batch_status(batch) == "released"
    assert world.fleet.batcher.statuses() == ["pending", "pending"]
    assert world.fleet.column("select count(*) from batch_member where live") == [0]
    balances = world.fleet.batcher.books()
    assert {account.value for account, amount in balances.eth.items() if not amount.is_zero()} == {
        "gateway_receivable",
        "clients_pending",
    }
    again = world.fleet.batcher.tick().body["batch_conversion_id"]
    assert again not in (None, str(batch))
    is_paid_once(world.fleet, order_statuses=["unknown"] * 5 + ["adopted"])


def test_a_batch_whose_order_was_fenced_off_is_released_before_another_is_opened(world: Operations) -> None:
    batch = world.a_batch()
    world.do(pause("batching", None))
    world.fleet.verdict = "not_waiting"
    world.fleet.rest()
    assert world.batch_status(batch) == "pending"
    world.do(release(str(batch)))
    assert world.fleet.batcher.statuses() == ["pending", "pending"]
    for _ in range(3):
        world.fleet.sweep()
    assert world.fleet.batcher.exchange.asked == 1
    assert world.fleet.column("select count(*) from slot") == [0]


def test_a_late_pay_order_for_a_released_batch_pays_nothing(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.lost = {PayOrder}
    world.fleet.rest()
    (row,) = world.fleet.batcher.rows("select unique_id, cn_api_id, amount_wei, payin_address from hostpay_request")
    late = PayOrder(
        row["unique_id"], "batch", row["cn_api_id"], "eth", "eth", int(row["amount_wei"]), row["payin_address"]
    )
    world.fleet.conductor.write("update hostpay_request set request_status = 'parked', reason = 'a test'")
    world.do(pause("batching", None))
    world.do(abandon_order(row["cn_api_id"]))
    world.fleet.lost = set()
    world.fleet.sweep()
    world.fleet.sweep()
    world.do(release(str(batch)))
    assert world.fleet.executor.pay(late).state.value == "void"
    assert world.fleet.column("select count(*) from slot") == [0]


# --- abandon-order ----------------------------------------------------------------------------------------------------
def test_an_order_whose_transfer_is_held_is_given_up_and_another_one_is_paid(world: Operations) -> None:
    batch, _ = world.a_held_transfer()
    order = world.fleet.batcher.adopted(batch)["cn_api_id"]
    world.fleet.sweep()
    assert world.batch_status(batch) == "parked"
    world.do(abandon_order(str(batch)))
    assert world.fleet.column("select transfer_status from transfer") == ["held"], "the executor decides"
    world.fleet.executor.with_limits(max_transfer=world.fleet.batcher.batcher.terms.guard.max_transfer)
    world.fleet.sweep()
    world.fleet.sweep()
    assert world.fleet.column("select transfer_status from transfer order by created_at")[0] == "void"
    assert world.fleet.column("select order_status from exchange_order where cn_api_id = :o", o=order) == ["abandoned"]
    is_paid_once(world.fleet, order_statuses=["abandoned", "adopted"])


# --- approve ----------------------------------------------------------------------------------------------------------
def test_a_held_transfer_leaves_when_the_executor_has_taken_the_approval(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("held", request))
    assert world.fleet.column("select transfer_status from transfer") == ["held"], "an operator touches no transfer"
    world.fleet.sweep()
    assert world.fleet.column("select outcome from asked_approval") == ["done"]
    assert world.fleet.column("select approved_by from approval") == [BY]
    is_paid_once(world.fleet, order_statuses=["adopted"])


def test_an_approval_that_is_asked_is_taken_once_however_many_sweeps_run(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("held", request))
    for _ in range(4):
        world.fleet.sweep()
    assert world.fleet.column("select count(*) from approval") == [1]
    assert world.fleet.column("select outcome from asked_approval") == ["done"]


def test_void_is_the_executors_word_too(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("void", request))
    world.fleet.executor.with_limits(max_transfer=world.fleet.batcher.batcher.terms.guard.max_transfer)
    world.fleet.sweep()
    assert world.fleet.column("select transfer_status from transfer order by created_at")[0] == "void"
    is_paid_once(world.fleet, order_statuses=["abandoned", "adopted"])


def test_what_is_held_for_another_reason_by_then_is_refused_and_told(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("held", request))
    world.fleet.executor.write("update transfer set reason = 'over_daily_limit: another rule'")
    world.fleet.sweep()
    assert world.fleet.column("select outcome from asked_approval") == ["refused"]
    assert world.fleet.column("select transfer_status from transfer") == ["held"]
    assert "approval_refused" in world.fleet.executor.alerts()
    assert any("held for another reason" in note for note in world.explain(request).notes)


def test_a_cancel_that_is_asked_uses_the_nonce_for_nothing_and_repay_pays_the_batch_anew(world: Operations) -> None:
    batch = world.a_batch()
    chain = world.fleet.executor.chain
    chain.drop_sends = True
    world.fleet.rest()
    world.do(approve("cancel", f"batch_{batch}"))
    world.fleet.sweep()
    assert world.fleet.column("select count(*) from cancel_request") == [1]
    chain.drop_sends = False
    for _ in range(8):
        world.fleet.sweep()
        chain.finalize()
    assert world.fleet.column("select transfer_status from transfer") == ["cancelled"]
    with pytest.raises(NotAllowed, match="nonce 7 was used for it"):
        world.do(release(str(batch)))
    world.do(approve("repay", f"batch_{batch}"))
    for _ in range(12):
        world.fleet.sweep()
        chain.finalize()
    assert world.fleet.column("select outcome from slot order by nonce") == ["cancelled", "settled"]


def test_an_ask_waits_while_the_wallet_is_frozen(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("void", request))
    world.freeze()
    world.fleet.sweep()
    assert world.fleet.column("select outcome from asked_approval") == [None]
    assert world.fleet.column("select transfer_status from transfer") == ["held"]


# --- pause and resume -------------------------------------------------------------------------------------------------
def test_a_stage_is_paused_and_resumed_and_both_are_on_record(world: Operations) -> None:
    world.do(pause("batching", None))
    world.fleet.batcher.payments("60", "40")
    assert world.fleet.batcher.tick().body["batch_created"] is False
    world.do(resume("batching"))
    assert world.fleet.batcher.tick().body["batch_created"] is True
    assert [row["action"] for row in world.log()] == ["pause", "resume"]


def test_a_pause_with_an_end_ends_by_itself(world: Operations) -> None:
    world.do(pause("batching", world.fleet.now + timedelta(hours=2)))
    world.fleet.batcher.payments("60", "40")
    assert world.fleet.batcher.tick().body["batch_created"] is False
    world.fleet.wait(hours=2, seconds=1)
    assert world.fleet.batcher.tick().body["batch_created"] is True


def test_a_pause_without_an_end_gets_none_by_another_pause(world: Operations) -> None:
    world.do(pause("sending", None))
    with pytest.raises(NotAllowed, match="resume it first"):
        world.do(pause("sending", world.fleet.now + timedelta(hours=1)))


# --- what is refused --------------------------------------------------------------------------------------------------
def _in_flight(world: Operations) -> str:
    batch = world.a_batch()
    world.fleet.executor.chain.drop_sends = True
    world.fleet.rest()
    return str(batch)


def _completed_payment(world: Operations) -> str:
    world.a_batch()
    return "payment-1"


def _parked_unpaid(world: Operations) -> str:
    batch = world.a_batch()
    world.fleet.verdict = "not_waiting"
    world.fleet.lost = {VoidTransfer}
    world.fleet.rest()
    return str(batch)


def _fresh(world: Operations) -> str:
    return str(world.a_batch())


def _held(world: Operations) -> str:
    return world.a_held_transfer()[1]


def _frozen_and_spent(world: Operations) -> str:
    batch = world.a_batch_with_spent_attempts()
    world.fleet.executor.write(
        """insert into account (address, chain_id, account_status, reason, next_nonce, created_at, updated_at)
           values (:wallet, 1, 'frozen', 'a drill', 7, :now, :now)""",
        wallet=HOST_WALLET.address,
        now=world.fleet.now,
    )
    return str(batch)


def _being_opened(world: Operations) -> str:
    """The exchange has been asked and has not answered."""
    batch = world.a_batch_with_spent_attempts()
    world.fleet.batcher.write(
        "update exchange_order set order_status = 'sending' where id = (select max(id) from exchange_order)"
    )
    return str(batch)


def _request_of(name: str) -> str:
    return f"batch_{name}"


@pytest.mark.parametrize(
    ("prepare", "act", "reason"),
    [
        (_in_flight, release, "only a batch without an order is released"),
        (_in_flight, lambda n: retry(n), "not parked"),
        (_in_flight, lambda n: abandon_order(n), "only a parked one is given up"),
        (_in_flight, lambda n: retry(_request_of(n)), "only a parked request"),
        (_in_flight, lambda n: approve("void", n), "only a transfer without a nonce"),
        (_in_flight, lambda n: approve("held", n), "only a held transfer"),
        (_in_flight, lambda n: approve("repay", n), "ended without effect"),
        (_parked_unpaid, release, "may be funded"),
        (_parked_unpaid, retry, "may be funded"),
        (_being_opened, release, "sending and may be funded"),
        (_being_opened, retry, "sending and may be funded"),
        (_frozen_and_spent, release, "recover-account"),
        (_frozen_and_spent, retry, "recover-account"),
        (_fresh, lambda n: approve("held", n), "has no transfer"),
        (_fresh, abandon_order, "no request was made"),
        (_completed_payment, retry, "act on the batch"),
        (_completed_payment, release, "by its own id"),
        (_held, retry, "approve held or void"),
        (_held, lambda n: approve("cancel", n), "only a transfer with an open nonce"),
        (_held, lambda n: approve("repay", n), "ended without effect"),
        (lambda _: "sending", resume, "is not paused"),
    ],
)
def test_what_is_not_safe_is_refused_with_the_reason_and_changes_nothing(
    world: Operations, prepare: Callable[[Operations], str], act: Callable[[str], Act], reason: str
) -> None:
    name = prepare(world)
    before = world.everything()
    for yes in (False, True):
        with pytest.raises(NotAllowed, match=reason):
            world.do(act(name), yes=yes)
    assert world.everything() == before


def test_a_frozen_wallet_keeps_batching_and_sending_paused(world: Operations) -> None:
    _, request = world.a_held_transfer()
    for stage in ("intake", "batching", "sending"):
        world.do(pause(stage, None))
    world.freeze()
    for stage in ("batching", "sending"):
        with pytest.raises(NotAllowed, match="recover-account"):
            world.do(resume(stage))
    world.do(resume("intake"))
    with pytest.raises(NotAllowed, match="recover-account"):
        world.do(abandon_order(request))


@pytest.mark.parametrize("act", [retry, release, abandon_order, lambda name: approve("held", name)])
def test_an_unknown_id_is_a_sentence(world: Operations, act: Callable[[str], Act]) -> None:
    with pytest.raises(NotKnown, match="Nothing is known by 'nobody'"):
        world.do(act("nobody"))


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("  ", "why"), ("Ada", ""), ("Ada", " \n")])
def test_who_and_why_are_said(world: Operations, by: str, reason: str) -> None:
    with pytest.raises(Unsigned, match="--by"):
        world.do(pause("intake", None), by=by, reason=reason)


# --- the rehearsal and the rights -------------------------------------------------------------------------------------
def _acts(world: Operations) -> list[Act]:
    batch = world.a_batch_with_spent_attempts()
    payment = world.fleet.batcher.a_payment("5")
    world.fleet.batcher.write(
        "update payout_accumulation set conversion_status = 'parked', parked_reason = 'x' where id = :id", id=payment
    )
    world.do(pause("intake", None))
    return [retry(str(batch)), release(str(batch)), retry("payment-3"), pause("sending", None), resume("intake")]


def test_a_rehearsal_says_the_same_and_changes_no_row_of_any_table(world: Operations) -> None:
    acts = _acts(world)
    before = world.everything()
    rehearsed = [world.do(act, yes=False) for act in acts]
    assert world.everything() == before
    assert all(one.entry is None and one.done for one in rehearsed)
    assert world.do(acts[0]).done == rehearsed[0].done


def test_a_rehearsal_of_what_the_executor_is_asked_changes_nothing(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.fleet.sweep()
    before = world.everything()
    for act in (approve("held", request), approve("void", request), abandon_order(request)):
        assert world.do(act, yes=False).done
    assert world.everything() == before


def test_an_act_that_fails_half_way_leaves_nothing(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    before = world.everything()

    def dies(step: Step) -> Acting:
        release(str(batch))(step)
        raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError):
        world.do(dies)
    assert world.everything() == before


def test_every_query_of_the_operators_verbs_is_within_the_operators_rights(
    database_as: Callable[[str], Database],
) -> None:
    from shared.db import PermissionMissing, Queries

    operator = database_as(OPERATOR)
    refused = []
    for room in ("acts", "views"):
        for path in (Path(__file__).parents[2] / "shared/ops" / room).glob("*.sql"):
            for query in Queries.load(path).values():
                try:
                    with operator.transaction() as conn:
                        conn.script(f"EXPLAIN (GENERIC_PLAN) {query.text}")
                except PermissionMissing:
                    refused.append(query.name)
    assert refused == []


def test_an_id_that_looks_like_sql_names_nothing(world: Operations) -> None:
    world.a_batch()
    with pytest.raises(NotKnown):
        world.explain("' or '1' = '1")
    with pytest.raises(NotKnown):
        world.explain(uuid4())
