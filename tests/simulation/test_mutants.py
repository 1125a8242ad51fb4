"""With one mechanism taken out, the promises' checks notice: within a few seeds, or in the history made for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.ops.exits import Exit
from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.mutants import MUTANTS, Mutant, Noticed, mutant_named, notice, verb
from shared.sandbox.simulator.mutants.verb import run_every_mutant
from shared.sandbox.simulator.named import NAMED
from shared.sandbox.simulator.session import Session

# Noticed as the others are, but late: in a later seed, or when nothing has moved for hours. `gcpay sim --mutants` plays
# them too.
SLOW = frozenset(
    {
        "nonce_and_slot_in_two_commits",
        "sent_once_only",
        "lost_inclusion_is_ignored",
        "only_the_newest_hash_is_ours",
    }
)
QUICK = tuple(mutant for mutant in MUTANTS if mutant.name not in SLOW)
FEW_SEEDS = 12

# What the mechanisms are for: sending Ether, section 3, and the batch leg.
MECHANISMS = {
    "one nonce per transfer, from our own rows": [
        "nonce_read_before_the_lock",
        "nonce_from_pending",
        "another_nonce_after_a_timeout",
        "another_nonce_on_nonce_too_low",
        "nonce_and_slot_in_two_commits",
    ],
    "bytes are stored first and repeated as they are": [
        "bytes_stored_after_send",
        "bump_stored_after_send",
        "sent_once_only",
        "bump_with_another_value",
        "bump_with_another_value_that_nobody_compares",
        "bump_to_another_address_that_nobody_compares",
        "cancel_without_registering",
    ],
    "absence is never evidence, and finality is": [
        "settled_at_first_receipt",
        "settled_on_one_providers_word",
        "failed_on_null_receipt",
        "only_the_newest_hash_is_ours",
        "lost_inclusion_is_ignored",
        "arrival_counted_without_finality",
        "absence_is_failure",
        "refund_believed",
    ],
    "claimed, ordered, adopted, paid: in this order, one order at a time": [
        "claimed_without_lock",
        "claimed_after_the_order",
        "adopted_after_the_payment",
        "unknown_attempt_is_paid",
        "no_fence",
        "price_guard_off",
    ],
    "bounded: fees, funds, limits, and a person's switch": [
        "bumped_below_the_bar",
        "no_fee_ceiling",
        "holds_ignored",
        "limits_ignored",
        "pause_ignored",
    ],
    "counted once, shared out to the unit": [
        "weight_overwritten_by_share",
        "share_from_the_token",
        "same_log_counted_twice",
        "distributed_without_locking_members",
        "dust_is_dropped",
        "payment_counted_by_delivery",
        "payment_counted_by_body",
    ],
    "an operator cannot pay twice either": [
        "retried_while_an_order_can_be_funded",
        "batch_retried_in_any_state",
        "released_after_a_nonce_was_used",
        "paid_order_given_up",
        "request_retried_in_any_state",
        "payment_retried_in_any_state",
    ],
    "a message is kept with what it tells of, under one name": [
        "message_kept_in_another_commit",
        "another_task_name_at_each_try",
    ],
}


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mechanism_that_is_gone_is_noticed(session: Session, mutant: Mutant) -> None:
    noticed = notice(session, mutant, seeds=FEW_SEEDS)
    assert not noticed.missed
    if noticed.first_seed is None:
        return  # its history holds on the real services: test_named_histories
    there = play(session, noticed.first_seed, profile=mutant.profile, settles_within=timedelta(hours=3))
    assert there.failure is None, "with the mechanism in its place nothing is wrong with this seed"


def test_a_mutant_that_changes_nothing_is_missed(session: Session) -> None:
    harmless = Mutant("harmless", "nothing", {"executor.chain": lambda _world, made: made})
    assert notice(session, harmless, seeds=2) == Noticed("harmless", None, None, "", "")


def test_every_mechanism_has_its_mutant() -> None:
    assert sorted(name for names in MECHANISMS.values() for name in names) == sorted(one.name for one in MUTANTS)
    assert len(MUTANTS) >= 20


def test_whatever_masks_a_mutant_is_named_with_its_history() -> None:
    names = {history.name for history in NAMED}
    for mutant in MUTANTS:
        assert (mutant.history is None) == (mutant.masked_by == "")
        assert mutant.history is None or mutant.history in names


def test_a_replacement_is_over_when_its_history_is(session: Session) -> None:
    for mutant in QUICK[::6]:
        before = {name: _attribute(name) for name in mutant.replace if ":" in name}
        play(session, 0, profile=mutant.profile, replace=mutant.replace, settles_within=timedelta(0))
        assert {name: _attribute(name) for name in before} == before


def test_the_verb_tells_how_each_was_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    two = [mutant_named("share_from_the_token"), mutant_named("claimed_after_the_order")]
    assert run_every_mutant(two, as_json=True) is Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["first_seed"], row["history"]) for row in told["mutants"]] == [
        ("share_from_the_token", told["mutants"][0]["first_seed"], None),
        ("claimed_after_the_order", None, "orders_are_written_down_first"),
    ]
    assert told["mutants"][0]["first_seed"] in range(FEW_SEEDS)
    assert told["missed"] == []


def test_the_verb_says_no_when_a_mutant_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = Noticed("claimed_after_the_order", None, None, "", "")
    monkeypatch.setattr(verb, "run_mutants", lambda *_, **__: [missed])
    assert run_every_mutant([], as_json=False) is Exit.NO
    assert "MISSED" in capsys.readouterr().out


def _attribute(name: str) -> Any:
    from importlib import import_module

    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
