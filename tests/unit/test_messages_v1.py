"""The predecessor's tokens: its upstream's payouts are read byte for byte, all else that it sealed is refused."""

from __future__ import annotations

import base64
import math
import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from GCHostPay1.settings import ConductorSettings
from shared.lifecycle import Refused
from shared.messages import (
    UPSTREAM_TO_CONDUCTOR,
    InstantPayout,
    Keyring,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
    V1Door,
    V1Window,
    seal,
)
from shared.messages.double import text_of_double
from shared.messages.fields import FieldRuleBroken
from tests.unit.v1_tokens import (
    DEPOSIT,
    INTERNAL,
    INTERNAL_TOKENS,
    ISSUED,
    T1_ONE_AMOUNT,
    T1_TWO_AMOUNTS,
    UPSTREAMS,
    bytes_of,
    sealed,
    written,
)

DOOR = V1Door(V1Window(ISSUED, ISSUED + timedelta(days=30)), lambda: [UPSTREAMS])


def payout(amount_wei: int) -> InstantPayout:
    return InstantPayout("AB12CD34EF56GH78", "613c822e844358", "eth", "eth", amount_wei, DEPOSIT)


def test_the_token_of_october_is_read_byte_for_byte() -> None:
    assert written(0.5) == T1_ONE_AMOUNT
    opened = DOOR.open(T1_ONE_AMOUNT, ISSUED)
    assert (opened.edge, opened.message, opened.issued_at) == (UPSTREAM_TO_CONDUCTOR, payout(5 * 10**17), ISSUED)


def test_the_token_of_december_asks_for_the_amount_with_the_fee_taken_off() -> None:
    assert written(0.5, 0.425) == T1_TWO_AMOUNTS
    opened = DOOR.open(T1_TWO_AMOUNTS, ISSUED)
    assert opened.message == payout(425 * 10**15)
    assert opened.message_id == bytes_of(T1_TWO_AMOUNTS)[-16:], "a repeat has the same id"


@pytest.mark.parametrize("token", [T1_ONE_AMOUNT, T1_TWO_AMOUNTS, *INTERNAL_TOKENS.values()])
def test_while_the_door_is_shut_no_token_of_the_predecessor_is_read(token: str) -> None:
    with pytest.raises(TokenVersionUnsupported, match=r"^v1 tokens are not accepted$"):
        V1Door(None, lambda: [UPSTREAMS]).open(token, ISSUED)


@pytest.mark.parametrize("name", INTERNAL_TOKENS)
def test_the_predecessors_own_tokens_are_foreign(name: str) -> None:
    with pytest.raises(TokenForeign, match="not sealed by the upstream"):
        DOOR.open(INTERNAL_TOKENS[name], ISSUED)


@pytest.mark.parametrize("name", INTERNAL_TOKENS)
def test_not_even_with_the_upstreams_secret_are_they_anything(name: str) -> None:
    with pytest.raises(TokenMalformed) as refused:
        DOOR.open(sealed(bytes_of(INTERNAL_TOKENS[name])[:-16]), ISSUED)
    assert refused.value.field in {"unique_id", "cn_api_id", "from_currency", "from_network", "body", "amount_wei"}


def test_the_upstreams_other_token_which_is_json_and_never_expires_is_no_payout() -> None:
    body = b'{"batch_id": "e0514205-7c3e-4c52-9e1f-8d0f4a1d2b3c", "client_id": "-1001234567890", "amount_usdt": 61.5}'
    with pytest.raises(Refused):
        DOOR.open(sealed(body), ISSUED)


@pytest.mark.parametrize("position", range(0, 101, 4))
def test_one_changed_bit_makes_it_foreign_before_anything_is_parsed(position: int) -> None:
    token = bytearray(bytes_of(T1_ONE_AMOUNT))
    token[position] ^= 1
    with pytest.raises(TokenForeign):
        DOOR.open(base64.urlsafe_b64encode(bytes(token)).decode().rstrip("="), ISSUED)


