"""Runs the exchange simulator on a real chain for its tests, and asks it as a client would."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from shared.sandbox.chain import HOST_WALLET, Chain
from shared.sandbox.chain.deploy import Deployment, deploy
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet, token_balance
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process

REPOSITORY = Path(__file__).resolve().parents[2]
API_KEY = "test-key-of-the-first-partner"
OTHER_KEY = "test-key-of-another-partner"
PAYEE = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
PAIR = {"fromCurrency": "eth", "fromNetwork": "eth", "toCurrency": "usdt", "toNetwork": "eth"}
WAIT_S = 20


@dataclass(frozen=True)
class Heard:
    """One answer: the raw text, and its JSON with exact numbers."""

    status: int
    text: str
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.text, parse_float=Decimal)


@dataclass(frozen=True)
class World:
    """A chain with the contracts on it; five blocks a second, so that nobody waits long."""

    chain: Chain
    contracts: Deployment
    folder: Path

    @contextlib.contextmanager
    def exchange(self, *options: str) -> Iterator[Exchange]:
        """A simulator of its own on this chain; a thousand times faster, unless the options say otherwise."""
        pace = () if "--time-scale" in options else ("--time-scale", "1000")
        log = Path(tempfile.mkdtemp(dir=self.folder)) / "exchange.jsonl"
        rate = () if "--calls-per-second" in options else ("--calls-per-second", "1000")
        running = Exchange.start(self.chain, self.contracts, log, *pace, *rate, *options)
        try:
            yield running
        finally:
            running.stop()


@contextlib.contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """The world of one test file."""
    with Chain.start(block_time_s=0.2) as chain:
        yield World(chain, deploy(chain.url), folder)


class NoAnswer(Exception):
    """The connection ended without a whole answer."""


@dataclass
class Exchange:
    """The running simulator, its chain, and the host wallet that pays deposits."""

    process: Process
    chain: Chain
    contracts: Deployment
    payer: Wallet

    @classmethod
    def start(cls, chain: Chain, contracts: Deployment, log: Path, *options: str) -> Exchange:
        command = [
            sys.executable,
            "-m",
            "shared.sandbox.exchange",
            "--rpc",
            chain.url,
            "--usdt",
            contracts.usdt_address,
        ]
        command += ["--api-key", API_KEY, "--api-key", OTHER_KEY, "--log", str(log), *options]
        process = Process.start("exchange", command, cwd=REPOSITORY, log_path=log.with_suffix(".out"))
        return cls(process, chain, contracts, Wallet(Rpc(chain.url), HOST_WALLET.private_key))

    def stop(self) -> None:
        assert self.process.stop() == 0, self.process.log_tail()
        call = self.process.log_path.read_text()
        assert call == "", call

    @property
    def rpc(self) -> Rpc:
        return Rpc(self.chain.url)

    @property
    def journal(self) -> str:
        """What it wrote down so far."""
        return self.process.log_path.with_suffix(".jsonl").read_text()

    # --- as a client ------------------------------------------------------------------------------------------------

    def get(self, path: str, key: str | None = API_KEY, **query: str) -> Heard:
        return self._ask("GET", f"{path}?{urlencode(query)}", None, key)

    def post(self, path: str, body: Any, key: str | None = API_KEY) -> Heard:
        return self._ask("POST", path, json.dumps(body).encode(), key)

    def estimate(self, amount: str, **more: str) -> Heard:
        return self.get("/exchange/estimated-amount", **PAIR, fromAmount=amount, **more)

    def create(self, amount: str = "0.04", **more: Any) -> Heard:
        wish = {**PAIR, "fromAmount": amount, "address": PAYEE, "refundAddress": self.payer.address}
        return self.post("/exchange", wish | {"flow": "standard", "type": "direct", "rateId": ""} | more)

    def by_id(self, order_id: str, key: str = API_KEY) -> Heard:
        return self.get("/exchange/by-id", key, id=order_id)

    def _ask(self, method: str, path: str, body: bytes | None, key: str | None) -> Heard:
        parts = urlsplit(str(self.process.ready["url"]))
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["x-changenow-api-key"] = key
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
        try:
            connection.request(method, parts.path + path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as failure:
            raise NoAnswer(type(failure).__name__) from failure
        finally:
            connection.close()
        return Heard(response.status, text, response.headers.get("Content-Type", ""))

    # --- as the one who pulls the strings ---------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        answer = call_json(method, f"{self.process.ready['control']}{path}", body)
        assert answer.status == 200, answer.body
        return answer.body

    def pin(self, name: str, **fields: object) -> None:
        self.control("POST", "/faults", {"name": name, **fields})

    def really(self, order_id: str) -> dict[str, Any]:
        """The order as the simulator knows it."""
        [found] = [order for order in self.control("GET", "/orders")["orders"] if order["id"] == order_id]
        return dict(found)

    # --- on the chain -----------------------------------------------------------------------------------------------

    def pay(self, address: str, wei: int) -> str:
        tx_hash = self.payer.send(address, value_wei=wei)
        assert self.rpc.wait_for_receipt(tx_hash)["status"] == "0x1"
        return tx_hash

    def tokens_of(self, holder: str) -> int:
        return token_balance(self.rpc, self.contracts.usdt_address, holder)

    def order_and_pay(self, amount: str = "0.04", wei: int = 4 * 10**16, **more: Any) -> str:
        """A created order with its deposit on chain; gives the id."""
        order = self.create(amount, **more).json
        self.pay(order["payinAddress"], wei)
        return str(order["id"])

    def wait_until(self, order_id: str, *statuses: str) -> Any:
        """by-id once it shows one of these."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            shown = self.by_id(order_id).json
            if shown.get("status") in statuses:
                return shown
            time.sleep(0.1)
        raise AssertionError(f"{order_id} is still {shown.get('status')}, not {statuses}")

    def wait_for(self, order_id: str, field: str) -> dict[str, Any]:
        """The order as the simulator knows it, once `field` is there."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if (order := self.really(order_id))[field] is not None:
                return order
            time.sleep(0.1)
        raise AssertionError(f"{order_id} never got its {field}")
