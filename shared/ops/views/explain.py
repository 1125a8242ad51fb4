"""`gcpay explain`: what happened, where the money is, why it waits, on whom, until when, what next, what is allowed."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.db import Queries
from shared.lifecycle import (
    WAITING,
    AccountState,
    BatchState,
    Limits,
    Machine,
    OrderState,
    PaymentState,
    RequestState,
    State,
    TransferState,
)
from shared.money import Ether, Tether, Usd
from shared.ops.acts import rules
from shared.ops.acts.stages import pauses
from shared.ops.acts.standing import Standing, find, newest, stand
from shared.ops.views.parked import late_text
from shared.ops.views.whereabouts import money_is

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.db import Connection, Row

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_MOST_LINES: Final = 16
_MOST_TRACES: Final = 3
_STOPPED_BY: Final = {
    "payment pending": "batching",
    "batch pending": "batching",
    "transfer created": "sending",
    "transfer approved": "sending",
    "transfer reserved": "sending",
    "transfer signed": "sending",
}
_COLUMNS: Final[Mapping[Machine, tuple[str, type[State]]]] = {
    Machine.PAYMENT: ("conversion_status", PaymentState),
    Machine.BATCH: ("conversion_status", BatchState),
    Machine.ORDER: ("order_status", OrderState),
    Machine.REQUEST: ("request_status", RequestState),
    Machine.TRANSFER: ("transfer_status", TransferState),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the matter: its machine, its name in history and for people, its state, and why it is there."""

    machine: Machine
    subject: str
    name: str
    state: State
    reason: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Why it waits, on whom, until when, and what next; the texts are the lifecycle's, the reason the row's."""

    what: str
    why: str
    on_whom: str
    since: datetime | None
    until: datetime | None
    next_step: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that tells of the matter: each log line of its tasks carries this id. `first`: the first of its moves."""

    id: str
    first: str
    moves: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """One matter. `waits` is None when everything of it is final."""

    name: str
    kind: str
    what: str
    money: str
    parts: Sequence[Part]
    waits: Wait | None
    notes: Sequence[str]
    allowed: Sequence[str]
    story: Sequence[Row]

    @property
    def traces(self) -> Sequence[Trace]:
        """The traces under which it happened: a payment's own, then that of its batch, then those of late helpers."""
        counts = Counter(row["trace"] for row in self.story)
        first = {row["trace"]: row["event"] for row in reversed(self.story)}
        return [Trace(trace, first[trace], moves) for trace, moves in counts.items()]

    def lines(self) -> Iterator[str]:
        """One screen."""
        yield f"{self.kind:<9}{self.name}"
        yield f"what     {self.what}"
        yield f"money    {self.money}"
        for part in self.parts:
            yield f"{part.machine.value:<9}{part.name}: {part.state.value}{f' ({part.reason})' if part.reason else ''}"
        if self.waits is None:
            yield "waits    for nothing: it is final"
        else:
            yield f"waits    {self.waits.what}: {self.waits.why}"
            yield f"on       {self.waits.on_whom}, {_span(self.waits)}"
            yield f"next     {self.waits.next_step}"
        for note in self.notes:
            yield f"note     {note}"
        yield f"allowed  {self.allowed[0] if self.allowed else 'nothing: no act of a person is safe or needed now'}"
        yield from (f"         {command}" for command in self.allowed[1:])
        for trace in self.traces[:_MOST_TRACES]:
            yield f"trace    {trace.id}: {trace.moves} move(s) from {trace.first} on"
        yield "happened"
        left_out = len(self.story) - _MOST_LINES
        if left_out > 0:
            yield f"  ... {left_out} earlier; --json has all"
        yield from (_line(row) for row in self.story[-_MOST_LINES:])

    def as_json(self) -> dict[str, Any]:
        """The same for a program, with the whole story."""
        waits = None if self.waits is None else asdict(self.waits)
        return {
            "name": self.name,
            "kind": self.kind,
            "what": self.what,
            "money": self.money,
            "parts": [
                {"machine": p.machine.value, "name": p.name, "state": p.state.value, "reason": p.reason}
                for p in self.parts
            ],
            "waits": waits and {name: _plain(value) for name, value in waits.items()},
            "notes": list(self.notes),
            "allowed": list(self.allowed),
            "traces": [asdict(trace) for trace in self.traces],
            "history": [{name: _plain(value) for name, value in row.items()} for row in self.story],
        }


