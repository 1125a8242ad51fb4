"""Checks a verdict again, years later and without trusting whoever gave it: the stored evidence against the order.

Offline, from the stored bytes alone: they hash to the transaction, our key signed them, and they pay the order and
nothing else. Online, at any node: the transaction is in that block, the block is canonical and final. Bad evidence is
listed, never raised: each fault is a sentence, and an empty list is the proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

from shared.chain.address import same_address
from shared.chain.evidence import Evidence
from shared.chain.port import Chain, TransferFields
from shared.chain.signer import decode_signed
from shared.chain.trouble import ProvidersDisagree, ProvidersUnavailable, SignedBytesDiffer, WrongChain

Outcome = Literal["settled", "reverted", "cancelled", "foreign"]
_TIMEOUT_S: Final = 10


def check_offline(
    evidence: Mapping[str, object],
    order_amount_wei: int,
    order_address: str,
    account: str,
    attempts: Sequence[bytes],
    *,
    outcome: Outcome = "settled",
    chain_id: int | None = None,
) -> list[str]:
    """What is wrong with the verdict on one slot; an empty list if nothing is. Asks nobody.

    `attempts` are all stored bytes of the slot. `chain_id`, if given, is the chain that they must be for; without it
    they must at least agree on one.
    """
    told = Evidence.read(evidence)
    faults = list(told.faults)
    slot = _slot_of(attempts, faults)
    faults += _slot_faults(slot, order_amount_wei, order_address, account, chain_id)
    faults += _consumer_faults(told, slot, account, outcome)
    faults += told.receipt_faults()
    faults += _finality_faults(told)
    return faults


def check_online(
    node: str | Chain, evidence: Mapping[str, object], *, chain_id: int | None = None, timeout_s: int = _TIMEOUT_S
) -> list[str]:
    """What this node says against the evidence; an empty list if it says the same. `node` is a JSON-RPC URL or a chain.

    A node that does not answer, or has pruned that far back, proves nothing and is a fault too: ask another one.
    """
    told = Evidence.read(evidence)
    if told.tx_hash is None or told.block_number is None or told.sender is None or told.nonce is None:
        return [*told.faults, "the evidence names no transaction that a node could be asked for"]
    try:
        chain = _chain_at(node, chain_id, timeout_s) if isinstance(node, str) else node
        if chain_id is not None or not isinstance(node, str):
            chain.check_chain_id()
        return [*told.faults, *_node_faults(chain, told, told.tx_hash, told.block_number, told.sender, told.nonce)]
    except (ProvidersUnavailable, ProvidersDisagree) as trouble:
        return [*told.faults, f"the node could not be asked: {trouble}"]
    except WrongChain as trouble:
        return [*told.faults, str(trouble)]
    except ValueError as mistake:
        return [*told.faults, f"the node contradicts the evidence: {mistake}"]


# --- offline --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attempt:
    tx_hash: str
    sender: str
    fields: TransferFields

    def pays(self, amount_wei: int, address: str) -> bool:
        return self.fields.value_wei == amount_wei and same_address(self.fields.to, address)

    def cancels(self, account: str) -> bool:
        return self.fields.value_wei == 0 and same_address(self.fields.to, account)


def _slot_of(attempts: Sequence[bytes], faults: list[str]) -> list[_Attempt]:
    slot = []
    for number, raw in enumerate(attempts, start=1):
        try:
            sender, fields, tx_hash = decode_signed(bytes(raw))
        except (SignedBytesDiffer, TypeError, ValueError):
            faults.append(f"attempt {number} is no signed transfer of ETH")
        else:
            slot.append(_Attempt(tx_hash, sender, fields))
    return slot


def _slot_faults(slot: list[_Attempt], amount_wei: int, address: str, account: str, chain_id: int | None) -> list[str]:
    """Whichever attempt a block took, it must have been this payment, or nothing to ourselves."""
    faults = []
    for one in slot:
        if not same_address(one.sender, account):
            faults.append(f"{one.tx_hash} is signed by {one.sender}, not by {account}")
        if not one.pays(amount_wei, address) and not one.cancels(account):
            faults.append(
                f"{one.tx_hash} pays {one.fields.value_wei} wei to {one.fields.to}, "
                f"the order is {amount_wei} wei to {address}"
            )
        if chain_id is not None and one.fields.chain_id != chain_id:
            faults.append(f"{one.tx_hash} is for chain {one.fields.chain_id}, not for {chain_id}")
    nonces = {one.fields.nonce for one in slot}
    if len(nonces) > 1:
        faults.append(f"the attempts have several nonces: {sorted(nonces)}")
    chains = {one.fields.chain_id for one in slot}
    if len(chains) > 1:
        faults.append(f"the attempts are for several chains: {sorted(chains)}")
    return faults


def _consumer_faults(told: Evidence, slot: list[_Attempt], account: str, outcome: Outcome) -> list[str]:
    faults = []
    if told.sender is not None and not same_address(told.sender, account):
        faults.append(f"the transaction is sent by {told.sender}, not by {account}")
    nonces = {one.fields.nonce for one in slot}
    if told.nonce is not None and nonces and told.nonce not in nonces:
        faults.append(f"the transaction has nonce {told.nonce}, the attempts have {sorted(nonces)}")
    ours = next((one for one in slot if one.tx_hash == told.tx_hash), None)
    if outcome == "foreign":
        return [*faults, "the foreign transaction is one of our own attempts"] if ours is not None else faults
    if ours is None:
        return [*faults, "none of the stored bytes hash to the transaction"]
    return faults + _attempt_faults(told, ours, account, outcome)


def _attempt_faults(told: Evidence, ours: _Attempt, account: str, outcome: Outcome) -> list[str]:
    """The bytes that a block took, against what the evidence tells of them and what the verdict says they did."""
    fields = ours.fields
    faults = []
    if told.value_wei is not None and told.value_wei != fields.value_wei:
        faults.append(f"the transaction carries {told.value_wei} wei, its bytes {fields.value_wei}")
    if told.to is not None and not same_address(told.to, fields.to):
        faults.append(f"the transaction pays {told.to}, its bytes {fields.to}")
    if told.gas_used is not None and told.gas_used > fields.gas_limit:
        faults.append(f"{told.gas_used} gas is more than the {fields.gas_limit} that its bytes allow")
    if told.effective_gas_price_wei is not None and told.effective_gas_price_wei > fields.cap_wei:
        faults.append(
            f"{told.effective_gas_price_wei} wei per gas is more than the {fields.cap_wei} that its bytes allow"
        )
    if ours.cancels(account) is not (outcome == "cancelled"):
        faults.append(
            f"the verdict is {outcome}, and the transaction is {'no ' if outcome == 'cancelled' else 'a '}cancel"
        )
    expected = {"settled": 1, "reverted": 0}.get(outcome)
    if expected is not None and told.status is not None and told.status != expected:
        faults.append(f"the verdict is {outcome}, and the transaction's status is {told.status}")
    return faults


def _finality_faults(told: Evidence) -> list[str]:
    faults = []
    if told.block_number is not None and told.finalized_number is not None:
        if told.block_number > told.finalized_number:
            faults.append(f"block {told.block_number} was judged when only {told.finalized_number} was final")
        if told.block_number == told.finalized_number and told.block_hash != told.finalized_hash:
            faults.append("the finalized block has the same number and another hash")
    return faults


# --- online ---------------------------------------------------------------------------------------------------------


@runtime_checkable
class _KnowsBlocks(Protocol):
    def canonical_hash(self, number: int) -> str | None: ...


def _chain_at(url: str, chain_id: int | None, timeout_s: int) -> Chain:
    from shared.chain.ethereum import EthereumChain  # half a second of web3, which the offline check does without

    return EthereumChain.connect([url], 1, chain_id or 0, timeout_s)


def _node_faults(chain: Chain, told: Evidence, tx_hash: str, block_number: int, sender: str, nonce: int) -> list[str]:
    faults = []
    finalized = chain.agreed_finalized()
    if finalized.number < block_number:
        faults.append(f"the node calls block {finalized.number} final, the transaction is in {block_number}")
    if isinstance(chain, _KnowsBlocks) and told.finalized_number is not None:
        canonical = chain.canonical_hash(told.finalized_number)
        if canonical != told.finalized_hash:
            faults.append(f"block {told.finalized_number}, called final then, is {canonical} at the node")
    if chain.find_included(tx_hash) is None:
        return [*faults, "the node does not show the transaction; that is no proof that it does not exist"]
    consumer = chain.final_consumer(sender, nonce, [tx_hash], block_number)
    if consumer is None:
        return [*faults, "the node does not show the transaction in a block that is canonical and final there"]
    return faults + told.differences(Evidence.read(consumer.evidence()))
