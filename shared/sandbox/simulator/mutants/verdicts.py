"""Mutants of the verdict: when, and on whose word, a payment is said to have ended."""

from __future__ import annotations

from typing import Any, Final

from GCHostPay3 import decisions, store
from GCHostPay3.moves import move_transfer
from GCHostPay3.settle import settle
from shared.books import transfer_gas_spent
from shared.chain import EthereumChain
from shared.chain.finality import agreed_tip
from shared.chain.port import Block, FinalConsumer
from shared.chain.quorum import Quorum
from shared.lifecycle import TransferState
from shared.lifecycle.facts import RevertedFinally
from shared.money import Ether
from shared.sandbox.simulator.fleet import CHAIN_ID
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile

_PATIENCE_S: Final = 60


def _settle_what_is_included(_world: Any, real: Any) -> Any:
    def follow(x: Any, transfer: Any, attempts: Any, task: Any) -> None:
        for attempt in attempts:
            seen = x.chain.find_included(attempt.tx_hash)
            if seen is not None:
                settle(x, transfer, _consumer(transfer, attempt, seen, task), task)
                return
        real(x, transfer, attempts, task)

    return follow


def _consumer(transfer: Any, attempt: Any, seen: Any, task: Any) -> FinalConsumer:
    """A receipt, dressed up as a final transaction."""
    cancels = attempt.kind == "cancel"
    return FinalConsumer(
        tx_hash=seen.tx_hash,
        block_number=seen.block_number,
        block_hash=seen.block_hash,
        status=seen.status,
        gas_used=seen.gas_used,
        effective_gas_price_wei=seen.effective_gas_price_wei,
        sender=transfer.account_address,
        nonce=attempt.nonce,
        to=transfer.account_address if cancels else transfer.to_address,
        value_wei=0 if cancels else transfer.value.wei,
        receipt={},
        agreed_providers=("one of them",),
        finalized=Block(seen.block_number, seen.block_hash, task.now),
    )


class _Hasty(EthereumChain):
    """A chain that takes the newest block for a final one."""

    def agreed_finalized(self) -> Block:
        return agreed_tip(self._quorum, "latest")


def _one_provider(world: Any, _made: Any) -> Any:
    """One provider is believed, and it is the one that calls its newest block final."""
    first = world.providers[0]
    honest = first.block

    def block(which: int | str) -> Block | None:
        answer: Block | None = honest("latest" if which == "finalized" else which)
        return answer

    first.block = block
    return EthereumChain(Quorum([first], 1), CHAIN_ID)


def _not_final_arrivals(world: Any, _made: Any) -> Any:
    return _Hasty(Quorum(world.providers, len(world.providers) // 2 + 1), CHAIN_ID)


def _fail_without_receipt(_world: Any, real: Any) -> Any:
    """No receipt for a while: the payment has failed, and a person may have it paid again (OZ #817)."""

    def follow(x: Any, transfer: Any, attempts: Any, task: Any) -> None:
        real(x, transfer, attempts, task)
        sent = attempts[-1].first_send_started_at if attempts else None
        if sent is None or (task.now - sent).total_seconds() < _PATIENCE_S:
            return
        if any(x.chain.find_included(attempt.tx_hash) is not None for attempt in attempts):
            return
        with x.db.transaction() as conn:
            locked = store.lock_transfer(conn, transfer.unique_id)
            if locked is None or locked.state is not TransferState.LIVE:
                return
            evidence = {"tx_hash": attempts[-1].tx_hash, "block_hash": "0x00", "status": 0}
            store.close_slot(conn, locked, TransferState.REVERTED, evidence, Ether(1), task.now)
            posting = transfer_gas_spent(locked.unique_id, Ether(1))
            move_transfer(
                x, conn, locked, RevertedFinally(), task, evidence, tx_hash=attempts[-1].tx_hash, posting=posting
            )
            decisions.approve(conn, decisions.REPAY, locked.unique_id, "a person", "it failed", task.now)

    return follow


def _only_the_newest(_world: Any, real: Any) -> Any:
    """Of all bytes of a nonce only the newest are known as ours (FireFly)."""

    def judge(x: Any, conn: Any, account: Any, transfer: Any, attempts: Any, consumer: Any, task: Any) -> None:
        real(x, conn, account, transfer, attempts[-1:], consumer, task)

    return judge


def _included_for_ever(_world: Any, _real: Any) -> Any:
    return lambda *_: None


MUTANTS: Final = (
    Mutant(
        "settled_at_first_receipt",
        "a verdict needs a finalized block (engine-core)",
        {"GCHostPay3.observe:_follow": _settle_what_is_included},
        Profile(reorgs=100),
    ),
    Mutant(
        "settled_on_one_providers_word",
        "a verdict needs a quorum of providers; here the one that is believed calls its newest block final",
        {"executor.chain": _one_provider},
        Profile(reorgs=100),
    ),
    Mutant(
        "failed_on_null_receipt",
        "a receipt that nobody shows is no evidence (OZ #817)",
        {"GCHostPay3.observe:_follow": _fail_without_receipt},
        Profile(receipts_missing=700, blocks_pass_over=500),
    ),
    Mutant(
        "only_the_newest_hash_is_ours",
        "every hash that ever left is watched (FireFly's lost hash)",
        {"GCHostPay3.settle:_judge": _only_the_newest},
        Profile(fee_spikes=80, blocks_pass_over=900, sends_lost=800, faults_last_s=1800),
    ),
    Mutant(
        "lost_inclusion_is_ignored",
        "a transaction that a reorganisation took back is sent again",
        {"GCHostPay3.observe:_lost": _included_for_ever},
        Profile(reorgs=700, reorgs_lose=1000),
    ),
    Mutant(
        "arrival_counted_without_finality",
        "USDT is counted when its block is final",
        {"conductor.chain": _not_final_arrivals},
    ),
)