def explain(conn: Connection, name: str, now: datetime, limits: Limits) -> Explanation:
    """Everything about what this id names. Raises NotKnown."""
    s = stand(conn, find(conn, name))
    parts = list(parts_of(s))
    told = {(part.machine.value, part.subject) for part in parts} | {
        (machine.value, str(row[key]))
        for machine, key, rows in (
            (Machine.ORDER, "id", s.orders),
            (Machine.REQUEST, "unique_id", s.requests),
            (Machine.TRANSFER, "unique_id", s.transfers),
        )
        for row in rows
    }
    asked = sorted(told)
    story = _QUERIES.all(
        conn, "story", machines=[machine for machine, _ in asked], subjects=[subject for _, subject in asked]
    )
    stopped = pauses(conn, now)
    wait = _wait(parts, story, limits)
    wait = wait and _held_up(wait, s, stopped)
    return Explanation(
        name=name,
        kind=s.found.kind,
        what=_what(s),
        money=money_is(s),
        parts=parts,
        waits=None if wait is None else replace(wait, late=late_text(now, wait.until) if wait.until else ""),
        notes=[*_notes(s, stopped), *_sends(conn, s)],
        allowed=[*rules.allowed(s), *_resuming(s, wait, stopped)],
        story=story,
    )


def parts_of(s: Standing) -> Iterator[Part]:
    """The rows that have a state, from the payment to the transfer; of several attempts the one that counts."""
    if s.payment is not None:
        yield _part(Machine.PAYMENT, s.payment, str(s.payment["id"]), s.payment["payment_ref"], "parked_reason")
    if s.batch is not None:
        yield _part(Machine.BATCH, s.batch, s.batch["batch_conversion_id"], s.batch["batch_conversion_id"], "reason")
    order = s.order
    if order is not None:
        name = order["cn_api_id"] or f"attempt {order['attempt_no']}"
        yield _part(Machine.ORDER, order, str(order["id"]), name, "reason")
    request = s.request
    if request is not None:
        yield _part(Machine.REQUEST, request, request["unique_id"], request["unique_id"], "reason")
    transfer = s.transfer_of(request) or newest(s.transfers)
    if transfer is not None:
        yield _part(Machine.TRANSFER, transfer, transfer["unique_id"], _named(transfer), "reason")


def _named(transfer: Row) -> str:
    paid = f", transaction {transfer['tx_hash']}" if transfer["tx_hash"] else ""
    nonce = "no nonce" if transfer["nonce"] is None else f"nonce {transfer['nonce']}"
    return f"{Ether(transfer['value_wei'])} to {transfer['to_address']}, {nonce}{paid}"


def _part(machine: Machine, row: Row, subject: str, name: str, reason: str) -> Part:
    column, states = _COLUMNS[machine]
    state: State = states(row[column])
    return Part(machine, subject, str(name), state, row[reason])


def _what(s: Standing) -> str:
    if s.payment is not None:
        p = s.payment
        came = f", {Ether(p['net_wei'])} of it to swap" if p["net_wei"] is not None else ", no ETH known to have come"
        worth = f"{Usd(p['payment_amount_usd_micros'])} paid, fee {Usd(p['fee_usd_micros'])}"
        share = p["converted_usdt_amount_units"]
        swapped = "" if share is None else f"; its share is {Tether(share)}"
        return f"{worth}, {Usd(p['pending_usd_amount_micros'])} for client {p['client_id']}{came}{swapped}"
    if s.batch is not None:
        total, ordered = Usd(s.batch["total_pending_usd_micros"]), Ether(s.batch["ordered_wei"])
        return f"{s.batch['payment_count']} payment(s) worth {total}, to swap {ordered}"
    return f"an instant payout of {Ether(s.orders[-1]['amount_wei'])}" if s.orders else "nothing more is known"


def _wait(parts: Sequence[Part], story: Sequence[Row], limits: Limits) -> Wait | None:
    """The part that holds the matter up: one that waits for a person, else the innermost that waits at all."""
    waiting = [part for part in reversed(parts) if part.state in WAITING]
    if not waiting:
        return None
    part = next((one for one in waiting if WAITING[one.state].on_whom.endswith("a person")), waiting[0])
    text = WAITING[part.state]
    entered = [row["at"] for row in story if (row["machine"], row["subject"]) == (part.machine.value, part.subject)]
    since = entered[-1] if entered else None
    return Wait(
        what=f"{part.machine.value} {part.state.value}",
        why=part.reason or text.why,
        on_whom=text.on_whom,
        since=since,
        until=None if since is None else since + limits.wait(text.at_most),
        next_step=text.next_step,
    )


