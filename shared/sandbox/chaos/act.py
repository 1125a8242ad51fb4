"""Breaks one thing on a running fleet, and finds out whether what was put there has struck."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from shared.sandbox.chaos.plan import (
    Breakage,
    CutCommits,
    CutSessions,
    DatabaseDown,
    ExchangeFails,
    KillService,
    KillTaskServer,
    KillWorker,
    NodeFails,
    PurgeQueues,
    TasksGoWrong,
)
from shared.sandbox.fleet import Fleet
from shared.sandbox.loopback import call_json
from shared.sandbox.postgres_proxy import Moment
from shared.sandbox.tasks import TaskControl
from shared.sandbox.tasks.control_client import ControlRefused

NOT_THERE = (OSError, http.client.HTTPException, ControlRefused)
"""What a control port gives whose process has just been killed or is being started."""
_EXCHANGE, _NODE = "exchange", "chain_second"


class Acts:
    """Everything that can be broken on one fleet, which must have been started with `proxied_database`."""

    def __init__(self, fleet: Fleet) -> None:
        assert fleet.database_proxy is not None, "this fleet has no proxy before its database"
        self._fleet, self._proxy = fleet, fleet.database_proxy
        self._tasks = TaskControl(fleet.urls["tasks_control"])
        self._placed: list[_Placed] = []
        self._cuts_told: Counter[Moment] = Counter(self._proxy.struck)
        self._timers: list[threading.Timer] = []

    def do(self, breaks: Breakage) -> bool:
        """Break it: True when that is done. False: it strikes later, or there was nothing to break.

        Raises one of NOT_THERE when whom it is for does not answer at the moment; then nothing was done.
        """
        match breaks:
            case KillWorker(service):
                return kill_workers(self._fleet, service) > 0
            case KillService(service):
                return kill_process(self._fleet, service)
            case KillTaskServer():
                self._placed = [each for each in self._placed if each.where != "tasks"]
                return kill_process(self._fleet, "tasks")
            case PurgeQueues():
                self._tasks.purge()
                return True
            case CutSessions():
                return self._proxy.cut_sessions() > 0
            case DatabaseDown(seconds):
                self._down_for(seconds)
                return True
            case CutCommits(moment, count):
                self._proxy.cut_at(moment, count)
            case TasksGoWrong(fault):
                self._placed.append(_Placed(breaks, "tasks", self._tasks.add_fault(fault)))
            case NodeFails(name, times, fields):
                self._pin(breaks, _NODE, {"name": name, "times": times, **fields}, times)
            case ExchangeFails(name, route, times, fields):
                self._pin(breaks, _EXCHANGE, {"name": name, "route": route, "times": times, **fields}, times)
        return False

    def news(self) -> Iterator[tuple[Breakage, int]]:
        """What has struck since the last time, and how often. Who does not answer now is asked the next time."""
        for moment, count in self._proxy.struck.items():
            if more := count - self._cuts_told[moment]:
                self._cuts_told[moment] = count
                yield CutCommits(moment, more), more
        for where, strikes in (("tasks", self._of_tasks), (_NODE, self._of_board), (_EXCHANGE, self._of_board)):
            placed = [each for each in self._placed if each.where == where]
            yield from self._of(placed, strikes)

    def heal(self) -> None:
        """Take away whatever has not struck, and let everybody in again."""
        for timer in self._timers:
            timer.cancel()
        self._proxy.heal()
        self._tasks.clear_faults()
        for where in (_NODE, _EXCHANGE):
            call_json("DELETE", self._board(where))
        self._placed.clear()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _of(
        self, placed: list[_Placed], strikes: Callable[[list[_Placed]], dict[int, int]]
    ) -> Iterator[tuple[Breakage, int]]:
        if not placed:
            return
        try:
            struck = strikes(placed)
        except NOT_THERE:
            return
        for each in placed:
            if more := struck.get(each.number, each.told) - each.told:
                each.told += more
                yield each.breaks, more

    def _of_tasks(self, _placed: list[_Placed]) -> dict[int, int]:
        return {int(str(each["id"])): int(str(each["fired"])) for each in self._tasks.faults()}

    def _of_board(self, placed: list[_Placed]) -> dict[int, int]:
        """A fault that is used up is off the board."""
        listed = call_json("GET", self._board(placed[0].where)).body["faults"]
        assert isinstance(listed, list)
        left = {each["number"]: each["times"] for each in listed}
        return {each.number: each.times - left.get(each.number, 0) for each in placed}

    def _pin(self, breaks: Breakage, where: str, fault: Mapping[str, object], times: int) -> None:
        pinned = call_json("POST", self._board(where), fault)
        assert pinned.status == 200, pinned
        self._placed.append(_Placed(breaks, where, int(str(pinned.body["number"])), times))

    def _board(self, where: str) -> str:
        return f"{self._fleet.urls[where]}/_sim/faults"

    def _down_for(self, seconds: float) -> None:
        self._proxy.go_down()
        timer = threading.Timer(seconds, self._proxy.come_up)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)


@dataclass
class _Placed:
    """A fault that waits for its moment. `told`: so many of its strikes were news before."""

    breaks: Breakage
    where: str
    number: int
    times: int = 0
    told: int = 0


def kill_workers(fleet: Fleet, service: str) -> int:
    """kill -9 to what serves the service's requests, as a machine that fails would; how many there were."""
    killed = 0
    try:
        guard = psutil.Process(fleet.processes[service].popen.pid)
        for worker in [worker for master in guard.children() for worker in master.children()]:
            worker.kill()
            killed += 1
    except psutil.NoSuchProcess:  # it ended by itself, or is just being started
        return killed
    return killed


def kill_process(fleet: Fleet, name: str) -> bool:
    """kill -9 to a process and all that it has started, at once; False when it had ended before."""
    process = fleet.processes[name]
    if not process.running:
        return False
    # Its own session: only its children are in the group, and while it is not waited for, its number is nobody else's.
    os.killpg(process.popen.pid, signal.SIGKILL)
    return True
