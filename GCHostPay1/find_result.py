"""Looks at a paid order: what the exchange says, and what the chain shows. Only the chain moves money in the books.

One look is one read of the exchange and at most one search on chain. `finished` counts with the arrival found,
`refunded` with the ETH found; every other word is a hint. Looks slow down with age and never stop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.chain.port import EtherReceived, NotFinalYet, Reverted, TokenTransfer
from shared.chain.port import NotFound as NotOnChain
from shared.db import Alert, Connection, raise_alert
from shared.exchange import ExchangeStatus, OrderSeen
from shared.lifecycle import RequestState, next_poll
from shared.messages import CheckArrival
from shared.telemetry import get_logger

from . import store
from .conductor import POLL_GRACE, SERVICE, Conductor
from .end_request import arrived, finished_instantly, refunded, stuck
from .hear_transfer import put_check_arrival
from .store import Request
from .take_request import OrderUnknown, RequestContradicts

log = get_logger()

_WATCHED: Final = frozenset({RequestState.WATCHING, RequestState.PARKED})
_HASH: Final = re.compile("(?:0[xX])?([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look came to: the request's state, the exchange's word, and when the next look is due."""

    status: RequestState
    exchange_status: str
    next_look: datetime | None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to conclude yet, and why."""

    because: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """The order does not end as ordered; a person must know. Looks go on."""

    word: ExchangeStatus
    reason: str


@dataclass(frozen=True, slots=True)
class InstantFinished:
    """The exchange finished an instant order: its payout went to the payee, not to us."""


Finding = TokenTransfer | EtherReceived | InstantFinished | Trouble | Nothing


def find_result(conductor: Conductor, note: CheckArrival, now: datetime, trace: str) -> Look:
    """Takes one look. If repeated: a note whose number was already used looks at nothing and changes nothing."""
    with conductor.database.read() as conn:
        request = store.request(conn, note.unique_id)
    if request is None:
        raise OrderUnknown(f"there is no request {note.unique_id}")
    if request.cn_api_id != note.cn_api_id:
        raise RequestContradicts(f"request {note.unique_id} is for order {request.cn_api_id}, not {note.cn_api_id}")
    if request.status not in _WATCHED or request.eth_tx_hash is None or note.poll != request.polls + 1:
        return Look(request.status, "", None)
    reading = conductor.exchange.read(request.cn_api_id)
    seen = _with_clear_hashes(request, reading) if isinstance(reading, OrderSeen) else None
    finding = Nothing("not readable now") if seen is None else _look_closer(conductor, request, seen)
    return _conclude(conductor, request, seen, finding, now, trace)


def _with_clear_hashes(request: Request, seen: OrderSeen) -> OrderSeen:
    """The transactions in one spelling, so that one cannot be counted twice under two; what names none was not told.

    An instant order's payout is not ours to find and may be on any chain: its text stays as it is.
    """
    return replace(
        seen,
        payin_hash=_clear_hash(seen.payin_hash),
        payout_hash=seen.payout_hash if request.batch_conversion_id is None else _clear_hash(seen.payout_hash),
        refund_hash=_clear_hash(seen.refund_hash),
    )


def _clear_hash(text: str | None) -> str | None:
    found = _HASH.fullmatch((text or "").strip())
    return None if found is None else "0x" + found[1].lower()


def _look_closer(conductor: Conductor, request: Request, seen: OrderSeen) -> Finding:
    match seen.known:
        case ExchangeStatus.FINISHED if request.batch_conversion_id is None:
            return InstantFinished()
        case ExchangeStatus.FINISHED:
            return _not_before_payment(conductor, request, seen.known, _find_arrival(conductor, seen))
        case ExchangeStatus.REFUNDED:
            return _not_before_payment(conductor, request, seen.known, _find_refund(conductor, seen))
        case ExchangeStatus.FAILED | ExchangeStatus.EXPIRED | ExchangeStatus.VERIFYING | ExchangeStatus.HOLD:
            return Trouble(seen.known, f"the exchange says {seen.status} after the order was paid")
        case _:
            return Nothing(f"the exchange says {seen.status}")


def _not_before_payment(conductor: Conductor, request: Request, word: ExchangeStatus, found: Finding) -> Finding:
    """What is older on chain than our payment cannot be its result, whatever the exchange says."""
    if not isinstance(found, TokenTransfer | EtherReceived):
        return found
    with conductor.database.read() as conn:
        paid_in = store.paid_in_block(conn, request.unique_id)
    if paid_in is None or found.block_number >= paid_in:
        return found
    return Trouble(word, f"its result {found.tx_hash} is in block {found.block_number}, it was paid in block {paid_in}")


def _find_arrival(conductor: Conductor, seen: OrderSeen) -> Finding:
    """Exactly one uncounted Transfer log of the USDT contract to our wallet, finalized; anything else is no arrival."""
    if seen.payout_hash is None:
        return Nothing("finished, without a payout hash yet")
    terms = conductor.terms
    logs = conductor.chain.usdt_arrivals(seen.payout_hash, terms.usdt_contract, terms.usdt_wallet)
    if isinstance(logs, NotFinalYet | NotOnChain):
        return Nothing("the payout is not final on chain yet")
    if isinstance(logs, Reverted):
        return Trouble(ExchangeStatus.FINISHED, f"its payout {seen.payout_hash} failed on chain")
    with conductor.database.read() as conn:
        counted = store.logs_claimed(conn, seen.payout_hash)
    fresh = [log_ for log_ in logs if log_.log_index not in counted]
    if len(fresh) != 1:
        return Trouble(
            ExchangeStatus.FINISHED,
            f"its payout {seen.payout_hash} has {len(fresh)} uncounted transfers of USDT to our wallet, not one",
        )
    if fresh[0].units <= 0:
        return Trouble(ExchangeStatus.FINISHED, f"its payout {seen.payout_hash} moved nothing")
    return fresh[0]


def _find_refund(conductor: Conductor, seen: OrderSeen) -> Finding:
    if seen.refund_hash is None:
        return Trouble(ExchangeStatus.REFUNDED, "the exchange says refunded and names no transaction")
    received = conductor.chain.ether_received(seen.refund_hash, conductor.terms.eth_wallet)
    if isinstance(received, NotFinalYet | NotOnChain):
        return Nothing("the refund is not final on chain yet")
    if not isinstance(received, EtherReceived):
        return Trouble(ExchangeStatus.REFUNDED, f"its refund {seen.refund_hash} brought no ETH to our wallet")
    return received


def _conclude(
    conductor: Conductor, request: Request, seen: OrderSeen | None, finding: Finding, now: datetime, trace: str
) -> Look:
    """Commits what was found, and the next look where one is due."""
    messages: list[UUID] = []
    next_look: datetime | None = None
    with conductor.database.transaction() as conn:
        current = store.lock_request(conn, request.unique_id)
        assert current is not None, "a request row is never deleted"
        if current.polls != request.polls or current.status not in _WATCHED:
            return Look(current.status, "", None)  # another delivery of this note was faster
        status = current.status
        if seen is not None:
            store.note_hints(conn, current.order_id, seen, now)
            _tell_foreign_deposit(conn, current, seen, now)
            _tell_children(conn, current, seen, now)
        match finding:
            case TokenTransfer():
                status, messages = arrived(conn, conductor, current, finding, now, trace)
            case EtherReceived():
                status, messages = refunded(conn, conductor, current, finding, now, trace)
            case InstantFinished():
                status, messages = finished_instantly(conn, conductor, current, now, trace)
            case Trouble(word=word, reason=reason):
                status, messages = stuck(conn, conductor, current, word, reason, now, trace)
            case Nothing():
                pass
        if status in _WATCHED:
            limits = conductor.terms.limits
            next_look = next_poll(current.watching_since or now, now, limits)
            # This look is counted first: the next note must carry the number after it, or it would look at nothing.
            looked = replace(current, polls=current.polls + 1)
            messages.append(put_check_arrival(conn, conductor, looked, now, next_look))
            store.count_poll(conn, looked.unique_id, looked.polls, now, next_look + limits.wait(POLL_GRACE))
    conductor.outbox.flush(messages, now)
    said = "" if seen is None else seen.status
    log.info("order_looked_at", unique_id=request.unique_id, exchange_status=said, request=status.value)
    return Look(status, said, next_look)


def _tell_foreign_deposit(conn: Connection, request: Request, seen: OrderSeen, now: datetime) -> None:
    """The exchange credits another deposit than ours to this order: nothing changes, a person must know."""
    if seen.payin_hash is None or seen.payin_hash == request.eth_tx_hash:
        return
    message = f"order {request.cn_api_id} shows deposit {seen.payin_hash}, ours is {request.eth_tx_hash}"
    evidence = {"dedupe": seen.payin_hash}
    alert = Alert("deposit_is_not_ours", request.unique_id, message, evidence, (request.amount,))
    raise_alert(conn, SERVICE, alert, now)


def _tell_children(conn: Connection, request: Request, seen: OrderSeen, now: datetime) -> None:
    """Somebody paid into the order's address again, which made an order of its own: ours stays, a person must know."""
    for child in seen.children:
        message = f"a further deposit to the address of order {request.cn_api_id} made order {child}; ours is unchanged"
        alert = Alert(
            "deposit_is_not_ours", request.unique_id, message, {"dedupe": f"child {child}"}, (request.amount,)
        )
        raise_alert(conn, SERVICE, alert, now)
