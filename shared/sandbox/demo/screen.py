"""What a person sees: plain lines that read the same without colour and in a pipe. With --json they go to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.money import Tether
from shared.sandbox.demo.result import Result
from shared.sandbox.demo.story import Step

_MARGIN = 9


class Screen:
    """One demo's output. Times are seconds since it began."""

    def __init__(self, *, as_json: bool) -> None:
        # In a pipe nothing is folded or cut at a width that nobody has.
        probe = Console(file=sys.stderr if as_json else sys.stdout, highlight=False)
        self._console = probe if probe.is_terminal else Console(file=probe.file, width=200, highlight=False)
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began

    def title(self, text: str) -> None:
        """A heading."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def step(self, step: Step) -> None:
        """One step of the story: when, who, what, and who holds the money now."""
        line = Text()
        line.append(f"{self.seconds:6.1f} s ", style="dim")
        line.append(f"{step.who:<10}", style="cyan")
        line.append(step.what)
        if step.holder:
            line.append(f"  [money: {step.holder}]", style="green")
        self._console.print(line, soft_wrap=True)

    def note(self, text: str) -> None:
        """A sentence beside the story."""
        self._console.print(Text(" " * _MARGIN + text), soft_wrap=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A moving sign on a terminal; one line elsewhere."""
        if self._console.is_terminal:
            with self._console.status(what):
                yield
        else:
            self._console.print(f"{self.seconds:6.1f} s {what}")
            yield

    def table(self, result: Result) -> None:
        """The payments with their shares, the batches with their hashes, and the last word."""
        self._console.print()
        self._console.print(_payments(result))
        for batch in result.batches:
            self.title(f"Batch {batch['batch_conversion_id']} ({batch['status']})")
            self._console.print(f"  ETH transfer  {batch['eth_tx_hash'] or '-'}", soft_wrap=True)
            self._console.print(f"  USDT arrival  {batch['usdt_tx_hash'] or '-'}", soft_wrap=True)
        for payout in result.instant:
            self.title(f"Instant payout {payout['unique_id']} ({payout['status']})")
            self._console.print(f"  ETH transfer  {payout['eth_tx_hash'] or '-'}", soft_wrap=True)
        if result.refused:
            self.title("Refused by intake")
            for refusal in result.refused:
                self._console.print(
                    f"  {refusal['payment_ref']}: {refusal['http_status']} {refusal['message']}", soft_wrap=True
                )
        if result.parked:
            self.title("Parked, for a person to decide")
            for payment in result.parked:
                self._console.print(f"  {payment['payment_ref']}: {payment['reason']}", soft_wrap=True)
        if result.chaos is not None:
            self._chaos(result.chaos)
        self.title(result.last_word)

    def _chaos(self, chaos: Mapping[str, object]) -> None:
        broken = chaos["broken"]
        assert isinstance(broken, list)
        self.title(f"Broken meanwhile, by seed {chaos['seed']}")
        for each in broken:
            self._console.print(Text(f"{each['at_s']:6.1f} s {each['what']}"), soft_wrap=True)


def _payments(result: Result) -> Table:
    table = Table("payment", "delivered", box=None, pad_edge=False)
    for name in ("pending USD", "received ETH", "fee ETH", "share USDT"):
        table.add_column(name, justify="right")
    table.add_column("status")
    for payment in result.payments:
        table.add_row(
            str(payment["payment_ref"]),
            f"{payment['times_delivered']} x",
            str(payment["pending_usd"]),
            result.ether_text(payment["received_wei"]),
            result.ether_text(payment["fee_wei"]),
            str(payment["share_usdt"] or "-"),
            str(payment["conversion_status"]),
        )
    total = Tether.total(
        Tether.parse(str(payment["share_usdt"])) for payment in result.payments if payment["share_usdt"]
    )
    table.add_row("sum", "", "", "", "", total.decimal_text(), "")
    return table
