"""Carries a plan out on a running fleet, and tells what it broke: what was done, and each fault when it struck."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.sandbox.chaos.act import NOT_THERE, Acts
from shared.sandbox.chaos.plan import LASTS_S, Action, Breakage, plan
from shared.sandbox.chaos.supervisor import Supervisor
from shared.sandbox.fleet import Fleet

_TURN_S = 0.1
_NEWS_EVERY_S = 0.4
_CALM_WITHIN_S = 60.0
_LATE_S = LASTS_S / 3


@dataclass(frozen=True)
class Broken:
    """One thing that was broken. `at_s` is on the clock of who asked for the storm."""

    at_s: float
    what: str


class Storm:
    """`start` before the first payment, `payments_arrived` after the last; `stop` when all is over, or `calm` to have a
    healthy fleet again.

    Many payments take longer than a plan lasts: it begins anew until they are there, and a last time for their batch.
    """

    def __init__(
        self, fleet: Fleet, seed: int, clock: Callable[[], float], tell: Callable[[Broken], None] = lambda _: None
    ) -> None:
        self.seed = seed
        self.broken: list[Broken] = []
        self._fleet, self._clock, self._tell = fleet, clock, tell
        self._acts = Acts(fleet)
        self._supervisor = Supervisor(fleet)
        self._to_do: list[Action] = []
        self._began = 0.0
        self._arrived, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._blow, name="storm", daemon=True)

    def start(self) -> None:
        """Break what is to be broken from the start, and go on beside the caller."""
        self._supervisor.start()
        self._begin()
        self._thread.start()

    def payments_arrived(self) -> None:
        """Say that everything is there that is to be swapped."""
        self._arrived.set()

    def stop(self) -> None:
        """Break nothing more, and take away what has not struck. A repeat does nothing."""
        self._stop_breaking()
        self._supervisor.stop()

    def calm(self) -> None:
        """As `stop`; returns when every service is healthy again, or after a minute in which one was not."""
        self._stop_breaking()
        give_up_at = time.monotonic() + _CALM_WITHIN_S
        while set(self._fleet.health().values()) != {"healthy"} and time.monotonic() < give_up_at:
            time.sleep(_TURN_S)
        self._supervisor.stop()

    def as_json(self) -> dict[str, object]:
        """For programs: the seed, and what was broken when."""
        told = sorted(self.broken, key=lambda each: each.at_s)
        return {"seed": self.seed, "broken": [{"at_s": each.at_s, "what": each.what} for each in told]}

    # --- inside -------------------------------------------------------------------------------------------------------

    def _stop_breaking(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _blow(self) -> None:
        while self._goes_on_after_a_round():
            self._heal()
            self._begin()
        self._heal()

    def _begin(self) -> None:
        self._began, self._to_do = time.monotonic(), list(plan(self.seed))
        self._do_what_is_due(0.0)

    def _goes_on_after_a_round(self) -> bool:
        """Carries the plan out; whether it must begin anew."""
        news_at = 0.0
        was_early = self._arrived.is_set()
        while not self._stopping.wait(_TURN_S) and (passed := time.monotonic() - self._began) < LASTS_S:
            if not was_early and self._arrived.is_set():
                was_early = passed < _LATE_S
                if not was_early:
                    break
            self._do_what_is_due(passed)
            if passed >= news_at:
                news_at = passed + _NEWS_EVERY_S
                self._hear_news()
        self._hear_news()
        return not was_early and not self._stopping.is_set()

    def _do_what_is_due(self, passed_s: float) -> None:
        due = [action for action in self._to_do if action.at_s <= passed_s]
        for action in due:
            # Who is just being started again is met in the next turn.
            with contextlib.suppress(*NOT_THERE):
                if self._acts.do(action.breaks):
                    self._note(action.breaks, 1)
                self._to_do.remove(action)

    def _hear_news(self) -> None:
        for breaks, times in self._acts.news():
            self._note(breaks, times)

    def _heal(self) -> None:
        give_up_at = time.monotonic() + _CALM_WITHIN_S
        while time.monotonic() < give_up_at:
            with contextlib.suppress(*NOT_THERE):
                self._acts.heal()
                return
            time.sleep(_TURN_S)

    def _note(self, breaks: Breakage, times: int) -> None:
        what = str(breaks) if times == 1 else f"{breaks}, {times} times"
        broken = Broken(round(self._clock(), 1), what)
        self.broken.append(broken)
        self._tell(broken)
