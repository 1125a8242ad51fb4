"""A database that is set back to any earlier moment pays nothing twice, and comes back to what really happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from GCHostPay3 import store
from GCHostPay3.approvals import approve_cancel, approve_void
from GCHostPay3.copies import keep_copies, note_copy
from GCHostPay3.observe import PastUnknown
from GCHostPay3.void import make_void
from shared.archive import ArchiveUnavailable, CopyUnreadable, HashChainedArchive
from shared.books import batch_ordered, post
from shared.chain import LocalSigner, TransferFields
from shared.lifecycle import TransferState
from shared.messages import VoidTransfer
from shared.money import Ether
from shared.ops.recovery import AccountNotFrozen, AccountUnknown
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from tests.conftest import Postgres
from tests.integration.executor_world import DEPOSIT, LIMITS, SOME_ETH
from tests.integration.restore_world import FIRST_NONCE, STAGES, Batch, Timeline

WALLET = HOST_WALLET.address
OTHER_DEPOSIT = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
# Up to here the database does not have the bytes that left afterwards.
BEFORE_SIGNED = STAGES[: STAGES.index("signed")]
AFTER_SENT = STAGES[STAGES.index("live") :]


@pytest.fixture
def line(postgres: Postgres) -> Iterator[Timeline]:
    timeline = Timeline(postgres)
    yield timeline
    timeline.close()


class Stopped(Exception):
    """The process that recovers ends here."""


def an_opened_account(line: Timeline) -> None:
    """A batch that was paid long ago, so that the account is known in every backup."""
    line.bring(Batch(amount=Ether(10**16), to=OTHER_DEPOSIT), "settled")


def frozen(line: Timeline) -> bool:
    return bool(line.world.account()["account_status"] == "frozen")


def batching_is_paused(line: Timeline) -> bool:
    rows = line.world.rows("select expires_at from pause where stage = 'batching'")
    return any(row["expires_at"] is None or row["expires_at"] > line.world.now for row in rows)


def goes_on_to_its_end(line: Timeline) -> None:
    """The executor drives by itself, after the recovery as before."""
    line.world.wait(600)
    line.world.sweep()
    line.world.run_to_the_end()


def paid_once(line: Timeline, batch: Batch) -> None:
    (paid,) = line.chain.transactions_to(batch.to)
    assert paid.value_wei == batch.amount.wei
    assert line.world.state(batch.order) == "settled"
    assert line.payments(batch) == {("swapping", batch.batch_id)}
    row = line.world.rows(
        """select o.order_status, r.request_status, b.conversion_status,
                  t.order_id = o.id and r.order_id = o.id as bound
             from transfer t
             join exchange_order o on o.cn_api_id = t.cn_api_id
             join hostpay_request r on r.unique_id = t.unique_id
             join batch_conversions b on b.batch_conversion_id = t.batch_conversion_id
            where t.unique_id = :id""",
        id=batch.unique_id,
    )[0]
    assert dict(row) == {
        "order_status": "adopted",
        "request_status": "paying",
        "conversion_status": "swapping",
        "bound": True,
    }
    assert (
        line.world.rows("select 1 from batch_member where batch_conversion_id = :id and live", id=batch.batch_id) != []
    )
    assert {"settled"} == {final.outcome for final in line.world.finals if final.unique_id == batch.unique_id}
    in_transit = "select sum(amount) as s from book_entry where account = 'in_transit' and asset = 'ETH'"
    others = sum(one.value_wei for one in line.chain.transactions_to(OTHER_DEPOSIT) if batch.to != OTHER_DEPOSIT)
    assert line.world.value(in_transit) == batch.amount.wei + others
    pending = "select coalesce(sum(amount), 0) as s from book_entry where account = 'clients_pending'"
    assert line.world.value(pending) == -(batch.amount.wei + others)


@pytest.mark.parametrize("reached", ["live", "settled"])
@pytest.mark.parametrize("stage", BEFORE_SIGNED)
def test_a_database_set_back_to_before_the_bytes_is_stopped_rebuilt_and_pays_nothing_again(
    line: Timeline, stage: str, reached: str
) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, stage)
    backup = line.backup()
    line.bring(batch, reached, stage)
    line.restore(backup)

    line.world.drive()
    assert frozen(line)
    assert batching_is_paused(line)
    line.world.drive()
    assert len(line.chain.transactions_to(batch.to)) == (1 if reached == "settled" else 0)
    sent = len(line.chain.sent)

    before = line.everything()
    rehearsed = line.recover(dry_run=True)
    assert (rehearsed.unexplained, rehearsed.resumed) == ([], False)
    assert rehearsed.done
    assert line.everything() == before

    report = line.recover()
    assert (report.unexplained, report.resumed) == ([], True)
    assert report.done == rehearsed.done
    assert len(line.chain.sent) == sent
    assert line.world.account()["account_status"] == "active"
    assert line.world.account()["next_nonce"] == FIRST_NONCE + 2
    assert not batching_is_paused(line)
    assert "account_recovered" in line.world.alerts()
    goes_on_to_its_end(line)
    paid_once(line, batch)
    assert not frozen(line)


@pytest.mark.parametrize("stage", ["payments", "paying", "reserved"])
def test_a_pay_order_that_comes_first_after_a_restore_finds_the_account_frozen(line: Timeline, stage: str) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, stage)
    backup = line.backup()
    line.bring(batch, "live", stage)
    line.restore(backup)
    other = line.world.a_payable_order(to=OTHER_DEPOSIT)
    taken = line.world.pay(other)
    assert frozen(line)
    assert taken.state is TransferState.CREATED
    assert "archive holds 1 signed transaction" in str(taken.reason)
    sent = len(line.chain.sent)
    line.world.run_to_the_end()
    assert len(line.chain.sent) == sent
    assert line.world.state(other) == "created"


def test_bytes_that_no_block_has_yet_stop_a_database_that_does_not_know_them(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "paying")
    backup = line.backup()
    line.chain.drop_sends = True
    line.bring(batch, "live", "paying")
    line.chain.drop_sends = False
    line.restore(backup)
    assert line.chain.nonce_at(WALLET, line.chain.agreed_finalized()) == line.world.account()["next_nonce"]
    line.world.pay(batch.order)
    assert frozen(line)
    assert line.recover().resumed
    goes_on_to_its_end(line)
    paid_once(line, batch)
    (paid,) = line.chain.transactions_to(batch.to)
    assert paid.tx_hash == line.archive.read(WALLET, CHAIN_ID)[-1].tx_hash


@pytest.mark.parametrize("reached", ["live", "settled"])
def test_a_database_set_back_to_signed_bytes_sends_the_same_bytes_or_freezes(line: Timeline, reached: str) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "signed")
    backup = line.backup()
    line.bring(batch, reached, "signed")
    line.restore(backup)
    line.world.drive()
    assert frozen(line) == (reached == "settled")
    if reached == "settled":
        assert line.recover().resumed
    goes_on_to_its_end(line)
    paid_once(line, batch)
    assert len({bytes(raw) for raw in line.chain.sent}) == 2


@pytest.mark.parametrize("stage", AFTER_SENT)
def test_a_database_set_back_to_after_the_send_goes_on_by_itself(line: Timeline, stage: str) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, stage)
    backup = line.backup()
    line.bring(batch, "settled", stage)
    line.restore(backup)
    line.world.drive()
    assert not frozen(line)
    goes_on_to_its_end(line)
    assert len(line.chain.transactions_to(batch.to)) == 1
    assert line.world.state(batch.order) == "settled"
    with pytest.raises(AccountNotFrozen):
        line.recover()


def test_a_database_in_which_the_account_does_not_exist_is_stopped_at_its_first_pay_order(line: Timeline) -> None:
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    with pytest.raises(AccountUnknown):
        line.recover()
    other = line.world.a_payable_order(to=OTHER_DEPOSIT)
    line.world.pay(other)
    assert frozen(line)
    assert line.recover().resumed
    assert line.world.account()["next_nonce"] == FIRST_NONCE + 1
    goes_on_to_its_end(line)
    assert line.world.state(batch.order) == "settled"
    assert line.world.state(other) == "settled"
    assert len(line.chain.transactions_to(batch.to)) == 1


def test_a_sweep_notices_a_restore_although_nothing_is_open_and_stops_the_batcher(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    line.world.sweep()
    assert frozen(line)
    assert batching_is_paused(line)


@pytest.mark.parametrize("stage", ["paying", "created"])
def test_a_fence_that_a_restored_database_asks_for_is_not_promised_while_the_past_is_unknown(
    line: Timeline, stage: str
) -> None:
    """Else the batch would open a second order although the first one's bytes are out."""
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, stage)
    backup = line.backup()
    line.bring(batch, "settled", stage)
    line.restore(backup)
    with pytest.raises(PastUnknown):
        make_void(line.world.x, VoidTransfer(batch.unique_id, batch.cn_api_id), line.world.task())
    if stage == "created":
        with pytest.raises(PastUnknown):
            approve_void(line.world.x, batch.unique_id, "bob", "too late", line.world.task())
    assert frozen(line)
    assert line.recover().resumed
    goes_on_to_its_end(line)
    paid_once(line, batch)
    assert make_void(line.world.x, VoidTransfer(batch.unique_id, batch.cn_api_id), line.world.task()) is (
        TransferState.SETTLED
    )


