"""What a run of the benchmark found: the figures as they were measured, and what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from shared.sandbox.bench.targets import BY_NAME, Reached, Target

Json = dict[str, object]
Round = tuple[float, float]
"""One round: ours, then the limit's, one right after the other."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Everything that is claimed is computed from `rounds` and `beside`; nothing can be set.

    `size`: how many rows; None where that means nothing. `beside`: other figures of the same runs, by name.
    `missing`: why there is nothing to measure.
    """

    name: str
    rounds: Sequence[Round]
    size: int | None = None
    beside: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    missing: str = ""

    @property
    def target(self) -> Target:
        return BY_NAME[self.name]

    @property
    def ours(self) -> float | None:
        return median(ours for ours, _ in self.rounds) if self.rounds else None

    @property
    def limit(self) -> float | None:
        return median(limit for _, limit in self.rounds) if self.rounds else None

    @property
    def ratio(self) -> float | None:
        ours, limit = self.ours, self.limit
        return ours / limit if ours is not None and limit else None

    @property
    def reached(self) -> Reached:
        return self.target.reached(self.ratio, self.beside)

    def as_json(self) -> Json:
        target = self.target
        told: Json = {
            "name": self.name,
            "what": target.what,
            "limit_is": target.limit,
            "unit": target.unit,
            "better": target.better,
            "size": self.size,
            "ours": _rounded(self.ours),
            "limit": _rounded(self.limit),
            "ratio": _rounded(self.ratio),
            "must": _rounded(target.must),
            "ambitious": _rounded(target.ambitious),
            "also": dict(target.also),
            "reached": self.reached,
            "beside": {name: _rounded(figure) for name, figure in self.beside.items()},
            "rounds": [[_rounded(ours), _rounded(limit)] for ours, limit in self.rounds],
        }
        return told | ({"note": self.note} if self.note else {}) | ({"missing": self.missing} if self.missing else {})


@dataclass(frozen=True, slots=True)
class Report:
    """All lines of a run; for each name the first is the one that its target is about, the others show how it grows."""

    lines: Sequence[Line]
    machine: Json
    counts: Json
    quick: bool

    def judged(self) -> list[Line]:
        """One line per name."""
        first: dict[str, Line] = {}
        for line in self.lines:
            first.setdefault(line.name, line)
        return list(first.values())

    def sizes(self) -> list[Line]:
        """The other sizes of the same lines."""
        judged = {id(line) for line in self.judged()}
        return [line for line in self.lines if id(line) not in judged]

    def as_json(self) -> Json:
        return {
            "quick": self.quick,
            "machine": self.machine,
            "lines": [line.as_json() for line in self.judged()],
            "sizes": [line.as_json() for line in self.sizes()],
            "counts": self.counts,
        }


def _rounded(figure: float | None) -> float | None:
    """Four significant digits: more would only be noise."""
    return None if figure is None else float(f"{figure:.4g}")
