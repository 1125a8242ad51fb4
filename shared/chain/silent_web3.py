"""web3 as we let it work: it repeats nothing, fills in nothing, follows nothing and prints nothing.

Its import costs half a second, so this module is imported where a question is asked, and nowhere at start.
"""

from __future__ import annotations

import logging
from typing import Any

from eth_typing import URI
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from shared.chain.recursion import restore_recursion_limit

restore_recursion_limit()


def silent_web3(url: str, timeout_s: float) -> Web3:
    """A client of one endpoint. Every call is one HTTP request, posted once."""
    _hush_libraries()
    # web3's own repetition would post the same signed bytes five times and hide the first answer.
    http = _SilentHttp(
        URI(url),
        request_kwargs={"timeout": timeout_s, "allow_redirects": False},
        exception_retry_configuration=None,
    )
    http.global_ccip_read_enabled = False  # a contract must not make us fetch what it names
    # No middleware: nothing may fill in a nonce, a gas price or an ENS name.
    return Web3(http, middleware=[])


class _SilentHttp(HTTPProvider):
    """web3's HTTP provider without its debug lines, which contain the URL."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return self.decode_rpc_response(self._make_request(method, self.encode_rpc_request(method, params)))


def _hush_libraries() -> None:
    """The HTTP libraries print whole URLs, also in warnings; what they would say is in our own Failure."""
    for name in ("web3._utils.http_session_manager", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
