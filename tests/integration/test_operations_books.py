"""What only a person can book: each amount once, under one name, and never beyond what the wallet really holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.books import Account, check
from shared.db import Database
from shared.money import Ether, Tether
from shared.ops.acts import NotAllowed
from shared.ops.acts.book import (
    Held,
    Moved,
    book_clients_paid,
    book_discrepancy,
    book_gateway,
    book_opening,
    book_treasury,
)
from shared.sandbox.chain import HOST_WALLET
from tests.integration.operations_world import Operations
from tests.integration.test_fence_across_services import is_paid_once

ONE, TWO = "0x" + "1" * 64, "0x" + "2" * 64


def eth(text: str) -> Ether:
    return Ether.parse(text)


def held(ether: str, tether: str = "0") -> Held:
    return Held(HOST_WALLET.address, 100, eth(ether), Tether.parse(tether))


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> Operations:
    """A fleet whose books are still empty."""
    made = Operations.of(database, database_as)
    with made.owner.transaction() as conn:
        conn.run("delete from book_entry")
        conn.run("delete from posting")
    return made


def stands(world: Operations, account: Account, asset: str = "ETH") -> str:
    with world.owner.read() as conn:
        balances = check(conn, Ether(0), Tether(0)).balances
    amount = balances.eth[account] if asset == "ETH" else balances.usdt[account]
    return str(amount)


def unexplained(world: Operations, at: Held) -> tuple[str, str]:
    with world.owner.read() as conn:
        report = check(conn, at.eth, at.usdt)
    return str(report.eth_unexplained), str(report.usdt_unexplained)


def test_the_opening_is_the_platforms_own_and_explains_the_whole_wallet(world: Operations) -> None:
    done = world.do(book_opening(held("10", "3")))
    assert done.done == ["10 ETH and 3.00 USDT at block 100 are the platform's own"]
    assert (stands(world, Account.WALLET), stands(world, Account.TREASURY)) == ("10 ETH", "-10 ETH")
    assert unexplained(world, held("10", "3")) == ("0 ETH", "0.00 USDT")


def test_a_wallet_is_opened_once_and_not_after_it_was_used(world: Operations) -> None:
    world.do(book_opening(held("10")))
    with pytest.raises(NotAllowed, match="it is in use; what came since"):
        world.do(book_opening(held("10")))


def test_an_empty_wallet_has_no_opening(world: Operations) -> None:
    with pytest.raises(NotAllowed, match="it holds nothing yet"):
        world.do(book_opening(held("0")))


def test_what_the_gateway_handed_over_leaves_its_account_and_a_repeat_books_nothing(world: Operations) -> None:
    world.do(book_opening(held("10")))
    one = Moved(ONE, eth("0.02"))
    world.do(book_gateway([one], held("10.02")))
    assert stands(world, Account.GATEWAY_RECEIVABLE) == "-0.02 ETH"
    assert unexplained(world, held("10.02")) == ("0 ETH", "0.00 USDT")
    with pytest.raises(NotAllowed, match="every transaction was booked before"):
        world.do(book_gateway([one], held("10.02")))
    done = world.do(book_gateway([one, Moved(TWO, eth("0.03")), Moved(TWO, eth("0.03"))], held("10.05")))
    assert done.done == [f"{ONE} was booked before", f"0.03 ETH of {TWO} is booked as gateway_settled"]
    assert stands(world, Account.GATEWAY_RECEIVABLE) == "-0.05 ETH"


def test_a_transaction_that_is_in_the_books_under_another_name_is_refused(world: Operations) -> None:
    world.do(book_treasury([Moved(ONE, eth("1"))], held("2")))
    with pytest.raises(NotAllowed, match="it is treasury_added"):
        world.do(book_gateway([Moved(ONE, eth("1"))], held("2")))


def test_what_the_opening_counted_already_is_refused(world: Operations) -> None:
    world.do(book_opening(held("10")))
    with pytest.raises(
        NotAllowed, match="chain less books is 0 ETH at block 100: a part of it is in the books already"
    ):
        world.do(book_gateway([Moved(ONE, eth("0.02"))], held("10")))
    with pytest.raises(NotAllowed, match=r"chain less books is 1\.00 USDT at block 100"):
        world.do(book_treasury([Moved(ONE, Tether.parse("2"))], held("10", "1")))


def test_usdt_that_clients_got_is_no_longer_owed(world: Operations) -> None:
    world.do(book_opening(held("10", "97")))
    world.do(book_clients_paid([Moved(ONE, Tether.parse("48.5"))], held("10", "48.5")))
    assert stands(world, Account.CLIENTS_OWED, "USDT") == "48.50 USDT"
    assert unexplained(world, held("10", "48.5")) == ("0 ETH", "0.00 USDT")
    with pytest.raises(NotAllowed, match=r"chain less books is 0\.00 USDT"):
        world.do(book_clients_paid([Moved(TWO, Tether.parse("0.000001"))], held("10", "48.5")))


def test_the_fleets_own_transactions_book_themselves(world: Operations) -> None:
    world.a_batch()
    is_paid_once(world.fleet, order_statuses=["adopted"])
    with world.owner.read() as conn:
        own = conn.one("select tx_hash from attempt limit 1")
    assert own is not None
    with pytest.raises(NotAllowed, match="it is an attempt of our own nonce 7"):
        world.do(book_treasury([Moved(own["tx_hash"], eth("1"))], held("100")))


def test_a_discrepancy_is_exactly_what_nothing_explains_either_way(world: Operations) -> None:
    world.do(book_opening(held("10", "5")))
    with pytest.raises(NotAllowed, match="the wallet differs from the books by -1 ETH at this moment"):
        world.do(book_discrepancy(eth("1"), held("9", "5")))
    world.do(book_discrepancy(-eth("1"), held("9", "5")))
    world.do(book_discrepancy(Tether.parse("0.5"), held("9", "5.5")))
    assert unexplained(world, held("9", "5.5")) == ("0 ETH", "0.00 USDT")
    assert (stands(world, Account.DISCREPANCY), stands(world, Account.DISCREPANCY, "USDT")) == ("1 ETH", "-0.50 USDT")
    with pytest.raises(NotAllowed, match="there is none"):
        world.do(book_discrepancy(Ether(0), held("9", "5.5")))


def test_while_a_transfer_is_on_its_way_nobody_can_say_what_is_unexplained(world: Operations) -> None:
    world.a_batch()
    world.fleet.rest()
    assert world.fleet.column("select transfer_status from transfer") == ["included"]
    with pytest.raises(NotAllowed, match="on their way, and the books follow in minutes: try again"):
        world.do(book_discrepancy(-eth("1"), held("9")))
    with pytest.raises(NotAllowed, match="on their way"):
        world.do(book_gateway([Moved(ONE, eth("0.02"))], held("0.01")))


def test_every_booking_is_in_the_chained_log_and_a_rehearsal_is_not(world: Operations) -> None:
    world.do(book_opening(held("10")), yes=False)
    assert stands(world, Account.WALLET) == "0 ETH"
    world.do(book_opening(held("10")))
    assert [(row["action"], row["subject"]) for row in world.log()] == [("book opening", HOST_WALLET.address)]
