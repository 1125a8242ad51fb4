"""Keeps the on-chain price feed fresh while a sandbox runs for hours: the same price again, with a new time."""

from __future__ import annotations

import threading

from shared.sandbox.chain.deploy import FEED_DECIMALS
from shared.sandbox.chain.rpc import RpcRefused, RpcUnreachable
from shared.sandbox.chain.wallet import CALL_GAS, Wallet, call_bytes
from shared.sandbox.journal import Journal

from .market import Market


class FeedWriter:
    """Writes the market's price into the feed every `every_s` real seconds, while `refreshing`."""

    def __init__(self, wallet: Wallet, feed_address: str, market: Market, every_s: float, journal: Journal) -> None:
        self._wallet, self._feed_address, self._market, self._journal = wallet, feed_address, market, journal
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self.refreshing = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def write(self, price_micros: int) -> None:
        """One new answer; it is on chain with the next block."""
        answer = price_micros * 10 ** (FEED_DECIMALS - 6)
        self._wallet.send(self._feed_address, call=call_bytes("set_answer(int256)", answer), gas=CALL_GAS)
        self._journal.write("feed_written", usd_per_eth_micros=str(price_micros))

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            if self.refreshing:
                try:
                    self.write(self._market.price_micros)
                except (RpcUnreachable, RpcRefused) as failure:
                    self._journal.write("feed_not_written", reason=str(failure))
