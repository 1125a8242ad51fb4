"""PostgreSQL's protocol with fewer round trips: a history has a thousand statements, and most of its time is waiting.

What need not be answered at once (a savepoint is set, or released) travels with the next statement. Everything else is
as in `shared.db.connection`; `tests/simulation` plays the same history through both.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from pg8000.core import CoreConnection

from shared.db.errors import reaction_to

_READY, _ROW, _COMPLETE, _ERROR = b"ZDCE"
_EXECUTE_AND_SYNC: Final = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00S\x00\x00\x00\x04"
_ALL_TEXT: Final = b"\x00\x00"
_NULL: Final = b"\xff\xff\xff\xff"
_CHUNK: Final = 1 << 16

Rows = list[list[bytes | None]]


class Wire:
    """A connection's own way to its server. It may be mixed with the driver's, as long as nothing is pending."""

    def __init__(self, raw: CoreConnection) -> None:
        self._raw: Any = raw
        self._socket: socket.socket = raw._usock  # noqa: SLF001 - the driver has no public way to its socket
        self._pending = bytearray()
        self._expected = 0

    def later(self, sql: str) -> None:
        """Sends SQL that cannot fail, with whatever is sent next."""
        text = sql.encode() + b"\x00"
        self._pending += b"Q" + (len(text) + 4).to_bytes(4, "big") + text
        self._expected += 1

    def forget(self) -> None:
        """What is pending is not sent any more."""
        self._pending.clear()
        self._expected = 0

    def flush(self) -> None:
        """Sends what is pending and waits for it; raises the reaction to an error."""
        if self._expected:
            self._exchange(b"")

    def execute(self, statement: bytes, arguments: tuple[str | None, ...]) -> tuple[Rows, int]:
        """The rows and the row count of a prepared statement. Raises the reaction to an error."""
        bind = bytearray(b"\x00" + statement + _ALL_TEXT + len(arguments).to_bytes(2, "big"))
        for argument in arguments:
            if argument is None:
                bind += _NULL
            else:
                text = argument.encode()
                bind += len(text).to_bytes(4, "big") + text
        bind += _ALL_TEXT
        self._expected += 1
        return self._exchange(b"B" + (len(bind) + 4).to_bytes(4, "big") + bind + _EXECUTE_AND_SYNC)

    def _exchange(self, message: bytes) -> tuple[Rows, int]:
        self._socket.sendall(bytes(self._pending) + message if self._pending else message)
        expected = self._expected
        self.forget()
        rows: Rows = []
        row_count, error = 0, None
        answer, at = b"", 0
        while expected:
            answer, at = answer[at:] + self._socket.recv(_CHUNK), 0
            size = len(answer)
            while size - at >= 5:
                end = at + 1 + int.from_bytes(answer[at + 1 : at + 5], "big")
                if end > size:
                    break
                code = answer[at]
                if code == _ROW:
                    rows.append(_row(answer, at + 7))
                elif code == _COMPLETE:
                    count = answer[at + 5 : end - 1].rsplit(b" ", 1)[-1]
                    row_count = int(count) if count.isdigit() else 0
                elif code == _ERROR:
                    error = _fields(answer[at + 5 : end])
                elif code == _READY:
                    expected -= 1
                    self._raw._transaction_status = answer[at + 5 : at + 6]  # noqa: SLF001 - the driver reads it itself
                at = end
        if error is not None:
            raise reaction_to(error)
        return rows, row_count


def _row(answer: bytes, at: int) -> list[bytes | None]:
    row: list[bytes | None] = []
    for _ in range(int.from_bytes(answer[at - 2 : at], "big")):
        length = int.from_bytes(answer[at : at + 4], "big", signed=True)
        at += 4
        if length < 0:
            row.append(None)
        else:
            row.append(answer[at : at + length])
            at += length
    return row


def _fields(text: bytes) -> dict[str, str]:
    """An error as the driver gives it: its fields by their letter."""
    parts = text.decode("utf-8", "replace").split("\x00")
    return {part[0]: part[1:] for part in parts if part}
