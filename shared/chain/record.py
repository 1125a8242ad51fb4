"""How each provider has behaved since this process started: for health, logs and whoever must choose other providers.

Counted where providers are asked, so nobody forgets to. "Healthy but behind" is something else than "down", and a
provider that contradicts the others is something else than both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median_high


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """One provider. `answers` and `failures` are calls; a refusal that the node has good reason for is an answer.

    `disagreements` are answers that the quorum outvoted, or that left it without a majority; a few at the newest blocks
    are ordinary reorgs. `blocks_behind` and `finalized_behind` compare its heads with the median of all, None if it has
    not been seen yet.
    """

    provider: str
    answers: int = 0
    failures: int = 0
    disagreements: int = 0
    blocks_behind: int | None = None
    finalized_behind: int | None = None
    last_failure: str | None = None

    def as_fields(self) -> dict[str, int | str | None]:
        """For a log line or a health report; without the provider's URL, like everything about it."""
        return {
            "provider": self.provider,
            "answers": self.answers,
            "failures": self.failures,
            "disagreements": self.disagreements,
            "blocks_behind": self.blocks_behind,
            "finalized_behind": self.finalized_behind,
            "last_failure": self.last_failure,
        }


class ProviderRecords:
    """The records of a chain's providers. Threads may share it."""

    def __init__(self, providers: Iterable[str]) -> None:
        self._records = {name: ProviderRecord(name) for name in providers}
        self._lock = threading.Lock()

    def snapshot(self) -> list[ProviderRecord]:
        """Every record as it is now, in the order of the providers."""
        with self._lock:
            return list(self._records.values())

    def answered(self, provider: str) -> None:
        with self._lock:
            record = self._records[provider]
            self._records[provider] = replace(record, answers=record.answers + 1)

    def failed(self, provider: str, text: str) -> None:
        with self._lock:
            record = self._records[provider]
            self._records[provider] = replace(record, failures=record.failures + 1, last_failure=text)

    def disagreed(self, providers: Iterable[str]) -> None:
        with self._lock:
            for provider in providers:
                record = self._records[provider]
                self._records[provider] = replace(record, disagreements=record.disagreements + 1)

    def saw_heads(self, tag: str, heads: Mapping[str, int]) -> None:
        """The heads of those that answered, by provider; `tag` is "latest" or "finalized"."""
        if not heads:
            return
        # The median: one provider that claims to be far ahead must not make all others look late.
        usual = median_high(heads.values())
        with self._lock:
            for provider, number in heads.items():
                record, behind = self._records[provider], max(0, usual - number)
                self._records[provider] = (
                    replace(record, finalized_behind=behind)
                    if tag == "finalized"
                    else replace(record, blocks_behind=behind)
                )