def test_a_transfer_that_was_voided_before_the_restore_was_noticed_is_found_sent(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "created")
    backup = line.backup()
    line.bring(batch, "settled", "created")
    line.restore(backup)
    line.world.write("update transfer set transfer_status = 'void' where unique_id = :id", id=batch.unique_id)
    line.world.drive()
    assert line.recover().resumed
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_bytes_without_a_copy_are_not_sent_even_if_somebody_stored_them_in_between(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "signed")
    with line.world.x.db.transaction() as conn:
        row = conn.one("select tx_hash from attempt order by nonce desc limit 1")
        assert row is not None
        (attempt,) = [
            one
            for one in line.world.attempts()
            if one["tx_hash"] == row["tx_hash"] and not one["first_send_started_at"]
        ]
    with line.world.x.db.transaction() as conn:
        transfer = store.lock_transfer(conn, batch.unique_id)
        assert transfer is not None
        stored = store.attempts(conn, transfer, store.lock_slot(conn, batch.unique_id))[-1]
        assert stored.tx_hash == attempt["tx_hash"]
        assert not note_copy(conn, stored, {})
    kept = keep_copies(line.world.x, transfer, line.world.task())
    assert set(kept) == {attempt["tx_hash"]}
    with line.world.x.db.transaction() as conn:
        assert note_copy(conn, stored, kept)


