"""The same exchange twice: the sandbox's own over HTTP behind the real client, and the simulator's model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol

from pydantic import SecretStr

from shared.chain import Chain, EthereumChain
from shared.chain.quorum import Quorum
from shared.exchange import ChangeNow, Exchange, ExchangeSettings, OrderSeen
from shared.sandbox.chain import CHAIN_ID, EXCHANGE_WALLET, FAUCET, HOST_WALLET
from shared.sandbox.chain.deploy import Deployment
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet
from shared.sandbox.loopback import call_json
from shared.sandbox.simulator.blocks import BLOCK_S, GWEI, Transaction
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.exchange import Lost, ModelExchange
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.progress import Progress
from shared.sandbox.simulator.provider import Contracts, ModelProvider

START = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
FEED = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"


class ExchangeWorld(Protocol):
    """An exchange, the chain that it pays on, and somebody who can pay a deposit."""

    @property
    def exchange(self) -> Exchange: ...
    @property
    def chain(self) -> Chain: ...
    @property
    def token(self) -> str: ...
    def next_order_is(self, fate: str) -> None:
        """What becomes of the next order: `failed`, `refunded` or `held`."""
        ...

    def loses_the_next_answer(self) -> None:
        """The next order is opened, and nobody says so."""
        ...

    def forgets_orders(self) -> None:
        """Readings find no order until a moment has passed."""
        ...

    def pays(self, address: str, value_wei: int) -> str: ...
    def orders(self) -> int: ...
    def wait(self) -> None:
        """A moment passes, with a block."""
        ...


def until(world: ExchangeWorld, cn_api_id: str, is_so: Callable[[OrderSeen], bool]) -> OrderSeen:
    """The order as it is shown once it is so."""
    seen = None
    for _ in range(200):
        seen = world.exchange.read(cn_api_id)
        if isinstance(seen, OrderSeen) and is_so(seen):
            return seen
        world.wait()
    raise AssertionError(f"it stays {seen}")


class RealExchange:
    """The sandbox's exchange in a process of its own, asked by the real client."""

    def __init__(self, url: str, control: str, rpc_url: str, contracts: Deployment, key: str) -> None:
        settings = ExchangeSettings(changenow_api_key=SecretStr(key), changenow_api_url=url, changenow_timeout_s=5)
        self.exchange: Exchange = ChangeNow(settings, own_addresses=[HOST_WALLET.address])
        self.chain: Chain = EthereumChain.connect([rpc_url], None, CHAIN_ID, 3)
        self.token = contracts.usdt_address
        self._control = control
        self._rpc = Rpc(rpc_url)

    def next_order_is(self, fate: str) -> None:
        name = {"held": "stuck_verifying"}.get(fate, fate)
        self._misbehave(name)

    def loses_the_next_answer(self) -> None:
        self._misbehave("drop_after_commit", route="create")

    def forgets_orders(self) -> None:
        self._misbehave("forgotten_order")

    def pays(self, address: str, value_wei: int) -> str:
        return Wallet(self._rpc, FAUCET.private_key).send(address, value_wei=value_wei)

    def orders(self) -> int:
        shown = call_json("GET", f"{self._control}/orders").body["orders"]
        assert isinstance(shown, list)
        return len(shown)

    def wait(self) -> None:
        self._rpc.call("evm_mine")
        time.sleep(0.1)

    def _misbehave(self, name: str, **fields: object) -> None:
        reply = call_json("POST", f"{self._control}/faults", {"name": name, **fields})
        assert reply.status == 200, reply.body


@dataclass
class _Agenda:
    """Time for the model: what is due is done as time passes."""

    now: datetime = START
    due: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        self.due.append((when, what))

    def pass_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for entry in [entry for entry in self.due if entry[0] <= self.now]:
            self.due.remove(entry)
            entry[1]()

    def calls(self, where: str) -> None:
        """Nothing happens around a call here."""

    def called(self, where: str) -> None:
        """Nothing happens around a call here."""


class ModelMarket:
    """The simulator's exchange on the simulator's chain."""

    _FATES: ClassVar = {"failed": Fate.FAILS, "refunded": Fate.REFUNDS, "held": Fate.HOLDS}

    def __init__(self) -> None:
        self._agenda = _Agenda()
        self._faults = Faults(Profile())
        rich = {one.address: 10**24 for one in (HOST_WALLET, EXCHANGE_WALLET, FAUCET)}
        self._node = ModelNode(self._faults, Dice(0, "node"), START, 2, rich, rich, lambda _: None)
        model = ModelExchange(self._faults, Dice(0, "exchange"), self._agenda, lambda _: None)
        self._model = model
        self.exchange: Exchange = model
        self._progress = Progress(
            model,
            self._node,
            EXCHANGE_WALLET.address.lower(),
            HOST_WALLET.address.lower(),
            TOKEN.lower(),
            lambda: self._agenda.now,
            self._agenda.at,
            lambda _: None,
        )
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - a callback that does nothing
        contracts = Contracts(TOKEN, FEED)
        provider = ModelProvider("model", "geth", self._node, contracts, self._faults, Dice(0, "p"), nothing, nothing)
        self.chain: Chain = EthereumChain(Quorum([provider], 1), CHAIN_ID)
        self.token = TOKEN
        self._paid = 0

    def next_order_is(self, fate: str) -> None:
        self._model.fates.append(self._FATES[fate])

    def loses_the_next_answer(self) -> None:
        self._model.lost_answers.append(Lost.AFTER_IT_IS_OPENED)

    def forgets_orders(self) -> None:
        self._faults.now = Profile(reads_missing=1000)
        self._agenda.at(self._agenda.now, self._faults.stop)

    def pays(self, address: str, value_wei: int) -> str:
        self._paid += 1
        sender = FAUCET.address.lower()
        nonce = self._node.next_nonce(sender)
        one = Transaction(f"0x{self._paid:064x}", sender, nonce, address.lower(), value_wei, GWEI, 900 * GWEI)
        assert self._node.pooled(one) is None
        return one.tx_hash

    def orders(self) -> int:
        return len(self._model.orders)

    def wait(self) -> None:
        self._agenda.pass_by(BLOCK_S)
        self._node.next_block(self._agenda.now)
        self._progress.look()
