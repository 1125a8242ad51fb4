"""What must hold after every step, whatever went wrong, and what must hold at the end.

Rows are compared with rows (invariants.sql) and with the model chain, which is the truth. Sends are judged in the
moment in which bytes leave, before any provider has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shared.db import Queries
from shared.money import Ether, Tether
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.provider import decoded
from shared.sandbox.simulator.session import Session

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_NEVER_PAID: Final = frozenset({"sending", "created", "unknown", "refused", "abandoned"})
_OUTCOMES_OF_OURS: Final = {("pay", 1): "settled", ("pay", 0): "reverted", ("cancel", 1): "cancelled"}


class Violation(BaseException):
    """A promise is broken: which one, and by what. No Exception: no handler that runs now may catch it."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


class Invariants:
    """The promises of one history."""

    def __init__(self, session: Session, node: ModelNode, wallet: str, token: str) -> None:
        self._session = session
        self._node = node
        self._wallet = wallet.lower()
        self._token = token.lower()
        self._proven: set[tuple[str, str]] = set()
        self._sent: dict[int, tuple[str, int]] = {}  # (to, value) by nonce, of everything that ever left as a payment
        self._hashes: set[str] = set()
        self._nonce_of_batch: dict[str, int] = {}

    def foreign_cost_wei(self) -> int:
        """What transactions took from the wallet that the fleet never sent."""
        return sum(
            found[1].cost_wei
            for tx_hash in self._node.places
            if self._node.is_final(tx_hash)
            and (found := self._node.canonical(tx_hash)) is not None
            and found[1].transaction.sender == self._wallet
            and tx_hash not in self._hashes
        )

    # --- in the moment in which bytes leave ---------------------------------------------------------------------------

    def judge_send(self, raw: bytes) -> None:
        """Bytes reach a provider now: are they stored, and the one payment of their slot, order and batch?"""
        sender, fields, tx_hash = decoded(raw)
        if tx_hash in self._hashes:
            return
        with self._session.looking():
            row = QUERIES.one(self._session.connection, "attempt_that_leaves", tx_hash=tx_hash)
        if row is None or row["first_send_started_at"] is None:
            raise Violation("bytes_are_stored_before_they_leave", f"{tx_hash} is not stored as sent")
        if sender.lower() != self._wallet or row["nonce"] != fields.nonce:
            raise Violation("attempts_of_a_slot_are_equal", f"{tx_hash} is not for nonce {row['nonce']} of the wallet")
        if row["kind"] == "cancel":
            if fields.to.lower() != self._wallet or fields.value_wei != 0:
                raise Violation("attempts_of_a_slot_are_equal", f"{tx_hash} is no cancel")
        else:
            self._judge_payment(row, fields.nonce, fields.to.lower(), fields.value_wei)
        self._hashes.add(tx_hash)

    def _judge_payment(self, row: Any, nonce: int, to: str, value_wei: int) -> None:
        if self._sent.setdefault(nonce, (to, value_wei)) != (to, value_wei):
            raise Violation("attempts_of_a_slot_are_equal", f"nonce {nonce} was sent before with other contents")
        if (to, value_wei) != (row["payin_address"].lower(), row["amount_wei"]):
            raise Violation("sent_is_ordered", f"{Ether(value_wei)} to {to} is not what was ordered")
        if row["order_status"] in _NEVER_PAID:
            raise Violation("only_adopted_orders_are_paid", f"the order paid by nonce {nonce} is {row['order_status']}")
        if row["batch_conversion_id"] is not None:
            batch = str(row["batch_conversion_id"])
            before = self._nonce_of_batch.setdefault(batch, nonce)
            if before != nonce and self._pays(batch, before):
                raise Violation("one_nonce_per_batch", f"batch {batch} is paid with a second nonce, {nonce}")
            self._nonce_of_batch[batch] = nonce

    def _pays(self, batch: str, nonce: int) -> bool:
        with self._session.looking():
            row = QUERIES.only(self._session.connection, "pays_its_batch", batch_conversion_id=batch, nonce=nonce)
        return bool(row["pays"])

    # --- after every step that moved money ----------------------------------------------------------------------------

    def check(self) -> None:
        """The rows among themselves, and every verdict and arrival against the chain."""
        connection = self._session.connection
        with self._session.looking():
            broken = QUERIES.all(connection, "broken_rows")
            verdicts = QUERIES.all(connection, "verdicts")
            arrivals = QUERIES.all(connection, "arrivals")
        for row in broken:
            raise Violation(row["invariant"], row["detail"])
        for row in verdicts:
            self._prove(row["outcome"], row)
        for row in arrivals:
            self._prove_arrival(row)

    def _prove(self, outcome: str, row: Any) -> None:
        """The verdict on a slot is what a finalized transaction on the real chain shows."""
        key = (row["unique_id"], outcome)
        if key in self._proven:
            return
        tx_hash = row["tx_hash"]
        found = self._node.canonical(tx_hash)
        if found is None or not self._node.is_final(tx_hash):
            raise Violation("verdicts_are_proven", f"{row['unique_id']} is {outcome}, and {tx_hash} is not final")
        mined = found[1]
        if (mined.transaction.sender, mined.transaction.nonce) != (self._wallet, row["nonce"]):
            raise Violation("verdicts_are_proven", f"{tx_hash} did not use nonce {row['nonce']} of the wallet")
        if (outcome == "foreign") != (tx_hash not in self._hashes):
            raise Violation("verdicts_are_proven", f"{row['unique_id']} is {outcome}, and {tx_hash} tells otherwise")
        if outcome != "foreign":
            kind = "cancel" if mined.transaction.to == self._wallet else "pay"
            if _OUTCOMES_OF_OURS.get((kind, mined.status)) != outcome:
                raise Violation("verdicts_are_proven", f"{row['unique_id']} is {outcome}, {tx_hash} has {mined.status}")
            if row["gas_wei"] != mined.transaction.gas_used * mined.price_wei:
                raise Violation("gas_is_what_was_paid", f"{row['unique_id']} books {Ether(row['gas_wei'])}")
        self._proven.add(key)

    def _prove_arrival(self, row: Any) -> None:
        """What was counted as arrived is a final Transfer log to the wallet, to the unit."""
        key = (row["tx_hash"], str(row["log_index"]))
        if key in self._proven:
            return
        found = self._node.canonical(row["tx_hash"])
        if found is None or not self._node.is_final(row["tx_hash"]) or not found[1].status:
            raise Violation("arrivals_are_proven", f"{row['tx_hash']} is counted and not final")
        index = row["log_index"] - found[1].first_log
        moves = found[1].transaction.moves
        move = moves[index] if 0 <= index < len(moves) else None
        if move is None or (move.token, move.to, move.units) != (self._token, self._wallet, row["usdt_units"]):
            raise Violation("arrivals_are_proven", f"{Tether(row['usdt_units'])} of {row['tx_hash']} is not on chain")
        self._proven.add(key)
