"""Walks every order through its states: deposit, confirmations, swap, payout on chain, or refund on chain.

waiting -> confirming -> exchanging -> sending -> finished; confirming -> verifying -> exchanging or refunded;
confirming -> failed (below the minimum, late, wrong fixed amount); waiting -> expired; failed and expired go on by the
actions only. Waits are virtual: real seconds are virtual ones divided by the time scale.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from shared.sandbox.chain.rpc import Rpc, RpcRefused, RpcUnreachable
from shared.sandbox.chain.wallet import CALL_GAS, Wallet
from shared.sandbox.journal import Journal

from . import shapes
from .deposits import DepositWatch, Seen
from .market import Market
from .orders import LIVE, Deposit, Order, OrderBook, utc_now

CONFIRMING_S = 180
EXCHANGING_S = 120
SENDING_S = 60
WAITING_S = 24 * 3600
LOOK_EVERY_S = 0.15
RESEND_AFTER_S = 30  # real: a payout the node no longer knows is sent again


@dataclass(frozen=True)
class Pace:
    """How the exchange keeps time: the scale divides every wait, `confirmations` are blocks."""

    time_scale: int
    confirmations: int
    refund_fee_wei: int


class Progress:
    """The exchange at work: one thread looks at the chain and at the clock, and moves orders on."""

    def __init__(
        self,
        book: OrderBook,
        market: Market,
        rpc: Rpc,
        wallet: Wallet,
        usdt_address: str,
        pace: Pace,
        journal: Journal,
    ) -> None:
        self._book, self._market, self._rpc, self._wallet = book, market, rpc, wallet
        self._usdt_address, self._pace, self._journal = usdt_address, pace, journal
        self._watch = DepositWatch(rpc, usdt_address)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.turn()
            except (RpcUnreachable, RpcRefused) as failure:
                self._journal.write("chain_unreadable", reason=str(failure))

    def turn(self) -> None:
        """One look at the chain and at the clock."""
        news = self._watch.look()
        with self._book.lock:
            for order in self._book:
                if order.deposit is not None and order.deposit.block_hash in news.withdrawn_blocks:
                    self._withdraw_deposit(order)
            for seen in news.arrivals:
                self._receive(seen)
            for order in self._book:
                if order.status in LIVE or order.refunding:
                    self._advance(order, news.head)

    # --- deposits ---------------------------------------------------------------------------------------------------

    def _receive(self, seen: Seen) -> None:
        order = self._book.at_address(seen.address)
        if order is None:
            return
        if seen.token:
            self._add_child(order, seen.deposit, currency="usdt")
        elif order.deposit is not None:
            self._add_child(order, seen.deposit, currency="eth")
        else:
            order.late = order.status == "expired" or (order.valid_until is not None and utc_now() > order.valid_until)
            self._settle_override(order)
            self._take_deposit(order, seen.deposit)

    def _settle_override(self, order: Order) -> None:
        """The override pays once: to the first of its orders that gets a deposit."""
        override = self._market.override
        if not order.overridden or override is None:
            return
        if override.used:
            order.promised_units = None
        override.used = True

    def _take_deposit(self, order: Order, deposit: Deposit) -> None:
        order.deposit = deposit
        order.deposit_received_at = utc_now()
        self._journal.write("deposit_seen", order=order.id, tx_hash=deposit.tx_hash, amount_wei=str(deposit.amount))
        self._enter(order, "confirming")

    def _withdraw_deposit(self, order: Order) -> None:
        """Its block was taken back: before it was believed it has not come, later it is the exchange's loss."""
        assert order.deposit is not None
        self._journal.write("deposit_withdrawn", order=order.id, tx_hash=order.deposit.tx_hash, status=order.status)
        if order.status == "confirming":
            order.deposit = None
            order.deposit_received_at = None
            self._enter(order, "waiting")

    def _add_child(self, order: Order, deposit: Deposit, currency: str) -> None:
        """A further deposit makes an exchange of its own; the original stays as it is."""
        child = Order(
            id=self._book.new_id(),
            partner=order.partner,
            flow="standard",
            expected_wei=None,
            expected_units=None,
            payin_address=order.payin_address,
            payout_address=order.payout_address,
            refund_address=order.refund_address,
            created_at=utc_now(),
            updated_at=utc_now(),
            since=time.monotonic(),
            from_currency=currency,
            parent=order.id,
        )
        self._book.add(child)
        (order.related if currency == "usdt" else order.repeated).append(child.id)
        self._take_deposit(child, deposit)

    # --- states -----------------------------------------------------------------------------------------------------

    def _enter(self, order: Order, status: str) -> None:
        order.earlier_answer = shapes.by_id(order, self._book)
        order.status = status
        order.since = time.monotonic()
        order.updated_at = utc_now()
        order.actions_available = status == "failed" and order.from_currency == "eth"
        self._journal.write("order_moved", order=order.id, status=status)

    def _been_long_enough(self, order: Order, virtual_s: float) -> bool:
        return time.monotonic() - order.since >= virtual_s / self._pace.time_scale

    def _advance(self, order: Order, head: int) -> None:
        if order.refunding:
            self._finish_refund(order)
            return
        match order.status:
            case "waiting":
                ends = utc_now() >= order.valid_until if order.valid_until is not None else None
                if ends or (ends is None and self._been_long_enough(order, WAITING_S)):
                    self._enter(order, "expired")
            case "confirming":
                assert order.deposit is not None
                deep_enough = head - order.deposit.block + 1 >= self._pace.confirmations
                if deep_enough and self._been_long_enough(order, CONFIRMING_S):
                    self._accept(order)
            case "verifying":
                verdict = order.faults["stuck_verifying"]
                if verdict["seconds"] is not None and self._been_long_enough(order, verdict["seconds"]):
                    if verdict["then"] == "refund":
                        self.begin_refund(order, order.refund_address)
                    else:
                        self._enter(order, "exchanging")
            case "exchanging":
                if self._been_long_enough(order, EXCHANGING_S):
                    self._pay_out(order)
            case "sending":
                if self._been_long_enough(order, SENDING_S):
                    self._finish(order)

    def _accept(self, order: Order) -> None:
        """The deposit is deep enough: decide what becomes of it."""
        assert order.deposit is not None
        wrong_fixed_amount = order.flow == "fixed-rate" and order.deposit.amount != order.expected_wei
        too_small = order.deposit.amount < self._market.range_of("standard").minimum_wei
        wrong_asset = order.from_currency != "eth"
        if wrong_asset or too_small or wrong_fixed_amount or order.late or "failed" in order.faults:
            self._enter(order, "failed")
        elif "stuck_verifying" in order.faults:
            self._enter(order, "verifying")
        elif "refunded" in order.faults:
            self.begin_refund(order, order.refund_address)
        else:
            self._enter(order, "exchanging")

    def resume(self, order: Order) -> None:
        """A failed order is exchanged after all (the `continue` action)."""
        self._enter(order, "exchanging")

    # --- money out --------------------------------------------------------------------------------------------------

    def payout_units(self, order: Order) -> int:
        """What the deposit is worth to the receiver; a promise holds, else the price of now on what really came."""
        as_agreed = not order.late and (order.overridden or order.amount_wei == order.expected_wei)
        if order.promised_units is not None and as_agreed:
            return order.promised_units
        return self._market.payout_units(order.amount_wei or 0)

    def _pay_out(self, order: Order) -> None:
        told = self.payout_units(order)
        paid = told - int(order.faults.get("payout_short", {"units": 0})["units"])
        receiver = str(order.faults.get("foreign_payout", {"address": order.payout_address})["address"])
        try:
            if "reverted_payout" in order.faults:
                # More than the hot wallet has, with gas given, so that it is mined and reverts.
                tx_hash = self._wallet.transfer_token(self._usdt_address, receiver, 2**200, gas=CALL_GAS)
            else:
                tx_hash = self._wallet.transfer_token(self._usdt_address, receiver, paid)
        except RpcRefused as refused:
            # The token is paused, or the hot wallet is blacklisted or empty: the order waits, as it would there.
            self._journal.write("payout_refused", order=order.id, reason=refused.message)
            order.since = time.monotonic() - EXCHANGING_S / self._pace.time_scale + 1
            return
        order.payout_hash, order.told_payout_units, order.paid_units = tx_hash, told, paid
        order.payout_sent_at = time.monotonic()
        self._journal.write("payout_sent", order=order.id, tx_hash=tx_hash, usdt_units=str(paid))
        self._enter(order, "sending")

    def _finish(self, order: Order) -> None:
        receipt = self._rpc.call("eth_getTransactionReceipt", order.payout_hash)
        if receipt is None:
            assert order.payout_sent_at is not None
            gone = time.monotonic() - order.payout_sent_at > RESEND_AFTER_S
            if gone and self._rpc.call("eth_getTransactionByHash", order.payout_hash) is None:
                self._pay_out(order)
        elif receipt["status"] == "0x1" or "reverted_payout" in order.faults:
            self._enter(order, "finished")
        else:
            self._enter(order, "exchanging")  # the token was paused in between: once more

    def begin_refund(self, order: Order, address: str | None) -> None:
        """Send the deposit back on chain, less the network's fee. Without an address, or when nothing would be left,
        the order fails."""
        value_wei = (order.amount_wei or 0) - self._pace.refund_fee_wei
        if address is None or value_wei <= 0:
            self._enter(order, "failed")
            return
        order.refund_hash = self._wallet.send(address, value_wei=value_wei)
        order.refund_wei = value_wei
        order.refunding = True
        order.actions_available = False
        self._journal.write("refund_sent", order=order.id, tx_hash=order.refund_hash, amount_wei=str(value_wei))

    def _finish_refund(self, order: Order) -> None:
        if self._rpc.call("eth_getTransactionReceipt", order.refund_hash) is not None:
            order.refunding = False
            self._enter(order, "refunded")
