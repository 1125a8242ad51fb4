"""Ethereum through several JSON-RPC providers: the real `Chain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median_high
from typing import Final
from urllib.parse import urlsplit

from shared.chain import price_feed
from shared.chain.address import keccak, same_address, to_checksum
from shared.chain.answers import classify
from shared.chain.consumer import ConsumerSearch
from shared.chain.erc20 import balance_of, one_word, transfers_from, transfers_to
from shared.chain.fees import suggest_fees
from shared.chain.finality import Sighting, agreed_tip, final_sighting
from shared.chain.port import (
    AnswerKind,
    Arrivals,
    Block,
    EtherArrival,
    EtherReceived,
    Fees,
    FinalConsumer,
    Head,
    Included,
    NotFinalYet,
    NotFound,
    NotThisTransfer,
    Reverted,
    SendAnswer,
)
from shared.chain.providers import Failure, Provider
from shared.chain.quorum import Quorum
from shared.chain.record import ProviderRecord
from shared.chain.settings import ChainSettings
from shared.chain.trouble import ProvidersUnavailable, TransferWouldFail, WrongChain
from shared.money import Price, Tether

_FEE_BLOCKS: Final = 10  # blocks of fee history: two minutes
_GAS_MARGIN_PERCENT: Final = 25  # a deposit address may be a contract whose path costs a little more next block
_MOST_GAS: Final = 200_000  # no deposit address that is worth paying needs more to receive ETH
_WOULD_FAIL: Final = {AnswerKind.INSUFFICIENT_FUNDS: "funds", AnswerKind.REVERTED: "reverts"}


class EthereumChain:
    """`Chain` over HTTP. Holds no state but connections and which finalized blocks were already read."""

    def __init__(self, quorum: Quorum, chain_id: int) -> None:
        self._quorum = quorum
        self._chain_id = chain_id
        self._consumers = ConsumerSearch(quorum)

    @classmethod
    def connect(cls, urls: Sequence[str], quorum: int | None, chain_id: int, timeout_s: float) -> EthereumChain:
        """A chain over these providers; `quorum` None means all of them. Asks nothing yet."""
        providers = [Provider(f"{number}:{_site_of(url)}", url, timeout_s) for number, url in enumerate(urls, start=1)]
        return cls(Quorum(providers, quorum or len(providers)), chain_id)

    @classmethod
    def from_settings(cls, settings: ChainSettings) -> EthereumChain:
        return cls.connect(
            settings.rpc_urls, settings.ethereum_quorum, settings.chain_id, settings.ethereum_rpc_timeout_s
        )

    def check_chain_id(self) -> None:
        answers: dict[str, int] = {}
        failures: dict[str, str] = {}
        for provider in self._quorum.providers:
            answer = self._quorum.ask_one(provider, lambda asked: asked.chain_id())
            if isinstance(answer, Failure):
                failures[provider.name] = answer.text
            else:
                answers[provider.name] = answer
        wrong = {name: chain_id for name, chain_id in answers.items() if chain_id != self._chain_id}
        if wrong:
            raise WrongChain(self._chain_id, wrong)
        if failures:
            raise ProvidersUnavailable("chain id", failures)

    def latest_heads(self) -> list[Head]:
        heads = []
        for provider in self._quorum.providers:
            answer = self._quorum.ask_one(provider, lambda asked: asked.block("latest"))
            if isinstance(answer, Failure):
                heads.append(Head(provider.name, None, answer.text))
            else:
                heads.append(Head(provider.name, answer, None if answer else "has no block"))
        numbers = {head.provider: head.block.number for head in heads if head.block is not None}
        self._quorum.records.saw_heads("latest", numbers)
        return heads

    def provider_records(self) -> list[ProviderRecord]:
        return self._quorum.records.snapshot()

    def agreed_finalized(self) -> Block:
        return agreed_tip(self._quorum, "finalized")

    def nonce_at(self, address: str, block: Block) -> int:
        return self._quorum.agree(f"nonce of {address}", lambda asked: asked.nonce_at(address, block)).value

    def balance_wei(self, address: str, block: Block) -> int:
        return self._quorum.agree(f"ETH of {address}", lambda asked: asked.balance_wei(address, block)).value

    def usdt_balance(self, address: str, block: Block, token: str) -> Tether:
        question = balance_of(to_checksum(address))
        return Tether(
            self._quorum.agree(f"USDT of {address}", lambda asked: one_word(asked.call(token, question, block))).value
        )

    def token_decimals(self, token: str, block: Block) -> int:
        """How many decimals a token counts in, as its contract says at this block."""
        answer = self._quorum.agree(f"decimals of {token}", lambda asked: asked.call(token, price_feed.DECIMALS, block))
        return one_word(answer.value)

    def code_at(self, address: str, block: Block) -> bytes:
        return self._quorum.agree(f"code at {address}", lambda asked: asked.code_at(address, block)).value

    def canonical_hash(self, number: int) -> str | None:
        """The hash of the block of this number, agreed by the quorum; None if they agree that they have none."""
        block = self._quorum.agree(f"block {number}", lambda asked: asked.block(number)).value
        return None if block is None else block.hash

    def find_included(self, tx_hash: str) -> Included | None:
        receipt = self._quorum.first(f"receipt {tx_hash}", lambda asked: asked.receipt(tx_hash))
        if receipt is None or receipt["transactionHash"].to_0x_hex() != tx_hash.lower():
            return None
        return Included(
            tx_hash=tx_hash.lower(),
            block_number=int(receipt["blockNumber"]),
            block_hash=receipt["blockHash"].to_0x_hex(),
            status=int(receipt["status"]),
            gas_used=int(receipt["gasUsed"]),
            effective_gas_price_wei=int(receipt.get("effectiveGasPrice", 0)),
        )

    def final_consumer(self, account: str, nonce: int, hashes: Sequence[str], first_block: int) -> FinalConsumer | None:
        return self._consumers.find(account, nonce, hashes, first_block, self.agreed_finalized())

    def usdt_arrivals(self, tx_hash: str, token: str, to: str) -> Arrivals:
        seen = self._final_success(tx_hash)
        return transfers_to(seen, token, to) if isinstance(seen, Sighting) else seen

    def usdt_spent(self, tx_hash: str, token: str, sender: str) -> Arrivals:
        seen = self._final_success(tx_hash)
        return transfers_from(seen, token, sender) if isinstance(seen, Sighting) else seen

    def ether_received(self, tx_hash: str, to: str) -> EtherArrival:
        transfer = self._final_success(tx_hash)
        if not isinstance(transfer, Sighting):
            return transfer
        if transfer.to is None or not same_address(transfer.to, to):
            return NotThisTransfer("it pays another address, or pays through a contract")
        if transfer.value_wei == 0:
            return NotThisTransfer("it carries no ETH")
        return EtherReceived(
            tx_hash=transfer.tx_hash,
            block_number=transfer.block_number,
            block_hash=transfer.block_hash,
            sender=to_checksum(transfer.sender),
            to=to_checksum(transfer.to),
            value_wei=transfer.value_wei,
        )

    def _final_success(self, tx_hash: str) -> Sighting | NotFound | NotFinalYet | Reverted:
        seen = final_sighting(self._quorum, tx_hash, self.agreed_finalized())
        if isinstance(seen, NotFound | NotFinalYet):
            return seen
        if seen.value.status != 1:
            return Reverted(seen.value.block_number, seen.value.block_hash)
        return seen.value

    def fees(self, ceiling_wei: int) -> Fees:
        histories = self._quorum.ask("fee history", lambda asked: asked.fee_history(_FEE_BLOCKS)).values()
        bases = [int(history["baseFeePerGas"][-1]) for history in histories if history.get("baseFeePerGas")]
        if not bases:
            raise ProvidersUnavailable("fee history", {"all": "no base fees"})
        rewards = [int(reward) for history in histories for row in history.get("reward") or () for reward in row[:1]]
        node_tip_wei = None
        if not any(rewards):
            answers = [
                self._quorum.ask_one(provider, lambda asked: asked.node_tip_wei(), may_refuse=True)
                for provider in self._quorum.providers
            ]
            node_tip_wei = next((answer for answer in answers if not isinstance(answer, Failure)), None)
        return suggest_fees(median_high(bases), rewards, node_tip_wei, ceiling_wei)

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        failures: dict[str, str] = {}
        estimates: list[int] = []
        for provider in self._quorum.providers:
            answer = self._quorum.ask_one(
                provider, lambda asked: asked.estimate_gas(sender, to, value_wei), may_refuse=True
            )
            if not isinstance(answer, Failure):
                estimates.append(answer)
            elif answer.answered and (reason := _WOULD_FAIL.get(classify(answer.text, answer.code))):
                raise TransferWouldFail(reason, answer.text)
            else:
                failures[provider.name] = answer.text
        if len(estimates) < self._quorum.needed:
            raise ProvidersUnavailable("gas estimate", failures)
        gas_limit = -(-max(estimates) * (100 + _GAS_MARGIN_PERCENT) // 100)
        if gas_limit > _MOST_GAS:
            raise TransferWouldFail("gas_limit", f"it needs {gas_limit} gas, {_MOST_GAS} are allowed")
        return gas_limit

    def read_price(self, feed: str, now: datetime, max_age_s: int) -> Price:
        # Pinned near the head, not at finality: a price that is a quarter of an hour older guards less.
        block = agreed_tip(self._quorum, "latest")
        round_answer, decimals_answer = self._quorum.agree(
            f"price feed {feed}",
            lambda asked: (
                asked.call(feed, price_feed.LATEST_ROUND_DATA, block),
                asked.call(feed, price_feed.DECIMALS, block),
            ),
        ).value
        return price_feed.price_from(round_answer, decimals_answer, now, max_age_s)

    def send_raw(self, raw: bytes) -> list[SendAnswer]:
        expected = "0x" + keccak(raw).hex()
        return [_answer_of(self._quorum, provider, raw, expected) for provider in self._quorum.providers]


def _answer_of(quorum: Quorum, provider: Provider, raw: bytes, expected: str) -> SendAnswer:
    answer = quorum.ask_one(provider, lambda asked: asked.send_raw(raw), may_refuse=True)
    if not isinstance(answer, Failure):
        if answer.lower() == expected:
            return SendAnswer(provider.name, True, None, answer, AnswerKind.ACCEPTED)
        return SendAnswer(provider.name, None, None, f"answered another hash: {answer}", AnswerKind.UNKNOWN)
    if not answer.answered:
        return SendAnswer(provider.name, None, answer.code, answer.text, AnswerKind.UNKNOWN)
    kind = classify(answer.text, answer.code)
    return SendAnswer(provider.name, kind is AnswerKind.ALREADY_KNOWN, answer.code, answer.text, kind)


def _site_of(url: str) -> str:
    """Enough of the host to tell providers apart; providers put keys into paths and sometimes into subdomains."""
    host = urlsplit(url).hostname or "unknown"
    return host if host.replace(".", "").isdigit() else ".".join(host.split(".")[-2:])
