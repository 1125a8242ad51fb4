"""What becomes of the model exchange's orders: deposits are seen on chain, payouts and refunds are made there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared.chain.address import keccak
from shared.exchange import ExchangeStatus
from shared.money import Ether, Tether
from shared.sandbox.simulator.blocks import GWEI, TokenMove, Transaction
from shared.sandbox.simulator.exchange import ModelExchange, ModelOrder
from shared.sandbox.simulator.node import DEEPEST_REORG, ModelNode
from shared.sandbox.simulator.order_plans import Fate

CONFIRMATIONS: Final = DEEPEST_REORG + 1  # the exchange, too, does not believe what may be taken back
_REFUND_COST: Final = Ether.parse("0.00011")
_CAP_WEI: Final = 2_000 * GWEI  # the exchange's own transactions are never too cheap

_TROUBLES: Final = {
    Fate.HOLDS: (ExchangeStatus.HOLD,),
    Fate.HOLDS_THEN_PAYS: (ExchangeStatus.VERIFYING,),
    Fate.HOLDS_THEN_REFUNDS: (ExchangeStatus.VERIFYING,),
    Fate.FAILS: (ExchangeStatus.FAILED,),
    Fate.FAILS_THEN_PAYS: (ExchangeStatus.FAILED,),
    Fate.FAILS_THEN_REFUNDS: (ExchangeStatus.FAILED,),
    Fate.WANDERS_THEN_PAYS: (ExchangeStatus.FAILED, ExchangeStatus.HOLD, ExchangeStatus.FAILED),
}

At = Callable[[datetime, Callable[[], None]], None]


@dataclass
class Progress:
    """Drives the orders. `at` puts something on the world's agenda."""

    exchange: ModelExchange
    node: ModelNode
    hot_wallet: str
    host_wallet: str
    token: str
    now: Callable[[], datetime]
    at: At
    told: Callable[[str], None]
    _waiting: dict[str, ModelOrder] = field(default_factory=dict)

    def look(self) -> None:
        """After each block: new orders are noticed, and deposits that are deep enough."""
        for order in self.exchange.orders.values():
            if order.status is ExchangeStatus.WAITING and order.cn_api_id not in self._waiting:
                self._waiting[order.cn_api_id] = order
                if order.plan.fate is Fate.EXPIRES_EARLY:
                    self._later(order.plan.expires_after_s, partial(self._expire, order))
        for order in list(self._waiting.values()):
            for tx_hash in self.node.received.get(order.payin_address.lower(), ()):
                found = self.node.canonical(tx_hash)
                if found is None or self.node.head.number - found[0].number < CONFIRMATIONS or not found[1].status:
                    continue
                del self._waiting[order.cn_api_id]
                self._deposited(order, tx_hash, Ether(found[1].transaction.value_wei))
                break

    # --- the way of an order ------------------------------------------------------------------------------------------

    def _expire(self, order: ModelOrder) -> None:
        if order.status is ExchangeStatus.WAITING:
            self._becomes(order, ExchangeStatus.EXPIRED)

    def _deposited(self, order: ModelOrder, tx_hash: str, deposit: Ether) -> None:
        order.deposit_hash, order.deposit = tx_hash, deposit
        if order.status is ExchangeStatus.EXPIRED:
            # A late deposit: this exchange takes it all the same, and swaps it.
            self.told(f"the exchange sees a late deposit for order {order.cn_api_id}")
        self._becomes(order, ExchangeStatus.CONFIRMING)
        self._later(order.plan.exchanging_after_s, lambda: self._exchange(order))

    def _exchange(self, order: ModelOrder) -> None:
        fate, trouble_s = order.plan.fate, order.plan.trouble_s
        if fate is Fate.REFUNDS:
            self._refund(order)
        elif fate not in _TROUBLES:
            self._becomes(order, ExchangeStatus.EXCHANGING)
            self._later(order.plan.sending_after_s, lambda: self._send(order))
        else:
            for number, status in enumerate(_TROUBLES[fate]):
                self._later(number * trouble_s, partial(self._becomes, order, status))
            after_s = len(_TROUBLES[fate]) * trouble_s
            if fate.pays:
                self._later(after_s, lambda: self._send(order))
            elif fate.refunds:
                self._later(after_s, lambda: self._refund(order))
            else:
                order.done = True

    def _send(self, order: ModelOrder) -> None:
        self._becomes(order, ExchangeStatus.SENDING)
        self._pay_out(order)
        self._later(order.plan.finished_after_s, lambda: self._finish(order))

    def _finish(self, order: ModelOrder) -> None:
        self._becomes(order, ExchangeStatus.FINISHED)
        self._later(order.plan.hash_after_s, lambda: self._show(order))

    def _show(self, order: ModelOrder) -> None:
        order.payout_shown = order.done = True

    # --- what happens on chain ----------------------------------------------------------------------------------------

    def _pay_out(self, order: ModelOrder) -> None:
        fate = order.plan.fate
        units = self._payout_units(order)
        order.paid_out = Tether(units)
        if fate is Fate.NAMES_ANOTHERS_PAYOUT:
            others = [other.payout_hash for other in self.exchange.orders.values() if other.payout_hash is not None]
            if others:
                order.payout_hash, order.owns_payout = others[0], False
                return
            order.plan = replace(order.plan, fate=Fate.PAYS)
        to = order.request.payout_address.lower()
        parts = [units // 2, units - units // 2] if fate is Fate.PAYS_IN_TWO_LOGS else [units]
        moves = tuple(TokenMove(self.token, self.hot_wallet, to, part) for part in parts)
        reverts = fate is Fate.PAYS_NOTHING
        order.payout_hash = self._transact(order, "payout", self.token, 0, moves, reverts=reverts)
        self.told(f"the exchange sends {order.paid_out} for order {order.cn_api_id} in {order.payout_hash}")

    def _payout_units(self, order: ModelOrder) -> int:
        units = order.expected.units
        match order.plan.fate:
            case Fate.PAYS_LESS_BY_ONE:
                return units - 1
            case Fate.PAYS_FAR_LESS:
                return units * 3 // 4
            case Fate.PAYS_MORE:
                return units * 103 // 100
            case _:
                return units * order.plan.payout_ppm // 1_000_000

    def _refund(self, order: ModelOrder) -> None:
        assert order.deposit is not None
        order.refunded = order.deposit - _REFUND_COST
        order.refund_hash = self._transact(order, "refund", self.host_wallet, order.refunded.wei, ())
        self.told(f"the exchange gives {order.refunded} of order {order.cn_api_id} back in {order.refund_hash}")
        self._becomes(order, ExchangeStatus.REFUNDED)
        order.done = True

    def _transact(
        self,
        order: ModelOrder,
        what: str,
        to: str,
        value_wei: int,
        moves: tuple[TokenMove, ...],
        *,
        reverts: bool = False,
    ) -> str:
        tx_hash = "0x" + keccak(f"{what} of order {order.cn_api_id}".encode()).hex()
        nonce = self.node.next_nonce(self.hot_wallet)
        one = Transaction(
            tx_hash,
            self.hot_wallet,
            nonce,
            to,
            value_wei,
            GWEI,
            _CAP_WEI,
            100_000,
            moves=moves,
            reverts=reverts,
            steady=True,
        )
        trouble = self.node.pooled(one)
        assert trouble is None, f"the exchange's own transaction is refused: {trouble}"
        self.node.keep_busy(self.now())
        return tx_hash

    def _becomes(self, order: ModelOrder, status: ExchangeStatus) -> None:
        order.status = status
        self.told(f"the exchange calls order {order.cn_api_id} {status.value}")

    def _later(self, seconds: int, what: Callable[[], None]) -> None:
        self.at(self.now() + timedelta(seconds=seconds), what)