def _held_up(wait: Wait, s: Standing, stopped: Sequence[Row]) -> Wait:
    """The same wait, when it is not the one who usually acts that holds it up: a queue, a paused stage, the wallet."""
    if wait.what == "order adopted" and not s.requests:
        return replace(
            wait,
            why="the message that has it paid was not taken in yet",
            on_whom="the queue gchostpay1-batch-queue and the conductor",
            next_step="the conductor makes a request; the batcher's sweep sends the message again when it was lost",
        )
    if wait.what not in _STOPPED_BY:
        return wait
    stage = _STOPPED_BY[wait.what]
    unwell = next((row for row in s.accounts if row["account_status"] != AccountState.ACTIVE.value), None)
    if unwell is not None and stage == "sending":
        text = WAITING[AccountState(unwell["account_status"])]
        why = f"the wallet {unwell['address']} is {unwell['account_status']}: {unwell['reason']}"
        return replace(wait, why=why, on_whom=text.on_whom, next_step=text.next_step)
    pause = next((row for row in stopped if row["stage"] == stage), None)
    if pause is None:
        return wait
    end = pause["expires_at"]
    return replace(
        wait,
        why=f"{stage} is paused by {pause['paused_by']}: {pause['reason']}",
        on_whom=f"{pause['paused_by']}, or whoever resumes {stage}",
        until=end,
        next_step=f"{'somebody resumes it' if end is None else 'the pause ends'}, then: {wait.next_step}",
    )


def _resuming(s: Standing, wait: Wait | None, stopped: Sequence[Row]) -> Iterator[str]:
    """The command that ends the pause that holds it up, where it would not be refused."""
    stage = None if wait is None else _STOPPED_BY.get(wait.what)
    for pause in stopped:
        if pause["stage"] == stage and rules.against_resume(pause["stage"], pause, s.accounts) is None:
            yield f"gcpay resume {stage}"


def _sends(conn: Connection, s: Standing) -> Iterator[str]:
    """What each provider last answered to the bytes of a transfer that no block has yet."""
    for transfer in s.transfers:
        if transfer["transfer_status"] == TransferState.LIVE.value and transfer["in_block"] is None:
            for row in _QUERIES.all(conn, "last_answers", nonce=transfer["nonce"], unique_id=transfer["unique_id"]):
                yield f"provider {row['provider']} last answered {row['answer_class']} at {row['at']:%H:%M:%S} UTC"


def _notes(s: Standing, pauses: Sequence[Row]) -> Iterator[str]:
    """What is around it: paused stages, a wallet that cannot pay, what was asked and not answered yet."""
    for pause in pauses:
        end = "" if pause["expires_at"] is None else f" until {pause['expires_at']:%Y-%m-%d %H:%M} UTC"
        yield f"{pause['stage']} is paused{end} by {pause['paused_by']}: {pause['reason']}"
    for account in s.accounts:
        if account["account_status"] != AccountState.ACTIVE.value:
            yield f"the wallet {account['address']} is {account['account_status']}: {account['reason']}"
    for transfer in s.transfers:
        if transfer["asked"]:
            yield f"{transfer['asked']} is asked of the executor for {transfer['unique_id']} and not answered yet"
        if transfer["last_refusal"]:
            yield f"{transfer['unique_id']}: {transfer['last_refusal']}"


def _span(wait: Wait) -> str:
    since = "" if wait.since is None else f"since {wait.since:%Y-%m-%d %H:%M:%S}, "
    if wait.until is None:
        return f"{since}without a date"
    return f"{since}at most until {wait.until:%Y-%m-%d %H:%M:%S} UTC{wait.late}"


def _line(row: Row) -> str:
    reason = row["evidence"].get("reason")
    moved = f"{row['from_state'] or '-'} -> {row['to_state']}"
    return f"  {row['at']:%Y-%m-%d %H:%M:%S} {row['event']:<24} {moved:<24} {reason or ''}".rstrip()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else value
