"""What strangers and persons do to the wallet: the fleet stops in time, tells it, and pays nothing twice."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from shared.money import Ether
from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World
from tests.simulation.scripts import three_payments

_DONE = re.compile(r"a person does gcpay (\S+)")


def test_somebody_elses_transaction_at_our_nonce_freezes_the_wallet(session: Session) -> None:
    def script(world: World) -> None:
        three_payments(world)
        world.run_for(5)
        world.steals_nonce()
        world.run_for(600)

    ending = play(session, 0, history=History("a stolen nonce", script), listening=True)
    assert ending.failure is None, ending.lines
    told = "\n".join(ending.lines)
    assert "transfer_foreign" in told
    assert "the wallet: account_frozen" in told
    assert "transfer_settled" not in told


@pytest.mark.parametrize("first_seed", [0, 30])
def test_a_stolen_nonce_at_any_time_and_among_all_faults_pays_nothing_twice(session: Session, first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 30):
        ending = play(session, seed, profile=Profile.of_seed(seed).changed(nonce_taken=1000))
        assert ending.failure is None, (seed, ending.failure)


def test_a_wallet_without_money_waits_and_goes_on_after_a_top_up(session: Session) -> None:
    def script(world: World) -> None:
        assert world.is_poor
        three_payments(world)
        world.run_for(300)

    ending = play(session, 0, history=History("a poor wallet", script, Profile(funds_short=1000)), listening=True)
    assert ending.failure is None, ending.lines
    events = [line.split(": ", 1)[1] for line in ending.lines if "    the wallet: " in line]
    assert [event.partition(" ")[0] for event in events] == ["account_opened", "account_low_on_funds", "account_funded"]


def test_while_a_person_pauses_sending_nothing_leaves(session: Session) -> None:
    sent: list[int] = []

    def script(world: World) -> None:
        world.pause("sending", "a person looks at something")
        three_payments(world)
        world.run_for(600)
        sent.append(len(world.node.places) + len(world.node.pool))
        world.resume("sending")
        world.run_for(300)
        sent.append(len(world.node.places))

    assert play(session, 0, history=History("a pause", script)).failure is None
    assert sent[0] == 0
    assert sent[1] > 0


def test_operators_who_try_everything_at_any_moment_pay_nothing_twice(session: Session) -> None:
    told: Counter[str] = Counter()
    for seed in range(40):
        ending = play(session, seed, profile=Profile.of_seed(seed).changed(operators=900), listening=True)
        assert ending.failure is None, (seed, ending.failure)
        told.update(found[1] for line in ending.lines if (found := _DONE.search(line)))
    assert told.keys() >= {"retry", "release", "approve", "pause", "resume"}, told


def test_an_instant_payout_is_paid_beside_a_batch(session: Session) -> None:
    def script(world: World) -> None:
        three_payments(world)
        world.asks_instant(1, Ether.parse("0.02"))
        world.run_for(600)

    ending = play(session, 0, history=History("an instant payout", script), listening=True)
    assert ending.failure is None
    assert any("request of instant-1: request_reported" in line for line in ending.lines), ending.lines
