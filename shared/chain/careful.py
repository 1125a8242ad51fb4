"""A signer that never says two things about one nonce, whatever bug or stolen identity asks it to.

Slashing protection for payments: before every signature the record is asked, and it remembers before the key is used.
What was remembered and never signed only keeps other payments from this nonce, which is the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from shared.chain.address import same_address
from shared.chain.port import Signed, Signer, TransferFields
from shared.chain.signer import refuse_impossible

Kind = Literal["pay", "cancel"]


@dataclass(frozen=True, slots=True)
class Promise:
    """What was signed for a nonce, without its fees and gas limit: those may change from attempt to attempt."""

    to: str
    value_wei: int
    data: bytes
    kind: Kind


class SigningRecord(Protocol):
    """Remembers for ever what was signed for each (chain, account, nonce)."""

    def remember(
        self, *, chain_id: int, account: str, nonce: int, to: str, value_wei: int, data: bytes, kind: Kind
    ) -> None:
        """Commit this before returning, or raise `Equivocation` and commit nothing. Repeats are welcome.

        One step: of two callers with different promises for one nonce, exactly one gets through. `equivocates` is the
        rule. An implementation may also demand a person's approval of a cancel.
        """


class CarefulSigner:
    """`Signer` that asks a record before every signature of another signer."""

    def __init__(self, signer: Signer, record: SigningRecord) -> None:
        self._signer = signer
        self._record = record

    def __repr__(self) -> str:
        return f"CarefulSigner({self._signer!r})"

    @property
    def address(self) -> str:
        return self._signer.address

    def sign(self, fields: TransferFields) -> Signed:
        """As the port says; raises `Equivocation` for a second, different payment with a nonce it has signed."""
        account = self.address
        # What could never be signed must not occupy the nonce.
        refuse_impossible(fields, account)
        self._record.remember(
            chain_id=fields.chain_id,
            account=account,
            nonce=fields.nonce,
            to=fields.to,
            value_wei=fields.value_wei,
            data=b"",
            kind=kind_of(fields, account),
        )
        return self._signer.sign(fields)


def kind_of(fields: TransferFields, account: str) -> Kind:
    """A cancel is nothing to oneself, and nothing else is one; no caller says so, the fields do."""
    return "cancel" if fields.value_wei == 0 and same_address(fields.to, account) else "pay"


def equivocates(known: Iterable[Promise], asked: Promise, account: str) -> bool:
    """Whether a signature for `asked` would contradict what is known of its nonce: the rule of every record.

    The first promise stands. The same again is an attempt with other fees; a cancel may always follow, because it
    moves nothing; a payment after a cancel, or another payment, may not.
    """
    if asked.kind == "cancel":
        return bool(asked.value_wei or asked.data) or not same_address(asked.to, account)
    promises = list(known)
    return bool(promises) and not any(_same(promise, asked) for promise in promises)


def _same(one: Promise, other: Promise) -> bool:
    return same_address(one.to, other.to) and (one.value_wei, one.data) == (other.value_wei, other.data)
