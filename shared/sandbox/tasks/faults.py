"""What can go wrong between the queue, its client and its targets, on command."""

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

MAX_COPIES = 16


class FaultKind(StrEnum):
    """The faults. Each names what is lost or added, and on which side."""

    DUPLICATE = "duplicate"
    """The target gets the task `copies` more times: beside the first delivery, or `delay_s` after its answer."""
    DELAY = "delay"
    """The first delivery comes `delay_s` late."""
    LOSE_CREATE_ANSWER = "lose_create_answer"
    """The task is created, the client sees `answer` (UNAVAILABLE, DEADLINE_EXCEEDED) or SILENCE until it gives up."""
    REFUSE_CREATE = "refuse_create"
    """The task is not created, and the client sees the same `answer`: it cannot tell the two apart."""
    LOSE_DISPATCH_ANSWER = "lose_dispatch_answer"
    """The target did it, the service believes it failed and delivers again."""
    LOSE_TASK = "lose_task"
    """The task is accepted and never delivered; its name stays taken."""


ANSWERS = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "SILENCE")


class BadFault(ValueError):
    """A fault was described that cannot be."""


@dataclass(frozen=True)
class Fault:
    """One fault and where it strikes. `queue` (id), `url` and `task` (id) are shell patterns, all must fit.

    An edge is named by its queue and its target's path: `queue="gchostpay1-response-queue", url="*/status-verified"`.
    `count` None is without end. `probability` is drawn per task and attempt from `seed`, so the same tasks meet the
    same fate in whatever order their threads run.
    """

    kind: FaultKind
    queue: str = "*"
    url: str = "*"
    task: str = "*"
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    delay_s: float = 0.0
    copies: int = 1
    concurrent: bool = True
    answer: str = "UNAVAILABLE"

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise BadFault(f"answer: must be one of {', '.join(ANSWERS)}")
        if not 1 <= self.copies <= MAX_COPIES:
            raise BadFault(f"copies: must be 1 to {MAX_COPIES}")
        if not 0 <= self.probability <= 1:
            raise BadFault("probability: must be 0 to 1")
        if self.delay_s < 0 or (self.count is not None and self.count < 1):
            raise BadFault("delay_s and count: must not be negative or zero")

    @classmethod
    def from_json(cls, body: Mapping[str, object]) -> "Fault":
        """Read a fault from the control port. Raises BadFault with the field and the rule."""
        known = {name: field.type for name, field in cls.__dataclass_fields__.items()}
        if unknown := set(body) - set(known):
            raise BadFault(f"unknown field: {', '.join(sorted(unknown))}")
        try:
            kind = FaultKind(str(body.get("kind")))
        except ValueError as error:
            raise BadFault(f"kind: must be one of {', '.join(FaultKind)}") from error
        values = {**body, "kind": kind}
        for name, value in values.items():
            if not _fits(known[name], value):
                raise BadFault(f"{name}: must be {getattr(known[name], '__name__', known[name])}")
        return cls(**values)  # type: ignore[arg-type]

    def strikes(self, queue: str, url: str, task: str, attempt: int) -> bool:
        """Whether this fault is meant for that delivery (its count aside)."""
        fits = fnmatchcase(queue, self.queue) and fnmatchcase(url, self.url) and fnmatchcase(task, self.task)
        if not fits or self.probability >= 1:
            return fits
        return random.Random(f"{self.seed}/{self.kind}/{task}/{attempt}").random() < self.probability


@dataclass
class _Placed:
    fault: Fault
    fired: int = 0


class Faults:
    """The faults in force. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._placed: dict[int, _Placed] = {}

    def add(self, fault: Fault) -> int:
        """Put a fault in force; gives its id."""
        with self._lock:
            fault_id = next(self._ids)
            self._placed[fault_id] = _Placed(fault)
        return fault_id

    def remove(self, fault_id: int) -> bool:
        """Take one away; False when there is none with this id (any more)."""
        with self._lock:
            return self._placed.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Take all away."""
        with self._lock:
            self._placed.clear()

    def fired(self, fault_id: int) -> int:
        """How often a fault has struck so far."""
        with self._lock:
            return self._placed[fault_id].fired

    def describe(self) -> list[dict[str, object]]:
        """All faults in force or used up, with how often each struck."""
        with self._lock:
            return [{"id": key, "fired": p.fired, **vars(p.fault)} for key, p in self._placed.items()]

    def strike(self, kind: FaultKind, queue: str, url: str, task: str, attempt: int = 0) -> Fault | None:
        """The fault that hits this delivery, if any; the first one placed wins and is counted."""
        with self._lock:
            for placed in self._placed.values():
                fault = placed.fault
                used_up = fault.count is not None and placed.fired >= fault.count
                if fault.kind is kind and not used_up and fault.strikes(queue, url, task, attempt):
                    placed.fired += 1
                    return fault
        return None


def _fits(kind: object, value: object) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int or kind == int | None:
        return (value is None and kind is not int) or (isinstance(value, int) and not isinstance(value, bool))
    return isinstance(value, kind) if isinstance(kind, type) else False
