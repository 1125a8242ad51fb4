"""How several providers become one answer: a quorum of them must say the same, or nothing is said.

A quorum is more than half, so two contradicting ones cannot exist. Silence, lag and contradiction are three things:
too few answers are `ProvidersUnavailable`, enough answers without a quorum are `ProvidersDisagree`, and what a
provider does not have yet is for the caller to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.chain.providers import Failure, Provider
from shared.chain.record import ProviderRecords
from shared.chain.trouble import ProvidersDisagree, ProvidersUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agreed(Generic[T]):
    """A value and the providers that gave it."""

    value: T
    by: tuple[str, ...]


class Quorum:
    """A list of providers and how many of them must agree."""

    def __init__(self, providers: Sequence[Provider], needed: int) -> None:
        if not providers:
            raise ValueError("at least one Ethereum provider is needed")
        if not len(providers) < 2 * needed <= 2 * len(providers):
            raise ValueError("the quorum must be more than half of the providers and at most all of them")
        self.providers = tuple(providers)
        self.needed = needed
        self.records = ProviderRecords(provider.name for provider in providers)

    def ask_one(self, provider: Provider, read: Callable[[Provider], T], *, may_refuse: bool = False) -> T | Failure:
        """One provider's answer, counted. With `may_refuse` a JSON-RPC error is as good an answer as any."""
        answer = provider.ask(read)
        if isinstance(answer, Failure) and not (may_refuse and answer.answered):
            self.records.failed(provider.name, answer.text)
        else:
            self.records.answered(provider.name)
        return answer

    def ask(self, question: str, read: Callable[[Provider], T]) -> dict[str, T]:
        """Every answer by provider name. Raises ProvidersUnavailable if fewer answer than a quorum needs."""
        answers: dict[str, T] = {}
        failures: dict[str, str] = {}
        for provider in self.providers:
            answer = self.ask_one(provider, read)
            if isinstance(answer, Failure):
                failures[provider.name] = answer.text
            else:
                answers[provider.name] = answer
        if len(answers) < self.needed:
            raise ProvidersUnavailable(question, failures)
        return answers

    def agree(self, question: str, read: Callable[[Provider], T]) -> Agreed[T]:
        """The one value that a quorum answers. Values are compared with ==."""
        answers = self.ask(question, read)
        agreed = self.most_said(answers)
        if agreed is None:
            raise ProvidersDisagree(question, {name: str(value)[:120] for name, value in answers.items()})
        return agreed

    def most_said(self, answers: dict[str, T]) -> Agreed[T] | None:
        """The value that at least a quorum of these answers shares, if there is one. Who says otherwise is counted."""
        values = list(answers.values())
        for value in values:
            by = tuple(name for name, other in answers.items() if other == value)
            if len(by) >= self.needed:
                self.records.disagreed(answers.keys() - set(by))
                return Agreed(value, by)
        if any(value != values[0] for value in values):
            self.records.disagreed(answers)
        return None

    def first(self, question: str, read: Callable[[Provider], T | None]) -> T | None:
        """The first provider's answer that is not None; None if some answered and none had it."""
        failures: dict[str, str] = {}
        for provider in self.providers:
            answer = self.ask_one(provider, read)
            if isinstance(answer, Failure):
                failures[provider.name] = answer.text
            elif answer is not None:
                return answer
        if len(failures) == len(self.providers):
            raise ProvidersUnavailable(question, failures)
        return None
