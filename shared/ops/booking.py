"""Reads from final blocks what a person wants to book, and books it. The chain is asked before the database is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.books import Amount
from shared.chain import ChainSettings
from shared.chain.port import EtherReceived, NotFinalYet, NotFound, Reverted
from shared.money import Ether, Tether
from shared.ops.acts.book import (
    Held,
    Moved,
    book_clients_paid,
    book_discrepancy,
    book_gateway,
    book_opening,
    book_treasury,
)
from shared.ops.exits import Exit, Leave
from shared.ops.operations import operate
from shared.ops.where import settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from shared.chain import Chain


def book_the_opening(root: Path, **options: Any) -> Exit:
    """The wallet's first entry. Leaves with 1 when it is in use."""
    return operate(root, book_opening(_Wallet.of(root).held()), **options)


def book_the_gateways(root: Path, tx_hashes: Sequence[str], told: Ether | None, **options: Any) -> Exit:
    """What the gateway handed over. `told` is for one transaction that pays through a contract."""
    if told is not None and (len(tx_hashes) != 1 or not told.is_positive()):
        raise Leave("--eth is the amount, above zero, of exactly one transaction.", Exit.USAGE)
    wallet = _Wallet.of(root)
    moved = [wallet.ether(tx_hash, told) for tx_hash in tx_hashes]
    return operate(root, book_gateway(moved, wallet.held()), **options)


def book_the_treasurys(root: Path, tx_hashes: Sequence[str], **options: Any) -> Exit:
    """What the platform put in, ETH or USDT."""
    wallet = _Wallet.of(root)
    moved = [wallet.ether_or_usdt(tx_hash) for tx_hash in tx_hashes]
    return operate(root, book_treasury(moved, wallet.held()), **options)


def book_what_clients_got(root: Path, tx_hashes: Sequence[str], **options: Any) -> Exit:
    """USDT that left."""
    wallet = _Wallet.of(root)
    moved = [wallet.usdt_spent(tx_hash) for tx_hash in tx_hashes]
    return operate(root, book_clients_paid(moved, wallet.held()), **options)


def book_the_discrepancy(root: Path, found: Amount, **options: Any) -> Exit:
    """What nothing explains."""
    return operate(root, book_discrepancy(found, _Wallet.of(root).held()), **options)


class _Wallet:
    """The host wallet on chain; every answer is from a final block that the providers agree on."""

    def __init__(self, chain: Chain, settings: ChainSettings) -> None:
        self._chain = chain
        self._eth = settings.host_wallet_eth_address
        self._usdt = settings.host_wallet_usdt_address
        self._token = settings.usdt_contract_address

    @classmethod
    def of(cls, root: Path) -> _Wallet:
        from shared.chain import EthereumChain  # half a second of web3

        settings = settings_from(root, ChainSettings)
        return cls(EthereumChain.from_settings(settings), settings)

    def held(self) -> Held:
        """Read after the transactions, so that the block is not before theirs."""
        block = self._chain.agreed_finalized()
        return Held(
            self._eth,
            block.number,
            Ether(self._chain.balance_wei(self._eth, block)),
            self._chain.usdt_balance(self._usdt, block, self._token),
        )

    def ether(self, tx_hash: str, told: Ether | None = None) -> Moved:
        answer = _seen(tx_hash, self._chain.ether_received(tx_hash, self._eth))
        if isinstance(answer, EtherReceived):
            if told is not None and told.wei != answer.value_wei:
                raise Leave(f"{tx_hash} carries {Ether(answer.value_wei)} itself, not {told}.", Exit.NO)
            return Moved(tx_hash, Ether(answer.value_wei))
        if told is None:
            raise Leave(f"{tx_hash} brought no ETH that can be read: {answer.reason}.", Exit.NO)
        return Moved(tx_hash, told)

    def ether_or_usdt(self, tx_hash: str) -> Moved:
        answer = _seen(tx_hash, self._chain.ether_received(tx_hash, self._eth))
        if isinstance(answer, EtherReceived):
            return Moved(tx_hash, Ether(answer.value_wei))
        return self._usdt_of(tx_hash, self._chain.usdt_arrivals(tx_hash, self._token, self._usdt), "brought")

    def usdt_spent(self, tx_hash: str) -> Moved:
        return self._usdt_of(tx_hash, self._chain.usdt_spent(tx_hash, self._token, self._usdt), "took")

    def _usdt_of(self, tx_hash: str, answer: Any, verb: str) -> Moved:
        amount = Tether.total(Tether(one.units) for one in _seen(tx_hash, answer))
        if amount.is_zero():
            raise Leave(f"{tx_hash} {verb} neither ETH nor USDT of the wallet that can be read.", Exit.NO)
        return Moved(tx_hash, amount)


def _seen(tx_hash: str, answer: Any) -> Any:
    """The answer, if the transaction is final and worked."""
    match answer:
        case NotFound():
            raise Leave(f"No provider shows {tx_hash}. That proves nothing: try again.", Exit.TRY_LATER)
        case NotFinalYet():
            raise Leave(
                f"{tx_hash} is in block {answer.block_number}, and final is {answer.finalized_number}: try again.",
                Exit.TRY_LATER,
            )
        case Reverted():
            raise Leave(f"{tx_hash} failed on the chain: it moved nothing.", Exit.NO)
    return answer
