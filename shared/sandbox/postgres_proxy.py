"""A proxy in front of PostgreSQL that fails as networks and servers do, at the moments that matter.

It knows the wire protocol just so far that it sees a COMMIT go by (or a statement outside of any transaction, which is
one by itself), and the server's word that it is done: a connection can be cut before the server has heard of the
commit, or after it was made and before anybody is told. It can also end all sessions, and be down. Everything else
passes through as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Self

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65_536
_MOST_START_BYTES = 10_000  # the server's own limit for the first message
_ENCRYPTION_REQUESTS = {80_877_103, 80_877_104}  # TLS, GSSAPI
_COMMIT_WORDS = (b"COMMIT", b"END")
_EXECUTE, _ERROR, _READY = b"E", b"E", b"Z"  # E says another thing in each direction
_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Moment(StrEnum):
    """Where a connection is cut."""

    BEFORE_COMMIT = "before"
    """The server never hears of the commit: the transaction is rolled back."""
    AFTER_COMMIT = "after"
    """The server has committed, and the client never hears of it."""


class PostgresProxy:
    """Listens on loopback and passes on to the server. `port` 0 takes a free one; `.port` tells which.

    A context manager; every method may be called from any thread. Raises OSError when the port is taken.
    """

    def __init__(self, server_port: int, port: int = 0) -> None:
        self._server_port = server_port
        self._listener = socket.create_server((_HOST, port))
        self.port: int = self._listener.getsockname()[1]
        self.struck: Counter[Moment] = Counter()
        self._to_cut: Counter[Moment] = Counter()
        self._lock = threading.Lock()
        self._down = False
        self._sessions: set[_Session] = set()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name=f"postgres-proxy-{self.port}", daemon=True)

    def start(self) -> Self:
        """Begin to pass on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every session; returns when all is closed."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- what can be broken -------------------------------------------------------------------------------------------

    def cut_at(self, moment: Moment, count: int = 1) -> None:
        """The next `count` commits that go by are cut there; `struck` counts those that were."""
        with self._lock:
            self._to_cut[moment] += count

    def cut_sessions(self) -> int:
        """End every session now, whatever it is doing; how many there were."""
        with self._lock:
            cut = list(self._sessions)
        for session in cut:
            self._loop.call_soon_threadsafe(session.cut)
        return len(cut)

    def go_down(self) -> int:
        """End every session, and let nobody in until `come_up`; how many sessions there were."""
        self._down = True
        return self.cut_sessions()

    def come_up(self) -> None:
        """Let clients in again. A repeat does nothing."""
        self._down = False

    def heal(self) -> None:
        """Nothing more is cut, and everybody is let in."""
        with self._lock:
            self._to_cut.clear()
        self.come_up()

    def strikes(self, moment: Moment) -> bool:
        """Whether the commit that goes by now is cut at this moment; it is counted."""
        with self._lock:
            if not self._to_cut[moment]:
                return False
            self._to_cut[moment] -= 1
            self.struck[moment] += 1
            return True

    # --- passing on ---------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._until_stopped())

    async def _until_stopped(self) -> None:
        ways: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            way = asyncio.ensure_future(self._pass_on(reader, writer))
            ways.add(way)
            way.add_done_callback(ways.discard)

        server = await asyncio.start_server(accept, sock=self._listener)
        await self._stopping.wait()
        server.close()
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.cut()
        await asyncio.gather(*ways, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection(_HOST, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        session = _Session((reader, writer), server, self.strikes)
        with self._lock:
            self._sessions.add(session)
        try:
            await session.run()
        finally:
            with self._lock:
                self._sessions.discard(session)


_Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Session:
    """One client's connection and the one to the server that belongs to it: they end together."""

    def __init__(self, client: _Wire, server: _Wire, strikes: Callable[[Moment], bool]) -> None:
        (self._from_client, self._to_client), (self._from_server, self._to_server) = client, server
        self._strikes = strikes
        self._idle = False  # no transaction is open, says the server
        self._alone = False  # a statement is under way that is its own transaction

    def cut(self) -> None:
        """End both connections at once; what was on its way is lost."""
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def run(self) -> None:
        """Until one side ends, or is cut."""
        ways = [asyncio.ensure_future(self._forth()), asyncio.ensure_future(self._back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Not `cut`: a farewell of either side still goes through.
            self._to_client.close()
            self._to_server.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _forth(self) -> None:
        await self._greet()
        await self._messages(
            self._from_client, self._to_server, lambda each: self._commits(each) and self._strikes(Moment.BEFORE_COMMIT)
        )

    async def _back(self) -> None:
        await self._messages(
            self._from_server, self._to_client, lambda each: self._is_done(each) and self._strikes(Moment.AFTER_COMMIT)
        )

    def _commits(self, message: bytes) -> bool:
        """Whether the server commits when it hears this."""
        if message[:1] == _EXECUTE and self._idle:
            self._alone = True
            return True
        return _is_commit(message)

    def _is_done(self, message: bytes) -> bool:
        """Whether this is the server's word that a commit is made."""
        if message[:1] == _ERROR:
            self._alone = False
        if message[:1] != _READY:
            return message == _COMMITTED
        self._idle = message[5:6] == b"I"
        alone, self._alone = self._alone, False
        return alone and self._idle

    async def _greet(self) -> None:
        """The client's first messages have no type. Encryption is refused here, as by a server without it."""
        while True:
            head = await self._from_client.readexactly(8)
            length, code = struct.unpack("!II", head)
            if not 8 <= length <= _MOST_START_BYTES:
                raise ConnectionAbortedError("this is not PostgreSQL's protocol")
            rest = await self._from_client.readexactly(length - 8)
            if code not in _ENCRYPTION_REQUESTS:
                self._to_server.write(head + rest)
                await self._to_server.drain()
                return
            self._to_client.write(b"N")

    async def _messages(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, cut_at: Callable[[bytes], bool]
    ) -> None:
        waiting = b""
        while chunk := await source.read(_CHUNK_BYTES):
            whole, waiting = _split(waiting + chunk)
            for message in whole:
                if cut_at(message):
                    self.cut()
                    return
            target.write(b"".join(whole))
            await target.drain()


def _split(received: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages (a type's byte, a length that counts itself, a body), and what is left of the next one."""
    whole, at = [], 0
    while len(received) - at >= 5:
        end = at + 1 + int.from_bytes(received[at + 1 : at + 5], "big")
        if end > len(received):
            break
        whole.append(received[at:end])
        at = end
    return whole, received[at:]


def _is_commit(message: bytes) -> bool:
    """A commit as our driver sends it: a simple query of one word."""
    return message[:1] == b"Q" and message[5:].rstrip(b"\x00; ").upper() in _COMMIT_WORDS
