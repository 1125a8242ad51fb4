"""A plain JSON-RPC client for the sandbox's own use: no retries, no middleware, nothing between caller and node."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 20


class RpcRefused(RuntimeError):
    """The node answered with an error; `code` and `message` are its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the node refuses ({code}): {message}")
        self.code = code
        self.message = message


class RpcUnreachable(RuntimeError):
    """No usable answer came; the request may have been executed."""


class Rpc:
    """One endpoint; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = parts.path or "/"
        self._numbers = itertools.count(1)

    def call(self, method: str, *params: Any) -> Any:
        """The `result` of one request. Raises RpcRefused or RpcUnreachable."""
        answer = self.exchange(method, list(params))
        if "error" in answer:
            raise RpcRefused(int(answer["error"].get("code", 0)), str(answer["error"].get("message", "")))
        return answer["result"]

    def exchange(self, method: str, params: list[Any]) -> dict[str, Any]:
        """The whole answer of one request, an error included. Raises RpcUnreachable."""
        request = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        return self._post(json.dumps(request).encode())

    def number(self, method: str, *params: Any) -> int:
        """The result as an integer."""
        return int(self.call(method, *params), 16)

    def wait_for_receipt(self, tx_hash: str, timeout_s: float = 15) -> dict[str, Any]:
        """The receipt once the transaction is in a block. Raises RpcUnreachable when none comes in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.call("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            time.sleep(0.05)
        raise RpcUnreachable(f"no receipt of {tx_hash} within {timeout_s} s")

    def _post(self, body: bytes) -> dict[str, Any]:
        # A connection for each request: on loopback that costs little, and nothing stays open behind the caller's back.
        connection = http.client.HTTPConnection(*self._place, timeout=TIMEOUT_S)
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as failure:
            raise RpcUnreachable(f"{self.url} does not answer") from failure
        except ValueError as failure:
            raise RpcUnreachable(f"{self.url} answers {response.status} without JSON") from failure
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise RpcUnreachable(f"{self.url} answers {response.status} with something else than one object")
        return answer
