"""What can go wrong when the chain is asked, by what may be done next.

Reading never changes anything, so all trouble of reading is *try later*; so is a signature that did not come, because
what was never stored was never sent. Broken for good are only a provider that serves another chain, and a signer that
gives, or is asked for, something else than what was promised.
"""

from collections.abc import Mapping
from typing import ClassVar

from shared.lifecycle.reactions import Broken, TryLater


class ProvidersUnavailable(TryLater):
    """Too few providers answered to decide anything; `failures` says what each one did."""

    code: ClassVar[str] = "providers_unavailable"

    def __init__(self, question: str, failures: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {text}" for name, text in failures.items())
        super().__init__(f"Too few Ethereum providers answered ({question}). {told}")
        self.question = question
        self.failures = dict(failures)


class ProvidersDisagree(TryLater):
    """Enough providers answered and no quorum of them said the same; `answers` says who said what."""

    code: ClassVar[str] = "providers_disagree"

    def __init__(self, question: str, answers: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {text}" for name, text in answers.items())
        super().__init__(f"The Ethereum providers disagree ({question}). {told}")
        self.question = question
        self.answers = dict(answers)


class WrongChain(Broken):
    """A provider serves another chain than the configured one."""

    code: ClassVar[str] = "wrong_chain"

    def __init__(self, expected: int, answers: Mapping[str, int]) -> None:
        told = ", ".join(f"{name} serves {chain}" for name, chain in answers.items())
        super().__init__(f"Chain {expected} is configured, but {told}.")
        self.expected = expected
        self.answers = dict(answers)


class FeesTooHigh(TryLater):
    """The next block costs more per gas than policy allows; amounts in wei per gas."""

    code: ClassVar[str] = "fees_too_high"

    def __init__(self, needed_wei: int, ceiling_wei: int) -> None:
        super().__init__(f"The next block needs {needed_wei} wei per gas, the ceiling is {ceiling_wei} wei.")
        self.needed_wei = needed_wei
        self.ceiling_wei = ceiling_wei


class TransferWouldFail(TryLater):
    """A node says that this transfer could not be executed now; `reason` is `reverts`, `funds` or `gas_limit`."""

    code: ClassVar[str] = "transfer_would_fail"

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"The transfer would fail ({reason}): {text}")
        self.reason = reason


class PriceUnusable(TryLater):
    """The on-chain price feed has no usable answer; `reason` is stable snake_case."""

    code: ClassVar[str] = "price_unusable"

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"The price feed cannot be used: {text}")
        self.reason = reason


class SignedBytesDiffer(Broken):
    """Signed bytes are not exactly the plain transfer that was asked for; `fields` names the differences."""

    code: ClassVar[str] = "signed_bytes_differ"

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(f"Signed bytes differ from what was asked in: {', '.join(fields)}.")
        self.fields = fields


class SignerUnavailable(TryLater):
    """The key service did not sign; `reason` is `throttled`, `timed_out`, `refused` or `unreachable`.

    It may have made a signature that we never saw. Nobody can send it but we, so signing again is safe.
    """

    code: ClassVar[str] = "signer_unavailable"

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(f"The key service did not sign ({reason}): {error}.")
        self.reason = reason


class SignerLied(Broken):
    """What the key service answered cannot be believed; `what` names the part of the answer."""

    code: ClassVar[str] = "signer_lied"

    def __init__(self, what: str, told: str) -> None:
        super().__init__(f"The key service's answer cannot be believed ({what}): {told}.")
        self.what = what


class Equivocation(Broken):
    """A second, different payment was asked for a nonce that is promised already; nothing was signed."""

    code: ClassVar[str] = "equivocation"

    def __init__(self, chain_id: int, account: str, nonce: int) -> None:
        super().__init__(f"Nonce {nonce} of {account} on chain {chain_id} is promised to another payment.")
        self.chain_id = chain_id
        self.account = account
        self.nonce = nonce
