"""What a batch would order, and for which payments: pure, by id, up to the limit, to the wei."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from GCMicroBatchProcessor.batcher import Terms
from GCMicroBatchProcessor.form_batch import amounts_quoted, amounts_received
from GCMicroBatchProcessor.price_guard import Market, check_order
from GCMicroBatchProcessor.rows import PendingPayment
from GCMicroBatchProcessor.set_aside import why_odd
from shared.money import Ether, Price, Tether, Usd
from tests.integration.batcher_world import TERMS

NOTHING = Ether.zero()
CLIENT = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"


def limited(eth: str, decimals: int = 8) -> Terms:
    return replace(TERMS, guard=replace(TERMS.guard, max_transfer=Ether.parse(eth)), exchange_decimals=decimals)


def received(*eth: str) -> list[PendingPayment]:
    return [
        PendingPayment(number, Usd.parse("1"), Ether.parse(each), CLIENT) for number, each in enumerate(eth, start=1)
    ]


def ids(payments: object) -> list[int]:
    assert isinstance(payments, list | tuple)
    return [payment.payment_id for payment in payments]


def test_received_orders_the_sum_of_what_came() -> None:
    amounts = amounts_received(received("0.02", "0.012", "0.008"), NOTHING, TERMS)
    assert ids(amounts.payments) == [1, 2, 3]
    assert (amounts.ordered, amounts.dust_out) == (Ether.parse("0.04"), NOTHING)
    assert amounts.worth == Usd.parse("3")


def test_received_cuts_to_the_exchanges_decimals_and_carries_the_rest() -> None:
    amounts = amounts_received(received("0.020000009", "0.020000009"), Ether(3), TERMS)
    assert amounts.ordered == Ether.parse("0.04000001")
    assert amounts.dust_out == Ether.parse("0.000000008") + Ether(3)
    whole = amounts_received(received("0.02", "1"), NOTHING, limited("5", decimals=0))
    assert (whole.ordered, whole.dust_out) == (Ether.parse("1"), Ether.parse("0.02"))


def test_received_takes_the_first_by_id_up_to_the_limit_and_skips_nobody_who_fits_later() -> None:
    amounts = amounts_received(received("0.02", "0.02", "0.03", "0.001"), NOTHING, limited("0.05"))
    assert ids(amounts.payments) == [1, 2], "the fourth would fit, but the third was first"


def test_received_sets_aside_what_can_never_fit_and_goes_on() -> None:
    amounts = amounts_received(received("0.06", "0.02", "0.05", "0.07"), NOTHING, limited("0.05"))
    assert ids(amounts.payments) == [2]
    assert ids(amounts.too_large) == [1], "what comes after the limit is reached is looked at next time"


def test_received_stops_at_a_payment_of_which_nobody_said_what_came() -> None:
    pending = [
        *received("0.02"),
        PendingPayment(2, Usd.parse("1"), None, CLIENT),
        PendingPayment(3, Usd.parse("1"), Ether(1), CLIENT),
    ]
    assert ids(amounts_received(pending, NOTHING, TERMS).payments) == [1]


def test_nothing_pending_orders_nothing() -> None:
    for amounts in (amounts_received([], Ether(5), TERMS), amounts_quoted([], Price(2_425, 0), TERMS)):
        assert not amounts.payments
        assert not amounts.member_wei
        assert amounts.ordered == NOTHING
        assert amounts.worth == Usd.zero()


def test_quoted_never_orders_above_the_limit_and_sets_aside_what_alone_is_above() -> None:
    pending = [
        PendingPayment(number, Usd.parse(usd), None, CLIENT)
        for number, usd in enumerate(("130", "48.5", "48.5", "1"), 1)
    ]
    amounts = amounts_quoted(pending, Price(2_425, 0), limited("0.04"))
    assert (ids(amounts.payments), ids(amounts.too_large)) == ([2, 3], [1])
    assert amounts.ordered == Ether.parse("0.04")


def test_the_guard_is_asked_with_these_amounts() -> None:
    amounts = amounts_received([PendingPayment(1, Usd.parse("100"), Ether.parse("0.04"), CLIENT)], NOTHING, TERMS)
    market = Market(Price(2_500, 0), Tether.parse("97"), Ether.parse("0.05"), None, NOTHING)
    held = check_order(amounts.ordered, amounts.worth, market, TERMS.guard)
    assert held is not None
    assert held.code == "below_exchange_minimum"
    assert check_order(amounts.ordered, amounts.worth, replace(market, minimum=Ether(1)), TERMS.guard) is None


nets = st.lists(st.integers(min_value=1, max_value=10**18), max_size=12)
weights = st.lists(st.integers(min_value=0, max_value=10**9), max_size=12)
dusts = st.integers(min_value=0, max_value=10**10 - 1)
decimals = st.integers(min_value=0, max_value=18)
limits_wei = st.integers(min_value=1, max_value=3 * 10**18)


@given(nets=nets, dust=dusts, decimals=decimals, limit=limits_wei)
def test_received_accounts_for_every_wei(nets: list[int], dust: int, decimals: int, limit: int) -> None:
    terms = replace(TERMS, exchange_decimals=decimals, guard=replace(TERMS.guard, max_transfer=Ether(limit)))
    pending = [PendingPayment(number, Usd(1), Ether(net), CLIENT) for number, net in enumerate(nets)]
    amounts = amounts_received(pending, Ether(dust), terms)
    assert Ether.total(amounts.member_wei) + Ether(dust) == amounts.ordered + amounts.dust_out
    assert [payment.net for payment in amounts.payments] == list(amounts.member_wei)
    assert Ether(0) <= amounts.dust_out < Ether(10 ** (18 - decimals))
    if amounts.payments:
        assert amounts.ordered <= Ether(limit)
    looked_at = ids(amounts.payments) + ids(amounts.too_large)
    assert sorted(looked_at) == list(range(len(looked_at))), "a prefix, nobody is passed over"


@given(weights=weights, decimals=decimals, answer=st.integers(min_value=10**6, max_value=10**13), limit=limits_wei)
def test_quoted_members_sum_to_the_order(weights: list[int], decimals: int, answer: int, limit: int) -> None:
    terms = replace(TERMS, exchange_decimals=decimals, guard=replace(TERMS.guard, max_transfer=Ether(limit)))
    pending = [PendingPayment(number, Usd(weight), None, CLIENT) for number, weight in enumerate(weights)]
    amounts = amounts_quoted(pending, Price(answer, 8), terms)
    if amounts.payments and amounts.worth.is_positive():
        assert Ether.total(amounts.member_wei) == amounts.ordered
    assert amounts.ordered <= Ether(limit)
    assert (amounts.dust_in, amounts.dust_out) == (NOTHING, NOTHING)
    assert all(not wei.is_negative() for wei in amounts.member_wei)


def worth_100(number: int, eth: str, wallet: str = CLIENT) -> PendingPayment:
    return PendingPayment(number, Usd.parse("100"), Ether.parse(eth), wallet)


def odd(*payments: PendingPayment, terms: Terms = TERMS) -> list[int]:
    return ids(list(why_odd(payments, Price(2_500, 0), terms)))


def test_a_payment_is_odd_beyond_its_band_on_either_side_and_not_at_the_edge() -> None:
    good, edges = worth_100(1, "0.04"), (worth_100(2, "0.02"), worth_100(3, "0.06"))
    assert odd(good, *edges) == []
    below, above = worth_100(4, "0.019999999999999999"), worth_100(5, "0.0600000004")
    assert odd(good, *edges, below, above) == [4, 5]
    (reason,) = why_odd([good, worth_100(2, "0.4")], Price(2_500, 0), TERMS).values()
    assert "0.4 ETH is worth 1000.00 USD" in reason
    assert "reported as 100.00 USD: 900.00 % apart, allowed 50 %" in reason


def test_when_more_than_half_are_far_off_it_is_not_the_payments_that_are_odd() -> None:
    good, bad = worth_100(1, "0.04"), [worth_100(number, "0.4") for number in (2, 3)]
    assert odd(good, bad[0]) == [2]
    assert odd(good, *bad) == []
    assert odd(bad[0]) == []


def test_an_address_of_ours_is_odd_whatever_else_is() -> None:
    wallets = (TERMS.payout_address, TERMS.refund_address.lower(), TERMS.usdt_contract_address.upper(), "0x" + "0" * 40)
    ours = [worth_100(number, "0.4", wallet) for number, wallet in enumerate(wallets, 2)]
    assert odd(worth_100(1, "0.04"), *ours) == [2, 3, 4, 5]


def test_funding_quoted_asks_no_payment_what_its_ether_is_worth() -> None:
    quoted = replace(TERMS, funding="quoted")
    assert odd(worth_100(1, "0.04"), worth_100(2, "0.4"), terms=quoted) == []
    assert odd(worth_100(1, "0.04", TERMS.payout_address), terms=quoted) == [1]


def test_a_payment_that_weighs_nothing_has_no_band() -> None:
    assert odd(worth_100(1, "0.04"), PendingPayment(2, Usd.zero(), Ether(1), CLIENT)) == []
