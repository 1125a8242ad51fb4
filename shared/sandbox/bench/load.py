"""The upstream of the benchmark, a process of its own: posts webhooks over a few connections that stay open.

One thread over raw sockets, so that it takes as little as possible of the cores that it shares with what is measured.
What to do stands on standard input as JSON (`Orders`), what came of it goes to standard output as JSON (`Outcome`).
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Self

from shared.sandbox.fleet.environment import process_environment
from shared.sandbox.processes import ROOT

HOST: Final = "127.0.0.1"
_BODY: Final = (
    '{"user_id": 6271402111, "client_id": -1003296084379, "wallet_address":'
    ' "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922", "payout_currency": "usdt", "payout_network": "eth",'
    ' "payment_amount_usd": "20.00", "subscription_id": 101, "payment_timestamp": "2026-11-20T20:17:00.000007",'
    ' "nowpayments_payment_id": "%s", "nowpayments_pay_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886",'
    ' "nowpayments_outcome_amount": "0.008"}'
)
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "
_CHUNK: Final = 1 << 16
_SILENCE_S: Final = 10.0
_PAUSE_AFTER_FAILURE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Orders:
    """What the upstream shall do: for so many seconds post payments named `prefix`-1, -2, ... to a service.

    `ports`: where its instances listen; connections are spread over them as the load balancer in front of them does.

    `per_second` 0: as fast as the answers come. What is not answered 200 is posted again until it is, as an upstream
    does; after the seconds nothing new is posted, but what is open is brought to its end within `patience_s`.
    """

    ports: Sequence[int]
    token: str
    prefix: str
    seconds: float
    connections: int = 8
    per_second: float = 0.0
    patience_s: float = 0.0


@dataclass
class Outcome:
    """What came of it. `began_s` is on the machine's own steady clock, the moments of `failures` are since then.

    A failure is whatever was not answered 200.
    """

    began_s: float = 0.0
    accepted: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    failures: list[tuple[float, str]] = field(default_factory=list)
    never_accepted: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds if self.seconds else 0.0

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Self:
        outcome = cls(**told)  # type: ignore[arg-type] # written by the same class
        outcome.failures = [(at, why) for at, why in outcome.failures]
        return outcome


class UpstreamFailed(Exception):
    """The load client ended without an outcome; the message is the end of what it said."""


def start_upstream(orders: Orders) -> subprocess.Popen[str]:
    """The upstream as a process of its own; `outcome_of` waits for it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "shared.sandbox.bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(orders)))
    process.stdin.close()
    process.stdin = None
    return process


def outcome_of(upstream: subprocess.Popen[str]) -> Outcome:
    """What it found. Raises UpstreamFailed."""
    told, error = upstream.communicate()
    if upstream.returncode != 0:
        raise UpstreamFailed(error[-1_000:])
    return Outcome.of(json.loads(told))


