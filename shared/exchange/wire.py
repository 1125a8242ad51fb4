"""One HTTP request to the exchange: bounded in time and size, without redirects, and its answer as a value.

The key travels in one header and is nowhere else: an answer that repeats it ("invalid api key: ...") has it replaced by
stars before anybody reads it, because the exchange's words are stored and told to people. Exceptions of the HTTP client
carry the whole request, so none of them leaves this module, not even as the cause of ours.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pydantic import SecretStr

from shared.exchange.budget import CallBudget

if TYPE_CHECKING:
    import requests

KEY_HEADER: Final = "x-changenow-api-key"
MOST_BYTES: Final = 262_144
_CHUNK_BYTES: Final = 16_384
_LEAST_S: Final = 0.05
_STARS: Final = b"***"
_SHORTEST_KEY: Final = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP status and a complete body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """No complete answer; `maybe_sent` False only if the request certainly never reached the exchange."""

    reason: str
    maybe_sent: bool


class Wire:
    """The connection to the exchange with one key. Wires of one process share its budget of calls."""

    def __init__(self, url: str, api_key: SecretStr, budget: CallBudget) -> None:
        self._budget = budget
        self._url = url.rstrip("/")
        self._api_key = api_key

    def __repr__(self) -> str:
        return f"Wire({self._url})"

    @cached_property
    def _session(self) -> requests.Session:
        import requests  # where it is used: no service starts with a question to the exchange

        session = requests.Session()
        # Cookies would make one request depend on another.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return session

    def get(self, path: str, query: Mapping[str, str], timeout_s: float) -> Answered | NotAnswered:
        return self._ask("GET", path, timeout_s, query=query)

    def post(self, path: str, body: Mapping[str, str], timeout_s: float) -> Answered | NotAnswered:
        return self._ask("POST", path, timeout_s, body=body)

    def _ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> Answered | NotAnswered:
        import requests

        deadline_s = time.monotonic() + timeout_s
        if not self._budget.take(timeout_s / 2):
            return NotAnswered("this process has used up its share of calls", maybe_sent=False)
        try:
            with self._session.request(
                method,
                self._url + path,
                params=query,
                json=body,
                headers={KEY_HEADER: self._api_key.get_secret_value(), "Accept": "application/json"},
                timeout=max(deadline_s - time.monotonic(), _LEAST_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._without_key(_whole_answer(response, deadline_s))
        except requests.ConnectTimeout:
            return NotAnswered("no connection in time", maybe_sent=False)
        except (requests.RequestException, OSError) as error:
            return NotAnswered(type(error).__name__, maybe_sent=True)

    def _without_key(self, answer: Answered | NotAnswered) -> Answered | NotAnswered:
        if isinstance(answer, NotAnswered):
            return answer
        key = self._api_key.get_secret_value()
        if len(key) < _SHORTEST_KEY:  # it would be found in amounts and addresses
            return answer
        told = answer.body
        for spelling in {key, json.dumps(key)[1:-1], quote(key, safe="")}:
            told = re.sub(re.escape(spelling.encode()), _STARS, told, flags=re.IGNORECASE)
        return Answered(answer.status, told)


def _whole_answer(response: requests.Response, deadline_s: float) -> Answered | NotAnswered:
    from urllib3.exceptions import HTTPError

    body = bytearray()
    # A body that trickles never trips the client's own time-out, which counts from byte to byte; and asked for so many
    # bytes, the client would not come back before it has them. So: whatever has come, and a look at the clock.
    try:
        while part := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += part
            if len(body) > MOST_BYTES:
                return NotAnswered("the answer is too large", maybe_sent=True)
            if time.monotonic() > deadline_s:
                return NotAnswered("the answer took too long", maybe_sent=True)
    except HTTPError as error:
        return NotAnswered(type(error).__name__, maybe_sent=True)
    return Answered(response.status_code, bytes(body))
