"""Postings on the real database: written once, balanced or refused, summed exactly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared.books import (
    Account,
    PostingContradicted,
    batch_ordered,
    check,
    opening_balance,
    payment_received,
    post,
    totals,
    transfer_settled,
    usdt_arrived,
    usdt_distributed,
)
from shared.db import ConstraintViolated, Database, PermissionMissing
from shared.db.roles import SERVICE_ROLES
from shared.money import Ether, Tether

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYMENT = payment_received("p1", Ether(20_000), Ether(3_000), Ether(17_000))


def count(database: Database, table: str) -> int:
    with database.read() as conn:
        row = conn.one(f"select count(*) as n from {table}")
    assert row is not None
    return int(row["n"])


def test_a_posting_is_written_once_and_a_repeat_does_nothing(database: Database) -> None:
    with database.transaction() as conn:
        assert post(conn, PAYMENT, NOW, "t") is True
    for _ in range(2):
        with database.transaction() as conn:
            assert post(conn, PAYMENT, NOW, "t") is False
    assert (count(database, "posting"), count(database, "book_entry")) == (1, 3)


def test_twelve_at_once_write_one(database: Database) -> None:
    results: list[bool] = []
    start = threading.Barrier(6, timeout=10)

    def deliver() -> None:
        start.wait()
        for _ in range(2):
            with database.transaction() as conn:
                results.append(post(conn, PAYMENT, NOW, "t"))

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [False] * 11 + [True]
    assert count(database, "book_entry") == 3


def test_the_same_fact_with_other_amounts_is_broken_and_changes_nothing(database: Database) -> None:
    with database.transaction() as conn:
        post(conn, PAYMENT, NOW, "t")
    with pytest.raises(PostingContradicted) as caught, database.transaction() as conn:
        post(conn, payment_received("p1", Ether(20_000), Ether(2_000), Ether(18_000)), NOW, "t")
    assert (caught.value.event, caught.value.subject) == ("payment_received", "p1")
    with database.read() as conn:
        assert totals(conn).eth[Account.PLATFORM_FEE] == Ether(-3_000)


def test_nothing_is_written_where_nothing_moved(database: Database) -> None:
    empty = batch_ordered("b", received=Ether(4), members=Ether(4), dust_in=Ether(0), dust_out=Ether(0))
    with database.transaction() as conn:
        assert post(conn, empty, NOW, "t") is False
    assert count(database, "posting") == 0


def test_the_database_itself_refuses_what_does_not_balance(database: Database) -> None:
    with pytest.raises(ConstraintViolated) as caught, database.transaction() as conn:
        conn.script(
            """insert into posting (event, subject, trace, at) values ('by_hand', 'x', 't', '2026-01-01');
               insert into book_entry select id, 1, 'ETH', 'wallet', 5 from posting;
               insert into book_entry select id, 2, 'USDT', 'treasury', -5 from posting"""
        )
    assert caught.value.constraint == "posting_balances"
    assert count(database, "posting") == 0


def test_a_temporary_table_does_not_hide_an_unbalanced_posting(database: Database) -> None:
    with pytest.raises(ConstraintViolated) as caught, database.transaction() as conn:
        conn.script(
            """create temporary table book_entry (posting_id bigint, asset text, amount numeric);
               insert into posting (event, subject, trace, at) values ('by_hand', 'x', 't', '2026-01-01');
               insert into public.book_entry select id, 1, 'ETH', 'wallet', 5 from posting"""
        )
    assert caught.value.constraint == "posting_balances"


def test_an_entry_added_to_a_finished_posting_is_refused(database: Database) -> None:
    with database.transaction() as conn:
        post(conn, PAYMENT, NOW, "t")
    with pytest.raises(ConstraintViolated), database.transaction() as conn:
        conn.run("insert into book_entry select id, 9, 'ETH', 'wallet', 1 from posting")
    with database.read() as conn:
        assert totals(conn).eth[Account.WALLET] == Ether(0)


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_every_service_posts_and_none_changes_what_was_posted(
    database_as: Callable[[str], Database], role: str
) -> None:
    database = database_as(role)
    with database.transaction() as conn:
        assert post(conn, PAYMENT, NOW, "t")
        assert not post(conn, PAYMENT, NOW, "t")
    for statement in ("update book_entry set amount = amount + 1", "delete from book_entry", "delete from posting"):
        with pytest.raises(PermissionMissing), database.transaction() as conn:
            conn.run(statement)


def test_the_books_explain_the_wallet_to_the_wei_and_say_what_they_cannot(database: Database) -> None:
    ordered, gas, arrived = Ether(34 * 10**15), Ether(21_000 * 10**9), Tether(97_000_000)
    story = [
        opening_balance("0xwallet", Ether(10**18), Tether(5)),
        payment_received("p1", Ether(40 * 10**15), Ether(6 * 10**15), Ether(34 * 10**15)),
        batch_ordered("b", received=ordered, members=ordered, dust_in=Ether(0), dust_out=Ether(0)),
        transfer_settled("batch_b", ordered, gas),
        usdt_arrived("b", arrived),
        usdt_distributed("b", ordered, arrived),
    ]
    with database.transaction() as conn:
        for posting in story:
            post(conn, posting, NOW, "t")
    chain_eth, chain_usdt = Ether(10**18) - ordered - gas, Tether(5) + arrived
    with database.read() as conn:
        report = check(conn, chain_eth, chain_usdt)
        off = check(conn, chain_eth + Ether(3), chain_usdt - Tether(2))
    assert report.everything_balances
    assert report.as_json() == {
        "eth_sum_wei": "0",
        "usdt_sum": "0.000000",
        "eth_unexplained_wei": "0",
        "usdt_unexplained": "0.000000",
    }
    assert not off.everything_balances
    assert off.as_json()["eth_unexplained_wei"] == "3"
    assert off.as_json()["usdt_unexplained"] == "-0.000002"
    eth, usdt = report.balances.eth, report.balances.usdt
    assert (eth[Account.IN_TRANSIT], eth[Account.CLIENTS_PENDING]) == (Ether(0), Ether(0))
    assert (eth[Account.GAS], eth[Account.PLATFORM_FEE]) == (gas, Ether(-6 * 10**15))
    assert (usdt[Account.CLIENTS_OWED], usdt[Account.IN_TRANSIT]) == (-arrived, Tether(0))


def test_a_posting_that_was_forced_out_of_balance_is_named(database: Database) -> None:
    with database.transaction() as conn:
        post(conn, PAYMENT, NOW, "t")
        conn.script("set constraints all immediate; alter table book_entry disable trigger posting_balances")
        conn.script("update book_entry set amount = amount + 1 where account = 'platform_fee'")
    with database.read() as conn:
        report = check(conn, Ether(0), Tether(0))
    assert len(report.unbalanced_postings) == 1
    assert report.eth_sum == Ether(1)
    assert not report.everything_balances


def test_amounts_larger_than_any_machine_word_are_exact(database: Database) -> None:
    huge = Ether(10**77)
    with database.transaction() as conn:
        post(conn, opening_balance("0xwallet", huge, Tether(0)), NOW, "t")
    with database.read() as conn:
        assert totals(conn).eth[Account.WALLET] == huge
