"""The signer of a history: the real one, with the places where its process can end."""

from __future__ import annotations

from shared.chain import LocalSigner, Signed, TransferFields
from shared.sandbox.simulator.exchange import Around


class ModelSigner:
    """`Signer` around the key in memory. Signatures are deterministic (RFC 6979): equal fields, equal bytes."""

    def __init__(self, real: LocalSigner, around: Around) -> None:
        self._real = real
        self._around = around

    @property
    def address(self) -> str:
        return self._real.address

    def sign(self, fields: TransferFields) -> Signed:
        self._around.calls("the signer")
        signed = self._real.sign(fields)
        self._around.called("the signer")
        return signed
