"""The record of what was signed, in memory: for tests and the simulator. It forgets everything with its process."""

from __future__ import annotations

import threading

from shared.chain.careful import Kind, Promise, equivocates
from shared.chain.trouble import Equivocation


class FakeSigningRecord:
    """`SigningRecord` in memory. Threads may share it. `promises` are by (chain, account, nonce), in order."""

    def __init__(self) -> None:
        self.promises: dict[tuple[int, str, int], list[Promise]] = {}
        self._lock = threading.Lock()

    def remember(
        self, *, chain_id: int, account: str, nonce: int, to: str, value_wei: int, data: bytes, kind: Kind
    ) -> None:
        """As the port says."""
        asked = Promise(to.lower(), value_wei, data, kind)
        with self._lock:
            known = self.promises.setdefault((chain_id, account.lower(), nonce), [])
            if equivocates(known, asked, account):
                raise Equivocation(chain_id, account, nonce)
            if asked not in known:
                known.append(asked)
