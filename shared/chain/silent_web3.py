"""web3 as we let it work: it repeats nothing, fills in nothing, follows nothing and prints nothing.

Its import costs half a second, so this module is imported where a question is asked, and nowhere at start.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from eth_typing import URI
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from shared.chain.recursion import restore_recursion_limit

restore_recursion_limit()

_MOST_BYTES: Final = 32 * 1024 * 1024  # a block with all its transactions is about one
_PART_BYTES: Final = 65_536


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
    """web3's HTTP provider without its debug lines, which contain the URL, and with an end to every answer."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return self.decode_rpc_response(self._whole_answer(self.encode_rpc_request(method, params)))

    def _whole_answer(self, question: bytes) -> bytes:
        """The body of the answer. A node that drips, or has no end, is one that did not answer: OSError.

        The client's own time-out counts from byte to byte, and it keeps whatever is sent.
        """
        how: dict[str, Any] = dict(self.get_request_kwargs())
        give_up_s = time.monotonic() + how["timeout"]
        asked = self._request_session_manager.get_response_from_post_request
        with asked(URI(str(self.endpoint_uri)), data=question, stream=True, **how) as response:
            body = bytearray()
            try:
                while part := response.raw.read1(_PART_BYTES, decode_content=True):
                    body += part
                    if len(body) > _MOST_BYTES or time.monotonic() > give_up_s:
                        raise TimeoutError("the answer has no end")
            except HTTPError as error:
                raise ConnectionError(type(error).__name__) from None  # its text holds the address
            # An error status may have a JSON-RPC error in its body, which is read from the exception.
            response._content = bytes(body)  # noqa: SLF001 - the client has no public way to set what was read
            response.raise_for_status()
            return bytes(body)


def _hush_libraries() -> None:
    """The HTTP libraries print whole URLs, also in warnings; what they would say is in our own Failure."""
    for name in ("web3._utils.http_session_manager", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
