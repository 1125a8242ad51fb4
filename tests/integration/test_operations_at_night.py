"""For somebody who was woken: one matter is told once, with deadline, next step and page; nothing shown can mislead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from shared.db import Database
from shared.ops import operations
from shared.ops.acts import NotAllowed, NotKnown, Unsigned, abandon_order, approve, pause, resume
from shared.ops.exits import Leave
from shared.ops.views import parked_lines
from tests.conftest import Postgres
from tests.integration.operations_world import Operations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> Operations:
    return Operations.of(database, database_as)


# --- what waits -------------------------------------------------------------------------------------------------------
def test_the_rows_of_one_matter_stand_together_with_deadline_next_step_and_page(world: Operations) -> None:
    batch, request = world.a_held_transfer()
    world.fleet.sweep()
    rows = world.parked()
    assert {row.matter for row in rows} == {str(batch)}
    lines = list(parked_lines(rows, world.fleet.now + timedelta(hours=3)))
    (allowed,) = [line for line in lines if line.startswith("    allowed  ")]
    assert allowed.count(f"gcpay approve held {request}") == 1
    assert any(line.startswith("    owner    a person, until 2026-") and line.endswith(" UTC") for line in lines)
    assert {"    read     deploy/runbooks/transfer_held.md", "    read     deploy/runbooks/batch_parked.md"} <= set(
        lines
    )
    assert any(line.startswith("    next     a person approves or voids it") for line in lines)
    assert any(line.endswith(" late") for line in parked_lines(rows, world.fleet.now + timedelta(hours=30)))
    assert "person    3 row(s) wait for a person in 1 matter(s): gcpay parked" in list(world.status().lines())


def test_every_page_that_a_view_names_exists(world: Operations) -> None:
    world.a_parked_payment()
    world.a_held_transfer()
    world.freeze()
    assert all((ROOT / row.runbook).is_file() for row in world.parked())


def test_an_alerts_number_of_a_payment_finds_it_but_a_gateways_id_comes_first(world: Operations) -> None:
    world.fleet.batcher.payments("5", "6")
    (first, second) = world.fleet.column("select id from payout_accumulation order by id")
    assert world.explain(first).what == world.explain("payment-1").what
    world.fleet.batcher.write(
        "update payout_accumulation set payment_ref = :ref where payment_ref = 'payment-2'", ref=str(first)
    )
    assert world.explain(first).parts[0].subject == str(second)


# --- whom it really waits for -----------------------------------------------------------------------------------------
def test_a_paused_stage_is_what_a_transfer_waits_for_with_its_end_and_the_way_out(world: Operations) -> None:
    batch = world.a_batch()
    world.do(pause("sending", world.fleet.now + timedelta(hours=2)))
    world.fleet.rest()
    explained = world.explain(batch)
    assert explained.waits is not None
    assert explained.waits.what == "transfer created"
    assert explained.waits.why.startswith("sending is paused by Ada: ")
    assert explained.waits.on_whom == "Ada, or whoever resumes sending"
    assert explained.waits.next_step.startswith("the pause ends, then: ")
    assert "gcpay resume sending" in explained.allowed
    world.do(resume("sending"))
    assert "gcpay resume sending" not in world.explain(batch).allowed


def test_an_order_whose_message_is_still_on_its_way_waits_for_queue_and_conductor(world: Operations) -> None:
    explained = world.explain(world.a_batch())
    assert explained.waits is not None
    assert explained.waits.on_whom == "the queue gchostpay1-batch-queue and the conductor"
    world.fleet.rest()
    explained = world.explain("payment-1")
    assert explained.waits is not None
    assert "queue" not in explained.waits.on_whom


def test_a_payment_waits_for_the_end_of_a_pause_of_batching(world: Operations) -> None:
    world.fleet.batcher.payments("60")
    world.do(pause("batching", None))
    explained = world.explain("payment-1")
    assert explained.waits is not None
    assert (explained.waits.until, explained.allowed) == (None, ["gcpay resume batching"])
    assert explained.waits.next_step.startswith("somebody resumes it, then: ")


def test_a_wallet_that_is_not_well_is_what_an_unsent_transfer_waits_for(world: Operations) -> None:
    batch = world.a_batch()
    world.do(pause("sending", None))
    world.fleet.rest()
    world.freeze()
    explained = world.explain(batch)
    assert explained.waits is not None
    assert "is frozen: a drill" in explained.waits.why
    assert explained.waits.on_whom == "a person"
    assert "gcpay resume sending" not in explained.allowed


def test_a_deadline_that_is_over_is_said_to_be_over(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.executor.chain.drop_sends = True
    world.fleet.rest()
    assert " late" not in "\n".join(world.explain(batch).lines())
    world.fleet.wait(hours=3)
    assert " UTC, 2 h 0 min late" in "\n".join(world.explain(batch).lines())


def test_bytes_that_no_block_has_show_what_each_provider_last_answered(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.executor.chain.drop_sends = True
    world.fleet.rest()
    assert any(note.startswith("provider ") and " last answered " in note for note in world.explain(batch).notes)


# --- what cannot mislead ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["\udcff\udcfe", "9" * 5_000, "a\nb", "\x1b[2J", "\u202e", "", " ", "-1", "%", "0x"])
def test_an_absurd_id_is_one_short_sentence(world: Operations, name: str) -> None:
    with pytest.raises(NotKnown) as refused:
        world.explain(name)
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 250
    with pytest.raises(NotKnown):
        world.do(approve("void", name))


@pytest.mark.parametrize("text", ["x\n  99  2026-01-01 release all", "x\x1b[2J", "x\udcff", "\u202ex", "r" * 501])
def test_who_and_why_are_one_line_that_cannot_pass_for_another_entry(world: Operations, text: str) -> None:
    for by, reason in ((text, "why"), ("Ada", text)):
        with pytest.raises(Unsigned):
            world.do(pause("intake", None), by=by, reason=reason)
    assert world.log() == []


def test_what_was_written_before_or_came_from_outside_gives_the_terminal_no_orders(
    world: Operations,
    postgres: Postgres,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {
        "DATABASE_HOST": str(postgres.server.host),
        "DATABASE_PORT": str(postgres.server.port),
        "DATABASE_NAME_SECRET": database_name,
        "DATABASE_USER_SECRET": "gcpay_operator",
    }.items():
        monkeypatch.setenv(name, value)
    world.a_parked_payment()
    world.fleet.batcher.write("update payout_accumulation set parked_reason = E'gone\\x1b[2J\\n    owner    nobody'")
    operations.show_parked(ROOT, as_json=False)
    said = capsys.readouterr().out
    assert "gone\\x1b[2J\\n    owner    nobody" in said
    assert "\n    owner    nobody" not in said


@pytest.mark.parametrize(
    "span", ["-5m", "0m", "9" * 5_000 + "d", "1001h", "1.5h", "", "m", "1h\n", "\udcffh", "\u0661h"]
)
def test_an_impossible_span_is_refused(span: str) -> None:
    with pytest.raises(Leave, match="say how long as 30m, 2h or 1d"):
        operations.until(span)


def test_one_person_does_not_shorten_the_pause_of_another_by_pausing(world: Operations) -> None:
    now = world.fleet.now
    world.do(pause("sending", now + timedelta(hours=2)))
    with pytest.raises(NotAllowed, match="which is later"):
        world.do(pause("sending", now + timedelta(minutes=1)))
    world.do(pause("sending", now + timedelta(hours=3)))
    world.do(pause("sending", None))


def test_an_order_that_is_not_given_up_says_what_stops_it_or_that_it_is_over(world: Operations) -> None:
    batch = world.a_batch()
    world.do(pause("sending", None))
    world.fleet.rest()
    with pytest.raises(NotAllowed, match=f"`gcpay approve void batch_{batch}` stops it"):
        world.do(abandon_order(f"batch_{batch}"))
    world.do(approve("void", str(batch)))
    world.fleet.sweep()
    world.fleet.rest()
    with pytest.raises(NotAllowed, match="given up already"):
        world.do(abandon_order(f"batch_{batch}"))


def test_a_tick_that_was_written_before_does_not_pass_for_the_answer_about_a_total_over_the_threshold(
    world: Operations,
) -> None:
    world.fleet.batcher.payments("5")
    world.fleet.batcher.tick()
    assert "now it is over the threshold" not in next(world.status().lines())
    world.fleet.batcher.payments("100")
    assert "now it is over the threshold: a tick forms a batch" in next(world.status().lines())
    world.fleet.batcher.tick()
    assert "now it is over the threshold" not in next(world.status().lines())
