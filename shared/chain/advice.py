"""What each kind of answer lets the executor do sooner or later: timers and alerts. No row of this table moves money.

The executor may ignore all of it and still pays exactly once: it would only wait longer, or tell a person later.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.chain.port import AnswerKind


class Pace(StrEnum):
    """When to do a thing, measured by the waits that the settings give."""

    SOONER = "sooner"  # at the next drive
    USUAL = "usual"
    LATER = "later"  # a few times the usual wait


@dataclass(frozen=True, slots=True)
class Advice:
    """What one kind of answer suggests.

    `look`: ask the chain about the nonce. `repeat`: give the same bytes to the providers again. `bump`: sign a dearer
    attempt. `reserve`: new nonces may be given out meanwhile. `tell`: a person should hear of it.
    """

    look: Pace
    repeat: Pace
    bump: Pace
    reserve: bool
    tell: bool
    why: str


_S, _U, _L = Pace.SOONER, Pace.USUAL, Pace.LATER

ADVICE: Final = MappingProxyType(
    {
        AnswerKind.NONCE_TOO_LOW: Advice(
            _S, _U, _L, True, False, "The nonce is used in that node's chain: most often an attempt of ours was mined."
        ),
        AnswerKind.ACCEPTED: Advice(_U, _U, _U, True, False, "A promise without value: repeat until a block has it."),
        AnswerKind.ALREADY_KNOWN: Advice(_U, _U, _U, True, False, "The bytes are pooled: the same as accepted."),
        AnswerKind.UNDERPRICED: Advice(
            _S,
            _U,
            _U,
            True,
            True,
            "A dearer transaction holds the nonce. If these are our newest bytes, it is not ours.",
        ),
        AnswerKind.SENDER_RESERVED: Advice(
            _S, _L, _L, False, True, "The wallet's key is used in another way: blobs, a delegation, or contract code."
        ),
        AnswerKind.WRONG_CHAIN: Advice(
            _U, _L, _L, False, True, "The node serves another chain than the bytes are for."
        ),
        AnswerKind.UNREADABLE: Advice(
            _U, _L, _L, False, True, "The node does not understand bytes that we checked: it is another kind of node."
        ),
        AnswerKind.INSUFFICIENT_FUNDS: Advice(
            _U, _L, _L, False, True, "Nodes count value and gas of all pooled transactions: top up, the slot stays."
        ),
        AnswerKind.GAS_TOO_LOW: Advice(
            _U, _L, _L, True, True, "No price makes these bytes valid; a gas limit is changed by a person's decision."
        ),
        AnswerKind.GAS_TOO_HIGH: Advice(
            _U, _L, _L, True, True, "No price makes these bytes valid; a gas limit is changed by a person's decision."
        ),
        AnswerKind.FEE_TOO_LOW: Advice(
            _U, _L, _S, True, False, "The pool takes nothing this cheap: only a bump helps."
        ),
        AnswerKind.FEE_OVER_NODE_CAP: Advice(
            _U,
            _U,
            _L,
            True,
            True,
            "That node's own setting forbids the price; a dearer attempt would fare worse there.",
        ),
        AnswerKind.ACCOUNT_LIMIT: Advice(
            _U, _L, _U, False, False, "The pool holds enough of this account: let some be mined before reserving more."
        ),
        AnswerKind.NONCE_TOO_HIGH: Advice(
            _U,
            _S,
            _L,
            True,
            False,
            "The node forgot our lower nonces: repeat the bytes of every open slot, lowest first.",
        ),
        AnswerKind.POOL_FULL: Advice(_U, _L, _S, True, False, "A full pool keeps the dearest: wait, or bid more."),
        AnswerKind.NOT_READY: Advice(_L, _L, _L, True, False, "That node is behind: what it shows is old as well."),
        AnswerKind.RATE_LIMITED: Advice(
            _L, _L, _U, True, False, "The host counts our requests: ask it less for a while."
        ),
        AnswerKind.REVERTED: Advice(_U, _U, _U, True, False, "No node executes a send before it answers: no hint."),
        AnswerKind.UNKNOWN: Advice(_U, _U, _U, True, False, "Nobody knows what it means: nothing changes."),
    }
)
