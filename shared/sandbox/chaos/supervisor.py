"""Starts again whatever service died, as Cloud Run starts a new container: the same command, the same environment."""

from __future__ import annotations

import threading
from collections.abc import Collection

from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.identities import SERVICES

_LOOK_EVERY_S = 0.1
WATCHED = (*SERVICES, "tasks")


class Supervisor:
    """Watches from `start` to `stop`. What it has started again may still be starting when it stops."""

    def __init__(self, fleet: Fleet, watched: Collection[str] = WATCHED) -> None:
        self._fleet, self._watched = fleet, watched
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Look a last time, and stop. A repeat does nothing."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._look()
        self._look()

    def _look(self) -> None:
        for name in self._watched:
            if not self._fleet.processes[name].running:
                self._fleet.parts.start_again(name, self._fleet.world)
