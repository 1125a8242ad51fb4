"""Why the exchange cannot be used right now. Reading a limit or a quote changes nothing: all of it is *try later*."""

from typing import ClassVar

from shared.exchange.port import RefusalKind
from shared.lifecycle.reactions import TryLater


class ExchangeUnreadable(TryLater):
    """The exchange did not answer, or not with anything that can be read."""

    code: ClassVar[str] = "exchange_unreadable"

    def __init__(self, question: str, reason: str) -> None:
        super().__init__(f"The exchange could not be read ({question}): {reason}")
        self.question = question
        self.reason = reason


class QuoteRefused(TryLater):
    """The exchange answered, and gives no limits or no quote; `kind` says why."""

    code: ClassVar[str] = "quote_refused"

    def __init__(self, question: str, kind: RefusalKind, text: str) -> None:
        super().__init__(f"The exchange refused ({question}, {kind}): {text}")
        self.question = question
        self.kind = kind
