"""What will be broken, and when: a pure function of the seed. What comes of it depends on the machine.

Every plan breaks something of each class at least once; the seed draws where, how often, in which order and when.
Nothing is planned that rightly ends in another result (an order refused for good, a deposit sent back): whatever the
plan breaks, the shares must be those of a calm day.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.messages import ALL_EDGES, Edge
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.postgres_proxy import Moment
from shared.sandbox.tasks.faults import Fault, FaultKind

LASTS_S: Final = 25.0
"""After so many seconds nothing new is broken, and what is still in force is taken away."""
_FIRST_S: Final = 12.0
"""Most of it begins within these: a batch of the demo takes some ten seconds when nothing goes wrong."""
_MORE: Final = (4, 12)
_OF_A_BATCH: Final = [edge for edge in ALL_EDGES if edge.secret == "internal" and edge.route != "/swap-failed"]  # noqa: S105 - names a kind of secret
_SENDING: Final = ("drop_after_send", "drop_before_send", "geth_words")
_NODE: Final = (*_SENDING, "rate_limited", "html_page", "no_answer", "lag", "null_receipt", "delay")
_UNCLEAR_CREATE: Final = (
    "drop_after_commit",
    "drop_before_commit",
    "error_after_commit",
    "truncated_json",
    "cut_short",
)
"""Each spends one of the few attempts to open an order that a batch has: at most two a plan."""
_ANY_ROUTE: Final = (*_UNCLEAR_CREATE, "rate_limited", "html_502", "error_envelope_200", "delay")
_READING: Final = ("unknown_status", "null_amount_to", "stale_read", "forgotten_order", "duplicate_keys")
_READ_ROUTES: Final = ("range", "estimated-amount", "by-id")


@dataclass(frozen=True)
class KillWorker:
    """kill -9 to the process that serves a service's requests; its master starts another."""

    service: str

    def __str__(self) -> str:
        return f"the worker of {self.service} is killed"


@dataclass(frozen=True)
class KillService:
    """kill -9 to all processes of a service at once, as when its container dies."""

    service: str

    def __str__(self) -> str:
        return f"{self.service} is killed, master and workers"


@dataclass(frozen=True)
class KillTaskServer:
    """kill -9 to the task service: every task and every name is gone with it, and nobody answers for a while."""

    def __str__(self) -> str:
        return "the task service is killed, and all tasks with it"


@dataclass(frozen=True)
class PurgeQueues:
    """Every task of every queue is thrown away."""

    def __str__(self) -> str:
        return "every queue is purged"


@dataclass(frozen=True)
class CutCommits:
    """The next commits' connections are cut."""

    moment: Moment
    count: int

    def __str__(self) -> str:
        return f"a database connection is cut {self.moment} COMMIT"


@dataclass(frozen=True)
class CutSessions:
    """Every connection to the database ends, whatever it is doing."""

    def __str__(self) -> str:
        return "every database connection is cut"


@dataclass(frozen=True)
class DatabaseDown:
    """No connection to the database for some seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"the database is down for {self.seconds:.1f} s"


@dataclass(frozen=True)
class TasksGoWrong:
    """A fault of the task service."""

    fault: Fault

    def __str__(self) -> str:
        where = (
            "a task"
            if self.fault.url == "*"
            else f"a task for {self.fault.url.removeprefix('*')} in {self.fault.queue}"
        )
        return _OF_TASKS[self.fault.kind].format(task=where, fault=self.fault)


@dataclass(frozen=True)
class NodeFails:
    """A fault of the chain's second endpoint, so many times; the first one stays honest."""

    name: str
    times: int
    fields: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"the second node: {_words(self.name)}"


@dataclass(frozen=True)
class ExchangeFails:
    """A fault of the exchange, so many times on one route."""

    name: str
    route: str
    times: int
    fields: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"the exchange, asked for {self.route}: {_words(self.name)}"


Breakage = (
    KillWorker
    | KillService
    | KillTaskServer
    | PurgeQueues
    | CutCommits
    | CutSessions
    | DatabaseDown
    | TasksGoWrong
    | NodeFails
    | ExchangeFails
)


@dataclass(frozen=True)
class Action:
    """One thing to break. `at_s` counts from the first payment."""

    at_s: float
    breaks: Breakage


def plan(seed: int) -> tuple[Action, ...]:
    """Everything that will be broken, soonest first. Equal seeds, equal plans, on every machine."""
    dice = random.Random(seed)
    first = [*_at_once(dice)]
    each_class = [draw(dice) for draw in _CLASSES]
    more = [dice.choice(_CLASSES)(dice) for _ in range(dice.randint(*_MORE))]
    later = [Action(_when(dice, breaks), breaks) for breaks in _few_unclear_creates([*each_class, *more])]
    return tuple(sorted([*first, *later], key=lambda action: action.at_s))


