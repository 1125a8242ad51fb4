"""What each fact does to the books, without a database."""

from __future__ import annotations

import re

import pytest

from shared.books import (
    Account,
    Posting,
    UnbalancedPosting,
    batch_ordered,
    batch_released,
    clients_paid,
    discrepancy_booked,
    gateway_settled,
    instant_finished,
    opening_balance,
    payment_received,
    postings,
    refund_returned,
    transfer_gas_spent,
    transfer_settled,
    usdt_arrived,
    usdt_distributed,
)
from shared.money import Ether, Tether

A = Account


def eth(posting: Posting) -> dict[Account, int]:
    return {e.account: e.amount.base_units for e in posting.entries if isinstance(e.amount, Ether)}


def usdt(posting: Posting) -> dict[Account, int]:
    return {e.account: e.amount.base_units for e in posting.entries if isinstance(e.amount, Tether)}


def test_a_payment_is_owed_to_its_client_less_the_fee() -> None:
    posting = payment_received("4479119533", Ether(20_000), Ether(3_000), Ether(17_000))
    assert (posting.event, posting.subject) == ("payment_received", "4479119533")
    assert eth(posting) == {A.GATEWAY_RECEIVABLE: 20_000, A.CLIENTS_PENDING: -17_000, A.PLATFORM_FEE: -3_000}


def test_a_payment_whose_parts_do_not_add_up_is_not_a_posting() -> None:
    with pytest.raises(UnbalancedPosting, match="off by 1 base units of ETH"):
        payment_received("x", Ether(20_001), Ether(3_000), Ether(17_000))


def test_a_fee_of_zero_leaves_no_line() -> None:
    assert A.PLATFORM_FEE not in eth(payment_received("x", Ether(5), Ether(0), Ether(5)))


def test_what_the_wallet_held_is_the_platforms_capital() -> None:
    posting = opening_balance("0xabc", Ether(7), Tether(9))
    assert eth(posting) == {A.WALLET: 7, A.TREASURY: -7}
    assert usdt(posting) == {A.WALLET: 9, A.TREASURY: -9}


def test_the_gateways_transfer_settles_what_it_owes() -> None:
    assert eth(gateway_settled("0xtx", Ether(7))) == {A.WALLET: 7, A.GATEWAY_RECEIVABLE: -7}


def test_a_batch_of_received_wei_without_dust_moves_nothing() -> None:
    posting = batch_ordered("b", received=Ether(40), members=Ether(40), dust_in=Ether(0), dust_out=Ether(0))
    assert posting.entries == ()


def test_dust_cut_off_an_order_is_carried_and_dust_carried_in_is_used() -> None:
    cut = batch_ordered("b", received=Ether(47), members=Ether(47), dust_in=Ether(0), dust_out=Ether(7))
    assert eth(cut) == {A.CLIENTS_PENDING: 7, A.DUST: -7}
    used = batch_ordered("c", received=Ether(43), members=Ether(43), dust_in=Ether(7), dust_out=Ether(0))
    assert eth(used) == {A.CLIENTS_PENDING: -7, A.DUST: 7}


def test_a_quoted_batch_is_advanced_by_the_treasury_against_what_came_in() -> None:
    posting = batch_ordered("b", received=Ether(30), members=Ether(47), dust_in=Ether(3), dust_out=Ether(0))
    assert eth(posting) == {A.CLIENTS_PENDING: 30 - 50, A.DUST: 3, A.TREASURY: 17}


def test_after_the_claim_clients_pending_holds_exactly_the_ordered_wei() -> None:
    for received, members, dust_in, dust_out in [(40, 40, 0, 0), (47, 47, 0, 7), (0, 47, 3, 5), (60, 47, 3, 5)]:
        brought = payment_received("p", Ether(received), Ether(0), Ether(received))
        claim = batch_ordered(
            "b", received=Ether(received), members=Ether(members), dust_in=Ether(dust_in), dust_out=Ether(dust_out)
        )
        pending = eth(brought).get(A.CLIENTS_PENDING, 0) + eth(claim).get(A.CLIENTS_PENDING, 0)
        assert -pending == members + dust_in - dust_out


def test_a_released_batch_reverses_its_claim() -> None:
    amounts = {"received": Ether(30), "members": Ether(47), "dust_in": Ether(3), "dust_out": Ether(5)}
    claim, release = batch_ordered("b", **amounts), batch_released("b", **amounts)
    assert eth(release) == {account: -wei for account, wei in eth(claim).items()}
    assert release.event != claim.event


def test_a_settled_transfer_leaves_the_wallet_with_its_gas() -> None:
    assert eth(transfer_settled("u", Ether(100), Ether(3))) == {A.WALLET: -103, A.IN_TRANSIT: 100, A.GAS: 3}


def test_a_transfer_without_effect_costs_its_gas_only() -> None:
    assert eth(transfer_gas_spent("u", Ether(3))) == {A.WALLET: -3, A.GAS: 3}


def test_usdt_is_in_the_wallet_when_seen_and_the_clients_when_shared_out() -> None:
    arrived = usdt_arrived("b", Tether(97))
    shared = usdt_distributed("b", Ether(40), Tether(97))
    assert usdt(arrived) == {A.WALLET: 97, A.IN_TRANSIT: -97}
    assert usdt(shared) == {A.IN_TRANSIT: 97, A.CLIENTS_OWED: -97}
    assert eth(shared) == {A.IN_TRANSIT: -40, A.CLIENTS_PENDING: 40}


def test_an_instant_payout_is_the_platforms_money() -> None:
    assert eth(instant_finished("u", Ether(5))) == {A.TREASURY: 5, A.IN_TRANSIT: -5}


def test_what_a_refund_falls_short_of_is_the_platforms_cost() -> None:
    assert eth(refund_returned("u", Ether(40), Ether(38))) == {A.WALLET: 38, A.EXCHANGE_COST: 2, A.IN_TRANSIT: -40}


def test_usdt_paid_to_a_client_is_owed_no_more() -> None:
    assert usdt(clients_paid("0xtx", Tether(5))) == {A.CLIENTS_OWED: 5, A.WALLET: -5}


def test_a_discrepancy_may_go_either_way() -> None:
    assert eth(discrepancy_booked("note 1", Ether(-5))) == {A.WALLET: -5, A.DISCREPANCY: 5}
    assert usdt(discrepancy_booked("note 2", Tether(5))) == {A.WALLET: 5, A.DISCREPANCY: -5}


def test_assets_never_balance_each_other() -> None:
    with pytest.raises(UnbalancedPosting):
        Posting.of("e", "s", (A.WALLET, Ether(5)), (A.TREASURY, Tether(-5)))


def test_the_table_of_facts_lists_every_fact_and_every_account() -> None:
    table = postings.__doc__ or ""
    facts = {
        name
        for name, item in vars(postings).items()
        if callable(item) and getattr(item, "__module__", "") == postings.__name__
    }
    assert set(re.findall(r"(?m)^\| (\w+_\w+) ", table)) == facts
    assert all(account.value in table for account in Account)