# --- the batch leg ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", ["claimed", "adopted", "checking", "paying", "created"])
def test_a_new_batch_over_payments_that_were_paid_is_taken_back(line: Timeline, theirs: str) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    again = Batch(refs=batch.refs, to=OTHER_DEPOSIT)
    line.bring(again, theirs, "payments")
    line.world.drive()
    assert frozen(line)
    report = line.recover()
    assert report.unexplained == []
    assert any(str(again.batch_id) in done for done in report.done)
    goes_on_to_its_end(line)
    rows = line.world.rows(
        "select conversion_status from batch_conversions where batch_conversion_id = :id", id=again.batch_id
    )
    assert [row["conversion_status"] for row in rows] == ["released"]
    assert not line.world.rows("select 1 from batch_member where batch_conversion_id = :id and live", id=again.batch_id)
    orders = line.world.rows(
        "select order_status from exchange_order where batch_conversion_id = :id", id=again.batch_id
    )
    assert {row["order_status"] for row in orders} <= {"abandoned", "unknown"}
    requests = line.world.rows(
        "select request_status from hostpay_request where batch_conversion_id = :id", id=again.batch_id
    )
    assert {row["request_status"] for row in requests} <= {"abandoned"}
    if theirs == "created":
        assert line.world.state(again.order) == "void"
        assert line.world.pay(again.order).state is TransferState.VOID
    assert len(line.chain.transactions_to(OTHER_DEPOSIT)) == 1, "the old batch's, and nothing of the new one"
    assert len(line.chain.transactions_to(batch.to)) == 1
    assert line.payments(batch) == {("swapping", batch.batch_id)}
    assert line.world.value("select coalesce(sum(amount), 0) as s from book_entry where asset = 'ETH'") == 0