def _at_once(dice: random.Random) -> Iterator[Action]:
    """While the payments arrive, which takes a moment only: somebody must be in their way."""
    yield Action(0.0, CutCommits(dice.choice(list(Moment)), dice.randint(1, 3)))
    yield Action(0.0, dice.choice((KillWorker("GCAccumulator"), KillService("GCAccumulator"), CutSessions())))


def _when(dice: random.Random, breaks: Breakage) -> float:
    """Kills come all the while; a fault that waits for its moment is put there early."""
    kills = isinstance(breaks, KillWorker | KillService | KillTaskServer | PurgeQueues | CutSessions | DatabaseDown)
    return round(dice.uniform(0.2, LASTS_S if kills else _FIRST_S), 1)


def _few_unclear_creates(drawn: list[Breakage]) -> Iterator[Breakage]:
    left = 2
    for breaks in drawn:
        if isinstance(breaks, ExchangeFails) and breaks.route == "create":
            if left == 0:
                continue
            left -= 1
        yield breaks


def _tasks(kind: FaultKind) -> Callable[[random.Random], Breakage]:
    def draw(dice: random.Random) -> Breakage:
        edge: Edge | None = dice.choice([None, *_OF_A_BATCH])
        return TasksGoWrong(
            Fault(
                kind,
                queue="*" if edge is None else edge.queue,
                url="*" if edge is None else f"*{edge.route}",
                count=dice.randint(1, 3),
                delay_s=round(dice.uniform(0.3, 4.0), 1) if kind in (FaultKind.DELAY, FaultKind.DUPLICATE) else 0.0,
                copies=dice.randint(1, 3),
                concurrent=dice.random() < 0.6,
                answer=dice.choice(("UNAVAILABLE", "DEADLINE_EXCEEDED", "SILENCE")),
            )
        )

    return draw


def _node(dice: random.Random) -> Breakage:
    name = dice.choice(_NODE)
    fields: dict[str, object] = {}
    if name == "delay":
        fields = {"seconds": round(dice.uniform(0.5, 3.0), 1)}
    elif name == "lag":
        fields = {"blocks": dice.randint(1, 4)}
    return NodeFails(name, dice.randint(1, 2) if name in _SENDING else dice.randint(2, 12), fields)


def _exchange(dice: random.Random) -> Breakage:
    route = dice.choice(("create", *_READ_ROUTES, "by-id"))
    if route == "create":
        return ExchangeFails(dice.choice(_UNCLEAR_CREATE), route, 1)
    name = dice.choice((*_ANY_ROUTE, *_READING) if route == "by-id" else _ANY_ROUTE)
    fields: dict[str, object] = {"seconds": round(dice.uniform(0.5, 3.0), 1)} if name == "delay" else {}
    return ExchangeFails(name, route, dice.randint(1, 3), fields)


_CLASSES: Final[list[Callable[[random.Random], Breakage]]] = [
    *(_tasks(kind) for kind in FaultKind),
    lambda dice: KillWorker(dice.choice(SERVICES)),
    lambda dice: dice.choice((KillWorker("GCHostPay3"), KillService("GCHostPay3"))),
    lambda dice: KillService(dice.choice(SERVICES)),
    lambda dice: CutCommits(Moment.BEFORE_COMMIT, dice.randint(1, 3)),
    lambda dice: CutCommits(Moment.AFTER_COMMIT, dice.randint(1, 3)),
    lambda dice: dice.choice((CutSessions(), DatabaseDown(round(dice.uniform(0.5, 3.0), 1)))),
    lambda dice: dice.choice((PurgeQueues(), KillTaskServer())),
    _node,
    _node,
    _exchange,
    _exchange,
]

_OF_TASKS: Final = {
    FaultKind.DUPLICATE: "{task} comes {fault.copies} x more",
    FaultKind.DELAY: "{task} comes {fault.delay_s} s late",
    FaultKind.LOSE_CREATE_ANSWER: "{task} is made, and the answer is lost",
    FaultKind.REFUSE_CREATE: "{task} is not made, and the answer does not tell",
    FaultKind.LOSE_DISPATCH_ANSWER: "{task} is done, and the answer is lost",
    FaultKind.LOSE_TASK: "{task} is lost",
}


def _words(name: str) -> str:
    return name.replace("_", " ")