def test_during_a_rotation_either_secret_opens_and_no_other() -> None:
    secrets: list[bytes] = []
    door = V1Door(DOOR.window, lambda: secrets)  # asked anew for each token
    for secrets[:] in ([UPSTREAMS, b"the one before"], [b"the one after", UPSTREAMS]):
        assert door.open(T1_ONE_AMOUNT, ISSUED).message == payout(5 * 10**17)
    for secrets[:] in ([], [INTERNAL]):
        with pytest.raises(TokenForeign):
            door.open(T1_ONE_AMOUNT, ISSUED)


@pytest.mark.parametrize("late_s", [-5, 0, 300, 7_201, 25 * 3600])
def test_a_token_lives_as_long_as_its_queue_retries(late_s: int) -> None:
    assert DOOR.open(T1_ONE_AMOUNT, ISSUED + timedelta(seconds=late_s)).message == payout(5 * 10**17)


@pytest.mark.parametrize("late_s", [-6, 25 * 3600 + 1])
def test_beyond_it_it_is_expired(late_s: int) -> None:
    with pytest.raises(TokenExpired):
        DOOR.open(T1_ONE_AMOUNT, ISSUED + timedelta(seconds=late_s))


def test_what_was_issued_while_the_predecessor_could_still_pay_is_left_to_a_person() -> None:
    door = V1Door(V1Window(ISSUED + timedelta(seconds=1), ISSUED + timedelta(days=1)), lambda: [UPSTREAMS])
    with pytest.raises(TokenExpired, match="the predecessor may have paid it"):
        door.open(T1_ONE_AMOUNT, ISSUED + timedelta(minutes=1))


def test_the_door_closes_by_itself() -> None:
    late = ISSUED + timedelta(days=30)
    DOOR.open(written(0.5, at=late - timedelta(seconds=1)), late - timedelta(seconds=1))
    with pytest.raises(TokenVersionUnsupported, match="not accepted any more since 2025-12-01"):
        DOOR.open(written(0.5, at=late), late)


@pytest.mark.parametrize(
    ("token", "field"),
    [
        (written(0.5, unique_id=b"batch_e0514205-7"), "unique_id"),
        (written(0.5, unique_id=b""), "unique_id"),
        (written(0.5, unique_id=b"AB\0CD"), "unique_id"),
        (written(0.5, unique_id=b"\xff" * 16), "unique_id"),
        (written(0.5, texts=("", "eth", "eth")), "cn_api_id"),
        (written(0.5, texts=("613c822e844358", "e t", "eth")), "from_currency"),
        (written(), "body"),
        (written(0.5, 0.5, 0.5), "body"),
        (written(0.5, payin_address=DEPOSIT[:-1]), "body"),
        (written(0.5, payin_address="0xZ" + DEPOSIT[3:]), "payin_address"),
        (written(0.0), "amount_wei"),
        (written(-0.0), "amount_wei"),
        (written(0.5, 0.0), "amount_wei"),
        (written(-0.5), "amount_wei"),
        (written(math.inf), "amount_wei"),
        (written(math.nan), "amount_wei"),
        (written(1e-19), "amount_wei"),
        (written(5e-324), "amount_wei"),
        (written(1.7e308), "amount_wei"),
    ],
)
def test_a_genuine_token_that_breaks_a_rule_is_refused_by_field(token: str, field: str) -> None:
    with pytest.raises(TokenMalformed) as refused:
        DOOR.open(token, ISSUED)
    assert refused.value.field == field


@pytest.mark.parametrize("text", ["", "A", "!", "QUIx", T1_ONE_AMOUNT[:60], T1_ONE_AMOUNT + "=", "A" * 5000])
def test_what_is_no_token_at_all_is_malformed(text: str) -> None:
    with pytest.raises(TokenMalformed):
        DOOR.open(text, ISSUED)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_upstreams_secret_seals_is_a_payout_or_refused(signed: bytes) -> None:
    try:
        assert isinstance(DOOR.open(sealed(signed), ISSUED).message, InstantPayout)
    except Refused:
        return


