"""Clients' refusals are sorted by their own words, so that timers know what to expect; unknown stays unknown."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chain.advice import ADVICE, Pace
from shared.chain.answers import classify, gist
from shared.chain.port import AnswerKind

FIXTURES = Path(__file__).parent / "fixtures" / "answers"
CLIENTS = ("anvil", "besu", "erigon", "geth", "hosts", "nethermind", "reth")
SENT = [kind for kind in AnswerKind if kind is not AnswerKind.REVERTED]


@dataclass(frozen=True)
class Answer:
    """One line of a fixture."""

    client: str
    code: int
    message: str
    kind: AnswerKind


def answers() -> list[Answer]:
    return [
        Answer(client, line["code"], line["message"], AnswerKind(line["kind"]))
        for client in CLIENTS
        for line in json.loads((FIXTURES / f"{client}.json").read_text())["answers"]
    ]


@pytest.mark.parametrize("answer", answers(), ids=lambda one: f"{one.client}: {one.message[:60]}")
def test_every_clients_words_mean_what_its_source_says(answer: Answer) -> None:
    assert classify(answer.message, answer.code) is answer.kind


@pytest.mark.parametrize("client", CLIENTS)
def test_a_fixture_says_where_each_text_stands_and_what_nobody_confirmed(client: str) -> None:
    told = json.loads((FIXTURES / f"{client}.json").read_text())
    assert told["client"] == client
    assert told["read"]
    assert all(line["stands"] for line in told["answers"])
    unconfirmed = [line["message"] for line in told["answers"] if not line["confirmed"]]
    assert bool(unconfirmed) <= bool(told["not_confirmed"])
    assert max(Counter((line["code"], line["message"]) for line in told["answers"]).values()) == 1


def test_every_kind_but_success_is_said_by_some_client() -> None:
    assert {answer.kind for answer in answers()} == set(AnswerKind) - {AnswerKind.ACCEPTED}


@pytest.mark.parametrize("answer", answers(), ids=lambda one: f"{one.client}: {one.message[:60]}")
def test_a_text_means_the_same_in_capitals_and_behind_a_hosts_prefix(answer: Answer) -> None:
    assert classify(answer.message.upper(), answer.code) is answer.kind
    assert classify(f"upstream said: {answer.message}", answer.code) is answer.kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "we do not know whether it is already known by others",
        "already known to be bad, dropped",
        "this nonce too low? try a higher one",
        "block already known",
        "authority nonce too low",
        "max fee per blob gas less than block blob gas fee",
        "Server error",
        "<html>502 Bad Gateway</html>",
    ],
)
def test_what_nobody_has_seen_stays_unknown(text: str) -> None:
    assert classify(text, -32000) is AnswerKind.UNKNOWN


@pytest.mark.parametrize("reason", ["nonce too low", "already known", "insufficient funds", "txpool is full"])
def test_a_contracts_own_words_are_never_taken_for_the_nodes(reason: str) -> None:
    assert classify(f"execution reverted: {reason}", 3) is AnswerKind.REVERTED
    assert classify(f"execution reverted: {reason}") is AnswerKind.REVERTED


@pytest.mark.parametrize("code", [-32000, -32001, -32003, -32005, -32007, -32010, -32602, -32603, None])
def test_a_code_that_clients_share_says_nothing_alone(code: int | None) -> None:
    assert classify("", code) is AnswerKind.UNKNOWN


def test_a_code_of_its_own_is_enough() -> None:
    assert classify("in any words", -38010) is AnswerKind.NONCE_TOO_LOW
    assert classify("in any words", 429) is AnswerKind.RATE_LIMITED


@given(st.text(max_size=200), st.none() | st.integers(-33_000, 500))
def test_any_text_has_exactly_one_kind_and_is_never_taken_for_success(text: str, code: int | None) -> None:
    assert classify(text, code) is not AnswerKind.ACCEPTED


# --- what it lets the executor do -----------------------------------------------------------------------------------


def test_every_kind_has_its_advice_and_a_reason() -> None:
    assert set(ADVICE) == set(AnswerKind)
    assert all(advice.why.endswith(".") for advice in ADVICE.values())


def test_unknown_changes_nothing() -> None:
    unknown = ADVICE[AnswerKind.UNKNOWN]
    assert {unknown.look, unknown.repeat, unknown.bump} == {Pace.USUAL}
    assert (unknown.reserve, unknown.tell) == (True, False)


def test_only_a_price_that_is_too_low_or_a_full_pool_brings_a_bump_forward() -> None:
    sooner = {kind for kind, advice in ADVICE.items() if advice.bump is Pace.SOONER}
    assert sooner == {AnswerKind.FEE_TOO_LOW, AnswerKind.POOL_FULL}


def test_a_used_nonce_and_a_nonce_that_another_holds_are_looked_at_at_once() -> None:
    sooner = {kind for kind, advice in ADVICE.items() if advice.look is Pace.SOONER}
    assert sooner == {AnswerKind.NONCE_TOO_LOW, AnswerKind.UNDERPRICED, AnswerKind.SENDER_RESERVED}


def test_the_gist_of_a_send_is_what_tells_most() -> None:
    assert gist([]) is AnswerKind.UNKNOWN
    assert gist([AnswerKind.UNKNOWN, AnswerKind.ACCEPTED]) is AnswerKind.ACCEPTED
    assert gist([AnswerKind.FEE_OVER_NODE_CAP, AnswerKind.ACCEPTED]) is AnswerKind.ACCEPTED
    assert gist([AnswerKind.ACCEPTED, AnswerKind.NONCE_TOO_LOW]) is AnswerKind.NONCE_TOO_LOW
    assert gist([AnswerKind.RATE_LIMITED, AnswerKind.FEE_TOO_LOW]) is AnswerKind.FEE_TOO_LOW


@given(st.lists(st.sampled_from(SENT)))
def test_the_gist_does_not_depend_on_the_order_of_the_providers(kinds: list[AnswerKind]) -> None:
    assert gist(kinds) is gist(list(reversed(kinds)))