def test_another_order_that_was_opened_for_the_batch_after_the_restore_is_given_up(line: Timeline) -> None:
    """The sweep calls the attempt unclear, opens a second one, and has it paid; the first one was paid long ago."""
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "claimed")
    backup = line.backup()
    line.bring(batch, "settled", "claimed")
    line.restore(backup)
    second = replace(batch, cn_api_id="the-second", to=OTHER_DEPOSIT)
    line.world.write(
        "update exchange_order set order_status = 'unknown' where batch_conversion_id = :b", b=batch.batch_id
    )
    line.world.write(
        """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
               from_network, to_currency, to_network, amount_wei, payout_address, key_alias, created_at, updated_at)
           values ('batch', :b, 2, 'sending', 'eth', 'eth', 'usdt', 'eth', :amount, :payout, 'primary', :now, :now)""",
        b=batch.batch_id,
        amount=batch.amount.wei,
        payout=WALLET,
        now=line.world.now,
    )
    line.bring(second, "created", "claimed")
    line.world.drive()
    assert frozen(line)
    assert line.recover().unexplained == []
    goes_on_to_its_end(line)
    paid_once(line, batch)
    states = line.world.rows(
        "select order_status from exchange_order where batch_conversion_id = :b order by attempt_no", b=batch.batch_id
    )
    assert [row["order_status"] for row in states] == ["unknown", "abandoned", "adopted"]
    assert len(line.chain.transactions_to(OTHER_DEPOSIT)) == 1


