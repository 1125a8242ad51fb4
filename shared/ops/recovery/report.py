"""What a recovery found, did, and could not explain."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """One recovery of one account. `unexplained` empty: the account goes on (unless it was only a rehearsal)."""

    account: str
    chain_id: int
    dry_run: bool
    finalized_number: int = 0
    finalized_nonce: int = 0
    next_nonce_before: int = 0
    next_nonce: int = 0
    copies: int = 0
    done: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    resumed: bool = False

    def lines(self) -> list[str]:
        """The report for a person."""
        would = "would be done: " if self.dry_run else ""
        head = (
            f"wallet {self.account} on chain {self.chain_id}: {self.finalized_nonce} nonces are used up to the final "
            f"block {self.finalized_number}, the archive holds {self.copies} signed transaction(s), the database gave "
            f"out {self.next_nonce_before} nonces"
        )
        done = [f"  {would}{line}" for line in self.done] or ["  nothing is missing in the database"]
        open_points = [f"  UNEXPLAINED: {line}" for line in self.unexplained]
        return [head, *done, *open_points, self.verdict]

    @property
    def verdict(self) -> str:
        """The last line."""
        if self.unexplained:
            return f"the account stays frozen: {len(self.unexplained)} thing(s) are not explained, see above"
        if self.dry_run:
            return "nothing was changed; without --dry-run the account would resume"
        return f"the account resumes with nonce {self.next_nonce}"

    def as_json(self) -> dict[str, object]:
        """The report for a program."""
        return {
            "account": self.account,
            "chain_id": self.chain_id,
            "dry_run": self.dry_run,
            "finalized_number": self.finalized_number,
            "finalized_nonce": self.finalized_nonce,
            "next_nonce_before": self.next_nonce_before,
            "next_nonce": self.next_nonce,
            "copies": self.copies,
            "done": self.done,
            "unexplained": self.unexplained,
            "resumed": self.resumed,
        }
