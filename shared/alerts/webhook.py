"""The sink: one POST per alert, bounded in time whatever the other side does. Its address is a secret, never told."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Protocol
from urllib.parse import urlsplit

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "gcpay-alerts"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The sink answered 2xx."""


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """It did not, or nobody knows: the alert is sent again. `reason` holds no part of the address."""

    reason: str


class Sink(Protocol):
    """Whoever hears alerts."""

    def post(self, body: bytes) -> Accepted | NotAccepted:
        """Sends one alert. Never raises for what the other side does."""
        ...


class Webhook:
    """A sink over http(s). Redirects are not followed: the alert would go where nobody decided.

    `limit_s` is for the whole call, connecting and a body that drips included; only the answer's status is read.
    """

    def __init__(self, url: str, limit_s: float = 5.0) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._limit_s = limit_s

    def __repr__(self) -> str:
        return "Webhook(**********)"

    def post(self, body: bytes) -> Accepted | NotAccepted:
        connection = self._connection()
        over, status = threading.Event(), 0

        def cut() -> None:
            over.set()
            sock = connection.sock
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # it is closed already

        timer = threading.Timer(self._limit_s, cut)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            if not over.is_set():  # else it was cut before there was anything to cut
                connection.request("POST", self._path, body, _HEADERS)
                status = connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            if not over.is_set():
                return NotAccepted(type(error).__name__)
        finally:
            timer.cancel()
            connection.close()
        if over.is_set():  # an answer that was cut may look whole
            return NotAccepted("no answer in time")
        return Accepted() if 200 <= status < 300 else NotAccepted(f"answered {status}")

    def _connection(self) -> HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return HTTPSConnection(self._host, self._port, timeout=self._limit_s, context=context)
        return HTTPConnection(self._host, self._port, timeout=self._limit_s)
