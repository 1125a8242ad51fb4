"""Faults on demand: a board on which a person or a test pins what shall go wrong, how often, and where.

A fault is one JSON object: `{"name": "drop_after_commit", "times": 1, "route": "create", ...}`. `times` is how often it
strikes (1 when absent, null = until cleared), `per_mille` how likely a chance becomes a strike (1000 when absent),
`route` narrows it to one route; further fields belong to the fault. The same object, with its `number`, is listed back.

Public: FaultBoard, Fault, FaultUnknown.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GENERAL_FIELDS = frozenset({"name", "times", "per_mille", "route"})


class FaultUnknown(ValueError):
    """The board does not know this fault or one of its fields; the message names what it knows."""


@dataclass
class Fault:
    """One pinned fault; `left` strikes remain (None = until cleared)."""

    number: int
    name: str
    left: int | None
    per_mille: int
    route: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """As it is listed."""
        shown: dict[str, Any] = {"number": self.number, "name": self.name, "times": self.left}
        if self.route is not None:
            shown["route"] = self.route
        if self.per_mille != 1000:
            shown["per_mille"] = self.per_mille
        return shown | dict(self.fields)


class FaultBoard:
    """The faults of one process, safe to use from several threads. `known` maps each fault's name to its own fields
    and their defaults; `routes` None = any; `seed` makes the chances repeatable."""

    def __init__(
        self, known: Mapping[str, Mapping[str, Any]], routes: frozenset[str] | None = None, seed: int = 0
    ) -> None:
        self._known = known
        self._routes = routes
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._pinned: list[Fault] = []
        self._count = 0

    def pin(self, asked: Mapping[str, Any]) -> Fault:
        """Add a fault from its JSON object. Raises FaultUnknown and adds nothing when a part is not understood."""
        name = str(asked.get("name"))
        if name not in self._known:
            raise FaultUnknown(f"no fault {name!r}; known: {', '.join(sorted(self._known))}")
        own = self._known[name]
        if strange := set(asked) - GENERAL_FIELDS - set(own):
            raise FaultUnknown(f"fault {name} has no field {min(strange)!r}; its own: {', '.join(own) or 'none'}")
        route = asked.get("route")
        if route is not None and self._routes is not None and route not in self._routes:
            raise FaultUnknown(f"no route {route!r}; known: {', '.join(sorted(self._routes))}")
        times, per_mille = asked.get("times", 1), asked.get("per_mille", 1000)
        if not (times is None or (type(times) is int and times > 0)):
            raise FaultUnknown("`times` is a whole number above zero, or null for ever")
        if type(per_mille) is not int or not 0 < per_mille <= 1000:
            raise FaultUnknown("`per_mille` is a whole number from 1 to 1000")
        fields = dict(own) | {key: value for key, value in asked.items() if key in own}
        with self._lock:
            self._count += 1
            fault = Fault(self._count, name, times, per_mille, route, fields)
            self._pinned.append(fault)
        return fault

    def strikes(self, name: str, route: str | None = None) -> Mapping[str, Any] | None:
        """The fields of the first fault `name` that strikes here and now, or None. A strike is used up."""
        with self._lock:
            for fault in self._pinned:
                if fault.name != name or fault.route not in (None, route):
                    continue
                if fault.per_mille < 1000 and self._chance.randrange(1000) >= fault.per_mille:
                    continue
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left == 0:
                        self._pinned.remove(fault)
                return fault.fields
        return None

    def listed(self) -> list[dict[str, Any]]:
        """All pinned faults, oldest first."""
        with self._lock:
            return [fault.shown() for fault in self._pinned]

    def clear(self) -> None:
        """Take every fault off the board."""
        with self._lock:
            self._pinned.clear()
