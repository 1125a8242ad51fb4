"""/health: can this service do its job now? Checked within a limit, remembered for a moment, silent on reasons."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.http.catching import caught
from shared.telemetry import get_logger

Word = Literal["healthy", "unhealthy", "unknown"]

# A flood of health calls costs the dependencies one check per this time.
_REMEMBERED_S = 1.5
_LIMIT_S = 2.0


@dataclass(frozen=True)
class Component:
    """One thing the service depends on.

    `check` returns True (healthy), False (unhealthy) or None (it cannot say); raising means unhealthy. It should bound
    itself; a check that takes longer than two seconds counts as unknown and is not started again while it still runs.
    `vital`: without it the service cannot do its job, and /health answers 503.
    """

    name: str
    check: Callable[[], bool | None]
    vital: bool = True


@dataclass(frozen=True)
class HealthReport:
    """The words for all components, and whether the service can do its job."""

    able: bool
    components: dict[str, Word]


class Health:
    """All components of one service, checked together at most every one and a half seconds."""

    def __init__(
        self,
        components: Sequence[Component] = (),
        monotonic: Callable[[], float] = time.monotonic,
        limit_s: float = _LIMIT_S,
    ) -> None:
        self._components = tuple(components)
        self._monotonic = monotonic
        self._limit_s = limit_s
        self._one_at_a_time = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._last: dict[str, Word] = {}
        self._remembered: HealthReport | None = None
        self._remembered_until = float("-inf")

    def report(self) -> HealthReport:
        """The current words. While somebody looks, the others hear the former words, or wait for the first ones.

        So a dependency that hangs holds one thread of the service, however many ask.
        """
        former = self._remembered
        if not self._one_at_a_time.acquire(blocking=former is None):
            assert former is not None
            return former
        try:
            if self._remembered is None or self._monotonic() >= self._remembered_until:
                self._remembered = self._look()
                self._remembered_until = self._monotonic() + _REMEMBERED_S
            return self._remembered
        finally:
            self._one_at_a_time.release()

    def _look(self) -> HealthReport:
        deadline = time.monotonic() + self._limit_s
        for component in self._components:
            running = self._running.get(component.name)
            if running is None or running.done.is_set():
                self._running[component.name] = _Running.start(component)
        words: dict[str, Word] = {}
        for component in self._components:
            words[component.name] = self._running[component.name].word(deadline - time.monotonic())
        self._tell_changes(words)
        able = all(words[component.name] == "healthy" for component in self._components if component.vital)
        return HealthReport(able=able, components=words)

    def _tell_changes(self, words: dict[str, Word]) -> None:
        for name, word in words.items():
            before = self._last.get(name, "healthy")
            if word != "healthy" and before == "healthy":
                get_logger().warning("component_failed", component=name, word=word, reason=self._running[name].reason)
            elif word == "healthy" and before != "healthy":
                get_logger().info("component_recovered", component=name)
        self._last = words


class _Running:
    """One check in its own thread: a dependency that hangs must not hang the health call."""

    def __init__(self, component: Component) -> None:
        self.done = threading.Event()
        self.reason = ""
        self._component = component
        self._word: Word = "unknown"

    @classmethod
    def start(cls, component: Component) -> "_Running":
        running = cls(component)
        # A daemon: a hanging check must not keep the process from ending.
        threading.Thread(target=running._run, name=f"health-{component.name}", daemon=True).start()
        return running

    def word(self, timeout_s: float) -> Word:
        return self._word if self.done.wait(max(timeout_s, 0.0)) else "unknown"

    def _run(self) -> None:
        outcome = caught(self._component.check)
        if isinstance(outcome, Exception):
            self._word, self.reason = "unhealthy", type(outcome).__name__
        elif outcome is None:
            self._word = "unknown"
        else:
            self._word = "healthy" if outcome else "unhealthy"
        self.done.set()