def test_a_batch_that_the_restored_database_gave_up_is_swapping_again(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "claimed")
    backup = line.backup()
    line.bring(batch, "settled", "claimed")
    line.restore(backup)
    line.world.write(
        "update exchange_order set order_status = 'refused' where batch_conversion_id = :b", b=batch.batch_id
    )
    line.world.write("update batch_member set live = false where batch_conversion_id = :b", b=batch.batch_id)
    line.world.write(
        """update payout_accumulation set conversion_status = 'pending', batch_conversion_id = null
            where batch_conversion_id = :b""",
        b=batch.batch_id,
    )
    line.world.write(
        "update batch_conversions set conversion_status = 'released' where batch_conversion_id = :b", b=batch.batch_id
    )
    with line.world.owner.transaction() as conn:
        forward = batch_ordered(
            str(batch.batch_id), received=batch.amount, members=batch.amount, dust_in=Ether(0), dust_out=Ether(0)
        )
        back = type(forward).of(
            "batch_released", str(batch.batch_id), *((e.account, -e.amount) for e in forward.entries)
        )
        post(conn, back, line.world.now, "t")
    line.world.drive()
    assert line.recover().unexplained == []
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_lost_payments_are_waited_for_and_their_batch_is_rebuilt_when_they_are_delivered_again(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    backup = line.backup()
    line.bring(batch, "settled")
    line.restore(backup)
    line.world.drive()
    report = line.recover()
    assert not report.resumed
    assert batch.refs[0] in report.unexplained[0]
    assert frozen(line)
    assert batching_is_paused(line)
    assert "recovery_incomplete" in line.world.alerts()
    for ref in batch.refs:
        line.receive_payment(batch, ref)
    assert line.recover().resumed
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_an_instant_payout_is_rebuilt_with_its_order_and_request(line: Timeline) -> None:
    an_opened_account(line)
    backup = line.backup()
    order = line.world.a_payable_order(context="instant")
    line.world.pay(order)
    line.world.run_to_the_end()
    assert line.world.state(order) == "settled"
    line.restore(backup)
    line.world.drive()
    assert line.recover().resumed
    goes_on_to_its_end(line)
    assert line.world.state(order) == "settled"
    assert line.world.pay(order).repeated
    assert len(line.chain.transactions_to(DEPOSIT)) == 1
    row = line.world.rows("select context, request_status from hostpay_request where unique_id = :i", i=order.unique_id)
    assert [dict(one) for one in row] == [{"context": "instant", "request_status": "paying"}]


def test_a_payment_that_was_completed_in_another_batch_is_for_a_person(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    again = Batch(refs=batch.refs, to=OTHER_DEPOSIT)
    line.bring(again, "adopted", "payments")
    line.world.write(
        """update payout_accumulation set conversion_status = 'completed', converted_usdt_amount_units = 1
            where batch_conversion_id = :b""",
        b=again.batch_id,
    )
    line.world.write(
        """update batch_conversions set conversion_status = 'completed', usdt_arrived_units = 2, usdt_tx_hash = '0x1'
            where batch_conversion_id = :b""",
        b=again.batch_id,
    )
    line.world.drive()
    report = line.recover()
    assert "completed in batch" in report.unexplained[0]
    assert frozen(line)


# --- several transfers ------------------------------------------------------------------------------------------------


def test_two_transfers_are_rebuilt_one_final_and_one_live(line: Timeline) -> None:
    an_opened_account(line)
    first, second = Batch(), Batch(amount=Ether(3 * 10**16), to=OTHER_DEPOSIT)
    line.bring(first, "payments")
    line.bring(second, "payments")
    backup = line.backup()
    line.bring(first, "settled", "payments")
    line.bring(second, "live", "payments")
    line.restore(backup)
    line.world.drive()
    assert line.recover().resumed
    goes_on_to_its_end(line)
    assert [line.world.state(batch.order) for batch in (first, second)] == ["settled", "settled"]
    assert len(line.chain.transactions_to(first.to)) == 1
    assert [one.value_wei for one in line.chain.transactions_to(second.to)] == [10**16, 3 * 10**16]
    assert line.world.account()["next_nonce"] == FIRST_NONCE + 3


def test_bumped_bytes_are_all_restored_and_the_one_that_was_mined_is_known_as_ours(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "live")
    backup = line.backup()
    line.chain.base_fee_wei *= 4
    for _ in range(40):
        line.world.wait(30)
        if len(line.world.attempts()) > 2:
            break
    line.world.wait(60)
    copies = [copy for copy in line.archive.read(WALLET, CHAIN_ID) if copy.unique_id == batch.unique_id]
    assert [copy.seq for copy in copies][:2] == [1, 2]
    line.restore(backup)
    line.world.drive()
    assert frozen(line)
    assert line.recover().resumed
    stored = line.world.rows("select seq, tx_hash from attempt where nonce = :n order by seq", n=FIRST_NONCE + 1)
    assert [(row["seq"], row["tx_hash"]) for row in stored] == [(copy.seq, copy.tx_hash) for copy in copies]
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_a_cancel_that_was_signed_is_restored_as_a_cancel(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "paying")
    backup = line.backup()
    line.chain.drop_sends = True
    line.bring(batch, "live", "paying")
    approve_cancel(line.world.x, batch.unique_id, "bob", "a wrong order", line.world.task())
    line.world.drive()
    line.world.drive()
    line.chain.drop_sends = False
    assert [copy.kind for copy in line.archive.read(WALLET, CHAIN_ID)] == ["pay", "pay", "cancel"]
    line.restore(backup)
    line.world.drive()
    assert frozen(line)
    assert line.recover().resumed
    line.world.wait(600)
    line.world.sweep()
    line.world.run_to_the_end()
    assert line.world.state(batch.order) == "cancelled"
    assert line.chain.transactions_to(batch.to) == []
    assert [row["kind"] for row in line.world.rows("select kind from signed_nonce where nonce = 8 order by kind")] == [
        "cancel",
        "pay",
    ]


# --- foreign transactions ---------------------------------------------------------------------------------------------


def test_a_foreign_transaction_is_recorded_and_holds_the_account_until_a_person_accepts_it(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    tx_hash = line.chain.send_foreign(WALLET, FIRST_NONCE + 2)
    line.chain.finalize()
    line.restore(backup)
    line.world.drive()
    report = line.recover()
    assert tx_hash in report.unexplained[0]
    assert frozen(line)
    (row,) = line.world.rows("select nonce, tx_hash, evidence, accepted_by from foreign_nonce")
    assert (row["nonce"], row["tx_hash"], row["accepted_by"]) == (FIRST_NONCE + 2, tx_hash, None)
    assert row["evidence"]["block_hash"]
    accepted = line.recover(accept_foreign=(tx_hash.upper().replace("0X", "0x"),))
    assert accepted.resumed
    (row,) = line.world.rows("select accepted_by, accepted_reason from foreign_nonce")
    assert dict(row) == {"accepted_by": "alice", "accepted_reason": "a restore"}
    assert line.world.account()["next_nonce"] == FIRST_NONCE + 3
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_what_consumed_a_nonce_and_is_not_found_yet_keeps_the_account_frozen(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    line.world.drive()
    line.chain.hide_final = True
    report = line.recover()
    assert "not found yet" in report.unexplained[0]
    assert frozen(line)
    line.chain.hide_final = False
    assert line.recover().resumed


def test_a_foreign_transaction_at_a_nonce_of_ours_is_for_a_person(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.chain.drop_sends = True
    line.bring(batch, "live", "payments")
    line.chain.drop_sends = False
    tx_hash = line.chain.send_foreign(WALLET, FIRST_NONCE + 1)
    line.chain.finalize()
    line.restore(backup)
    line.world.drive()
    assert tx_hash in line.recover().unexplained[0]
    line.world.wait(600)
    line.world.sweep()
    line.world.settle_down()
    assert line.world.state(batch.order) == "foreign"
    assert frozen(line)
    assert line.recover(accept_foreign=(tx_hash,)).resumed
    line.world.drive()
    assert not frozen(line)
    assert line.chain.transactions_to(batch.to) == []


# --- the archive itself -----------------------------------------------------------------------------------------------


def test_nothing_is_sent_while_the_archive_is_away(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "signed")
    line.world.x = replace(line.world.x, archive=HashChainedArchive(LinesAway()))
    with pytest.raises(ArchiveUnavailable):
        line.world.drive()
    assert len(line.chain.sent) == 1
    assert line.world.state(batch.order) == "signed"
    line.world.x = replace(line.world.x, archive=line.archive)
    line.world.drive()
    assert line.world.state(batch.order) == "live"


class LinesAway:
    def lines_from(self, log: str, number: int) -> list[bytes]:
        raise ArchiveUnavailable(f"{log} {number} cannot be read.")

    def append(self, log: str, number: int, line: bytes) -> bool:
        raise ArchiveUnavailable(f"{log} {number} {len(line)} cannot be written.")


def test_the_copy_says_what_the_bytes_pay_for(line: Timeline) -> None:
    batch = Batch()
    line.bring(batch, "live")
    (copy,) = line.archive.read(WALLET, CHAIN_ID)
    assert (copy.nonce, copy.seq, copy.kind, copy.unique_id) == (FIRST_NONCE, 1, "pay", batch.unique_id)
    assert (copy.order.cn_api_id, copy.order.amount_wei) == (batch.cn_api_id, SOME_ETH.wei)
    assert copy.batch is not None
    assert sorted(member.payment_ref for member in copy.batch.members) == sorted(batch.refs)
    assert sum(member.wei for member in copy.batch.members) == SOME_ETH.wei
    assert copy.raw == line.chain.sent[0]
    (row,) = line.world.rows("select archive_number, archive_hash from attempt")
    assert row["archive_number"] == 1


def log_of(line: Timeline) -> list[bytes]:
    lines: list[bytes] = line.archive._store.logs[f"{CHAIN_ID}-{WALLET.lower()}"]  # type: ignore[attr-defined]
    return lines


def test_an_archive_that_lost_its_end_freezes_the_account_until_a_person_gives_the_copies_up(line: Timeline) -> None:
    an_opened_account(line)
    line.bring(Batch(), "settled")
    log_of(line).pop()
    line.world.drive()
    assert frozen(line)
    assert "shorter" in line.world.account()["reason"]
    assert "--accept-archive" in line.recover().unexplained[0]
    assert frozen(line)
    report = line.recover(accept_archive=True)
    assert report.resumed
    line.world.drive()
    assert not frozen(line)
    again = Batch()
    line.bring(again, "settled")
    paid = line.archive.read(WALLET, CHAIN_ID)[-1]
    assert paid.unique_id == again.unique_id


def test_bytes_that_are_still_out_get_a_new_copy_when_theirs_is_lost(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.chain.drop_sends = True
    line.bring(batch, "live")
    line.chain.drop_sends = False
    log_of(line).pop()
    line.world.drive()
    assert frozen(line)
    assert line.recover(accept_archive=True).resumed
    line.world.wait(60)
    line.world.drive()
    assert [copy.unique_id for copy in line.archive.read(WALLET, CHAIN_ID)][-1] == batch.unique_id


def test_an_archive_in_which_a_copy_was_changed_freezes_the_account_and_is_not_believed(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    log_of(line)[-1] = log_of(line)[-1].replace(batch.cn_api_id.encode(), b"another-order1")
    line.restore(backup)
    line.world.drive()
    assert frozen(line)
    for _ in range(2):
        report = line.recover()
        assert "not what was written" in report.unexplained[0]
        assert not report.resumed
    assert line.world.rows("select 1 from transfer where unique_id = :id", id=batch.unique_id) == []


def test_an_archive_that_somebody_wrote_anew_is_noticed(line: Timeline) -> None:
    an_opened_account(line)
    line.bring(Batch(), "settled")
    log = log_of(line)
    kept = list(log)
    log.clear()
    log.extend(kept[:1])
    line.world.drive()
    assert frozen(line)


def test_bytes_in_the_archive_that_pay_another_order_than_its_text_says_are_refused(line: Timeline) -> None:
    signer = LocalSigner(HOST_WALLET.private_key)
    line.bring(Batch(), "live")
    (copy,) = line.archive.read(WALLET, CHAIN_ID)
    signed = signer.sign(
        TransferFields(CHAIN_ID, copy.nonce, OTHER_DEPOSIT, copy.value_wei, copy.gas_limit, copy.tip_wei, copy.cap_wei)
    )
    with pytest.raises(CopyUnreadable):
        line.archive.keep(replace(copy, raw=signed.raw, tx_hash=signed.hash, to=OTHER_DEPOSIT), None)


# --- interrupted and repeated -----------------------------------------------------------------------------------------


def steps_of(line: Timeline) -> list[str]:
    heard: list[str] = []
    line.recover(heard.append, dry_run=True)
    return heard


def test_a_recovery_that_is_interrupted_before_any_step_goes_on_where_it_stopped(line: Timeline) -> None:
    an_opened_account(line)
    first, second = Batch(), Batch(amount=Ether(3 * 10**16), to=OTHER_DEPOSIT)
    line.bring(first, "payments")
    line.bring(second, "payments")
    backup = line.backup()
    line.bring(first, "settled", "payments")
    line.bring(second, "live", "payments")
    line.restore(backup)
    line.world.drive()
    steps = steps_of(line)
    assert steps == [f"nonce {FIRST_NONCE + 1}", f"nonce {FIRST_NONCE + 2}", "next nonce", "end"]
    for stop_at in steps:

        def stop(name: str, stop_at: str = stop_at) -> None:
            if name == stop_at:
                raise Stopped

        with pytest.raises(Stopped):
            line.recover(stop)
        assert frozen(line)
        line.world.drive()
        assert frozen(line)
    assert line.recover().resumed
    goes_on_to_its_end(line)
    assert [line.world.state(batch.order) for batch in (first, second)] == ["settled", "settled"]
    assert len(line.chain.transactions_to(first.to)) == 1
    assert len(line.chain.transactions_to(second.to)) == 2


def test_a_recovery_may_be_repeated_without_harm(line: Timeline) -> None:
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    line.world.drive()
    line.recover()
    with pytest.raises(AccountNotFrozen):
        line.recover()
    line.world.write("update account set account_status = 'frozen', reason = 'again'")
    again = line.recover()
    assert (again.done, again.unexplained, again.resumed) == ([], [], True)
    goes_on_to_its_end(line)
    paid_once(line, batch)


def test_limits_count_what_was_recovered(line: Timeline) -> None:
    """What left before the restore still counts against the day's limit."""
    an_opened_account(line)
    batch = Batch()
    line.bring(batch, "payments")
    backup = line.backup()
    line.bring(batch, "settled", "payments")
    line.restore(backup)
    line.world.drive()
    line.recover()
    line.world.x = replace(line.world.x, limits=replace(LIMITS, max_daily=Ether(2 * SOME_ETH.wei)))
    other = Batch()
    line.bring(other, "paying")
    line.world.pay(other.order)
    assert "over_daily_limit" in line.world.reason(other.order)