class _Connection:
    """One connection that stays open, with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection((HOST, port), _SILENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = ""
        self.sent_at_s = 0.0
        self.due_s = 0.0
        self._heard = b""

    def post(self, name: str, request: bytes, now_s: float) -> None:
        self.name, self.sent_at_s, self._heard = name, now_s, b""
        self.socket.sendall(request)

    def hear(self) -> int | None:
        """The status of the answer when it is complete. OSError when the other side left."""
        part = self.socket.recv(_CHUNK)
        if not part:
            raise ConnectionResetError("closed")
        self._heard += part
        head, found, body = self._heard.partition(_HEAD_END)
        if not found:
            return None
        _, _, rest = head.partition(_LENGTH)
        length = int(rest.partition(b"\r\n")[0] or 0)
        return int(head[9:12]) if len(body) >= length else None


class _Upstream:
    """Keeps every connection busy, or at the asked pace."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._began_s = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._again: list[str] = []
        self._latencies_s: list[float] = []
        self._numbers = 0
        self._missing = 0
        self._broken_until_s = 0.0
        self._outcome = Outcome(self._began_s)
        self._ports_missing = [orders.ports[number % len(orders.ports)] for number in range(orders.connections)]
        head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {orders.token}\r\n"
        self._head = (head + "Content-Type: application/json\r\n").encode()

    def run(self) -> Outcome:
        orders, outcome = self._orders, self._outcome
        while (now_s := self._now()) < orders.seconds + orders.patience_s:
            if now_s >= orders.seconds and not self._again and not self._busy:
                break
            self._connect(now_s)
            self._post(now_s)
            for key, _ in self._selector.select(0.005 if self._idle or not self._busy else 0.5):
                self._hear(key.data)
            self._give_up_silent()
        outcome.never_accepted += self._again + [one.name for one in self._busy if orders.patience_s]
        ordered = sorted(self._latencies_s)
        outcome.accepted = len(ordered)
        outcome.seconds = min(self._now(), orders.seconds)
        if ordered:
            outcome.p50_ms = ordered[len(ordered) // 2] * 1_000
            outcome.p99_ms = ordered[len(ordered) * 99 // 100] * 1_000
        return outcome

    def _connect(self, now_s: float) -> None:
        while self._ports_missing and now_s >= self._broken_until_s:
            try:
                connection = _Connection(self._ports_missing[0])
            except OSError as error:
                self._fail(now_s, type(error).__name__)
                return
            connection.due_s = now_s
            self._ports_missing.pop(0)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._idle.append(connection)

    def _post(self, now_s: float) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            if connection.due_s > now_s:
                self._idle.append(connection)
                continue
            name = self._next_name(now_s)
            if name is None:
                self._idle.append(connection)
                continue
            if self._orders.per_second:
                connection.due_s = max(connection.due_s, now_s - 1) + self._orders.connections / self._orders.per_second
            body = (_BODY % name).encode()
            try:
                connection.post(name, self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body, self._now())
            except OSError as error:
                self._lose(connection, error)
            else:
                self._busy.add(connection)

    def _next_name(self, now_s: float) -> str | None:
        if self._again and now_s >= self._broken_until_s:
            return self._again.pop()
        if now_s >= self._orders.seconds:
            return None
        self._numbers += 1
        return f"{self._orders.prefix}-{self._numbers}"

    def _hear(self, connection: _Connection) -> None:
        try:
            status = connection.hear()
        except OSError as error:
            self._lose(connection, error)
            return
        if status is None:
            return
        now_s = self._now()
        self._busy.discard(connection)
        self._idle.append(connection)
        if status == 200:
            self._latencies_s.append(now_s - connection.sent_at_s)
        elif 400 <= status < 500:
            self._outcome.never_accepted.append(connection.name)
            self._outcome.failures.append((round(now_s, 3), str(status)))
        else:
            self._again.append(connection.name)
            self._fail(now_s, str(status))

    def _lose(self, connection: _Connection, error: OSError) -> None:
        if connection in self._busy or connection.name:
            self._again.append(connection.name)
        self._busy.discard(connection)
        self._idle = [one for one in self._idle if one is not connection]
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._ports_missing.append(connection.port)
        self._fail(self._now(), type(error).__name__)

    def _give_up_silent(self) -> None:
        now_s = self._now()
        for connection in [one for one in self._busy if now_s - one.sent_at_s > _SILENCE_S]:
            self._lose(connection, TimeoutError())

    def _fail(self, now_s: float, why: str) -> None:
        self._outcome.failures.append((round(now_s, 3), why))
        self._broken_until_s = now_s + _PAUSE_AFTER_FAILURE_S

    def _now(self) -> float:
        return time.monotonic() - self._began_s


def main() -> None:
    """Reads the orders, does them, writes the outcome."""
    outcome = _Upstream(Orders(**json.load(sys.stdin))).run()
    sys.stdout.write(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