def test_tickers_are_read_in_either_case_because_not_every_writer_lowered_them() -> None:
    message: Any = DOOR.open(written(0.5, texts=("613c822e844358", "ETH", "Eth")), ISSUED).message
    assert (message.from_currency, message.from_network) == ("eth", "eth")


def test_our_own_tokens_are_not_for_this_door_and_all_of_theirs_but_t3_are() -> None:
    keys = Keyring(external=["the upstream's secret"])
    assert not V1Door.is_for(seal(UPSTREAM_TO_CONDUCTOR, payout(1), keys, bytes(16), ISSUED))
    assert not any(V1Door.is_for(other) for other in ("", "A", "=", None, 7, INTERNAL_TOKENS["T3"]))
    theirs = [T1_ONE_AMOUNT, T1_TWO_AMOUNTS, *(token for name, token in INTERNAL_TOKENS.items() if name != "T3")]
    assert all(V1Door.is_for(token) for token in theirs)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T09:00:00Z",
        "2026-12-01T09:00:00/2026-12-15T00:00:00",
        "2026-12-15T00:00:00Z/2026-12-01T09:00:00Z",
        "2026-12-01T09:00:00Z/2027-12-01T09:00:00Z",
        "yes",
        "/",
        "",
    ],
)
def test_a_window_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|Invalid"):
        V1Window.parse(text)


def test_the_setting_is_off_by_default_and_says_what_it_is_for() -> None:
    setting = ConductorSettings.model_fields["accept_v1_tokens"]
    assert setting.default is None
    assert "predecessor" in str(setting.description)
    window = V1Window.parse("2026-12-01T09:00:00Z/2026-12-15T00:00:00+01:00")
    assert window.since == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert window.until == datetime(2026, 12, 14, 23, tzinfo=UTC)


# --- doubles ----------------------------------------------------------------------------------------------------------


def exactly(text: str) -> Fraction:
    digits, _, place = text.partition("e")
    return int(digits) * Fraction(10) ** int(place)


@settings(max_examples=300, deadline=None)
@given(st.floats(min_value=5e-324, allow_infinity=False, allow_nan=False))
def test_a_double_is_read_as_the_shortest_decimal_that_means_it(number: float) -> None:
    text = text_of_double(struct.pack(">d", number))
    assert exactly(text) == Fraction(repr(number)), "Python's repr is the reference, in a test"
    assert float(text) == number


@pytest.mark.parametrize("exponent", [-1074, -1073, -1022, -1021, -52, -1, 0, 1, 52, 53, 54, 1023])
def test_around_powers_of_two_doubles_stand_at_different_distances(exponent: int) -> None:
    for number in (2.0**exponent, math.nextafter(2.0**exponent, 0), math.nextafter(2.0**exponent, math.inf)):
        if 0 < number < math.inf:
            assert exactly(text_of_double(struct.pack(">d", number))) == Fraction(repr(number))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**12))
def test_an_amount_with_the_exchanges_decimals_comes_through_exactly(units: int) -> None:
    amount = f"{units // 10**8}.{units % 10**8:08}"
    assert exactly(text_of_double(struct.pack(">d", float(amount)))) == Fraction(amount)


def test_of_two_decimals_equally_near_the_even_one_is_meant() -> None:
    assert text_of_double(struct.pack(">d", 1041639684438512.75)) == "10416396844385128e-1"


@pytest.mark.parametrize("number", [0.0, -0.0, -1.0, math.inf, -math.inf, math.nan])
def test_what_is_no_amount_is_refused(number: float) -> None:
    with pytest.raises(FieldRuleBroken):
        text_of_double(struct.pack(">d", number))
