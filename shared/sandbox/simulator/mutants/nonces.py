"""Mutants of the nonce: where it comes from, and when a payment gets another one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from GCHostPay3 import store
from GCHostPay3.moves import move_transfer
from shared.chain import AnswerKind
from shared.lifecycle import TransferState
from shared.lifecycle.facts import SlotReserved
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile

_PATIENCE: Final = timedelta(seconds=60)
_ANSWERS_LOST: Final = Profile(sends_unanswered=400, sends_lost=150, receipts_missing=500, blocks_pass_over=300)


class _ForgetsEverything:
    """The archive of a sender that has none: whatever was signed, it does not know it."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive

    def after(self, *_: object) -> list[Any]:
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)


_NO_ARCHIVE: Final = {"executor.archive": lambda _, made: _ForgetsEverything(made)}


def _give_another_nonce(world: Any, unique_id: str) -> None:
    """As careless senders do: the bytes that are out are forgotten, and the payment begins anew with the next nonce."""
    world.tell(f"the mutant forgets the bytes of {unique_id} and takes another nonce")
    with world.session.looking():
        run = world.session.connection.run
        slot = "select account_address, chain_id, nonce from slot where unique_id = :u"
        run(
            f"delete from send_log where tx_hash in (select tx_hash from attempt where"  # noqa: S608 - no foreign text
            f" (account_address, chain_id, nonce) in ({slot}))",
            u=unique_id,
        )
        run(f"delete from attempt where (account_address, chain_id, nonce) in ({slot})", u=unique_id)  # noqa: S608
        run("update slot set nonce = (select next_nonce from account) where unique_id = :u", u=unique_id)
        run("update account set next_nonce = next_nonce + 1")
        run("update transfer set transfer_status = 'reserved' where unique_id = :u", u=unique_id)


def _after_a_timeout(world: Any, real: Any) -> Any:
    def bump_if_outbid(x: Any, transfer: Any, slot: Any, attempts: Any, task: Any) -> str | None:
        started: datetime | None = attempts[-1].first_send_started_at
        if started is not None and started + _PATIENCE <= task.now:
            _give_another_nonce(world, transfer.unique_id)
            return "already_moved"
        result: str | None = real(x, transfer, slot, attempts, task)
        return result

    return bump_if_outbid


def _on_nonce_too_low(world: Any, real: Any) -> Any:
    def send_slot(x: Any, transfer: Any, head: Any, task: Any) -> str:
        did: str = real(x, transfer, head, task)
        with x.db.read() as conn:
            slot = next((slot for slot, of in store.open_slots(conn, _account(x, conn)) if of == transfer), None)
            attempts = [] if slot is None else store.attempts(conn, transfer, slot)
            answers = store.last_answers(conn, attempts[-1]) if attempts else []
        if AnswerKind.NONCE_TOO_LOW in answers and x.chain.find_included(attempts[-1].tx_hash) is None:
            _give_another_nonce(world, transfer.unique_id)
            return "already_moved"
        return did

    return send_slot


def _account(x: Any, conn: Any) -> Any:
    return store.account(conn, x.wallet, x.chain_id)


def _read_before_the_lock(world: Any, real: Any) -> Any:
    """Nonce and state are read where fees and balance are read: before the lock, and not again under it."""

    def costs(x: Any, transfer: Any, block: Any) -> Any:
        with x.db.read() as conn:
            read = _account(x, conn).next_nonce
        made = real(x, transfer, block)
        world.read_early = getattr(world, "read_early", {}) | {id(made): (made, transfer, read)}
        return made

    return costs


def _reserve_as_read(world: Any, _real: Any) -> Any:
    def reserve(x: Any, conn: Any, _unique_id: str, costs: Any, task: Any) -> str:
        _, transfer, nonce = world.read_early[id(costs)]
        store.lock_account(conn, x.wallet, x.chain_id)
        with world.session.looking():
            world.session.connection.run("update account set next_nonce = :next", next=nonce + 1)
        store.insert_slot(conn, transfer, nonce, costs.gas_limit, transfer.value + costs.gas, task.now)
        move_transfer(x, conn, transfer, SlotReserved(), task, {"nonce": nonce, "finalized_number": costs.block.number})
        return "slot_reserved"

    return reserve


def _take_from_pending(world: Any, _real: Any) -> Any:
    def take_nonce(_: Any, account: Any) -> int:
        nonce: int = world.node.next_nonce(account.address.lower())
        _set_next(world, account, max(account.next_nonce, nonce + 1))
        return nonce

    return take_nonce


def _take_in_another_commit(_world: Any, real: Any) -> Any:
    """The counter moves and is committed; the slot follows in a transaction of its own, or never (OZ #818)."""

    def reserve_next(x: Any, account: Any, block: Any, task: Any) -> Any:
        with x.db.read() as conn:
            waiting = store.transfers_in(conn, account, TransferState.APPROVED)
        if waiting:
            with x.db.transaction() as conn:
                store.take_nonce(conn, store.lock_account(conn, x.wallet, x.chain_id))
        return real(x, account, block, task)

    return reserve_next


def _set_next(world: Any, account: Any, nonce: int) -> None:
    with world.session.looking():
        world.session.connection.run(
            "update account set next_nonce = :nonce where address = :address", nonce=nonce, address=account.address
        )


MUTANTS: Final = (
    Mutant(
        "nonce_read_before_the_lock",
        "the nonce is read under the account's lock (OZ #836)",
        {"GCHostPay3.reserve:_costs": _read_before_the_lock, "GCHostPay3.reserve:_reserve": _reserve_as_read},
        history="OZ #836",
        masked_by="one driver at a time, and one slot per transfer and nonce in the schema",
    ),
    Mutant(
        "nonce_from_pending",
        "the database alone gives out nonces, never a node's `pending`",
        {"GCHostPay3.store:take_nonce": _take_from_pending},
        Profile(sends_dropped=950, faults_last_s=900),
    ),
    Mutant(
        "another_nonce_after_a_timeout",
        "a payment keeps its nonce however long it is out (celo #11790, L-03)",
        {"GCHostPay3.drive:bump_if_outbid": _after_a_timeout, **_NO_ARCHIVE},
        Profile(blocks_pass_over=900),
    ),
    Mutant(
        "another_nonce_on_nonce_too_low",
        "'nonce too low' and no receipt are no reason for another nonce (rrelayer #113)",
        {"GCHostPay3.drive:send_slot": _on_nonce_too_low, **_NO_ARCHIVE},
        _ANSWERS_LOST,
    ),
    Mutant(
        "nonce_and_slot_in_two_commits",
        "nonce and slot are one commit (OZ #818)",
        {"GCHostPay3.drive:reserve_next": _take_in_another_commit},
    ),
)
