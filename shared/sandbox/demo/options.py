"""What a demo is asked for. An impossible wish is one clear sentence before anything starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from shared.money import MoneyError, Percent, Tether, Usd
from shared.ops.exits import Exit, Leave

_OWN_PAYMENTS = Path(__file__).with_name("payments.jsonl")
_MOST_LINES = 10_000
_MOST_PAYOUT = Tether(1_000_000 * 10**6)


@dataclass(frozen=True)
class Line:
    """One line of the file, sent as it stands. `name`: the gateway's payment id when it has one, else its number."""

    number: int
    text: str
    name: str


@dataclass(frozen=True)
class DemoOptions:
    """The wishes, read and possible. `chaos`: the seed of what is broken meanwhile; None breaks nothing."""

    lines: tuple[Line, ...]
    threshold: Usd
    fee: Percent
    exchange_pays: Tether | None
    deliver: int
    instant: bool
    chaos: int | None = None

    @classmethod
    def parse(
        cls,
        *,
        payments_file: Path | None = None,
        threshold: str = "80",
        fee: str = "15",
        exchange_pays: str | None = None,
        deliver: int = 3,
        instant: bool = False,
        chaos: int | None = None,
    ) -> Self:
        """Read the command line's texts and the file. Leaves with 2 and a sentence for the first impossible one."""
        if instant and chaos is not None:
            _refuse(
                "--instant --chaos: the chaos loses tasks, and an instant payout's is its upstream's to make again."
            )
        return cls(
            lines=_lines(payments_file or _OWN_PAYMENTS),
            threshold=_threshold(threshold),
            fee=_fee(fee),
            exchange_pays=None if exchange_pays is None else _payout(exchange_pays),
            deliver=deliver,
            instant=instant,
            chaos=chaos,
        )


def _threshold(text: str) -> Usd:
    try:
        amount = Usd.parse(text)
    except MoneyError as error:
        _refuse(f"--threshold {text}: the amount {error.rule}.")
    if not amount.is_positive():
        _refuse(f"--threshold {text}: the amount must be above 0.")
    return amount


def _fee(text: str) -> Percent:
    try:
        fee = Percent.parse(text)
    except MoneyError as error:
        _refuse(f"--fee {text}: the percentage {error.rule}.")
    if fee.ppm > Percent.WHOLE_PPM:
        _refuse(f"--fee {text}: a fee of more than 100 percent would take more than was paid.")
    return fee


def _payout(text: str) -> Tether:
    try:
        amount = Tether.parse(text)
    except MoneyError as error:
        _refuse(f"--exchange-pays {text}: the amount {error.rule}.")
    if not amount.is_positive() or amount > _MOST_PAYOUT:
        _refuse(f"--exchange-pays {text}: the amount must be above 0 and at most {_MOST_PAYOUT}.")
    return amount


def _lines(path: Path) -> tuple[Line, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        _refuse(f"{path} is not a text file in UTF-8.")
    except OSError as error:
        _refuse(f"{path} cannot be read: {error.strerror}.")
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not numbered:
        _refuse(f"{path} holds no payment; it must have one JSON object per line.")
    if len(numbered) > _MOST_LINES:
        _refuse(f"{path} has {len(numbered)} lines; a demo takes at most {_MOST_LINES}.")
    return tuple(_line(path, number, line) for number, line in numbered)


def _line(path: Path, number: int, text: str) -> Line:
    """Any JSON will do here: what is wrong with a payment is for intake to say."""
    try:
        parsed = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        _refuse(f"{path}: line {number} is not JSON; each line must be one webhook body.")
    name = parsed.get("nowpayments_payment_id") if isinstance(parsed, dict) else None
    return Line(number, text, str(name) if isinstance(name, str) and name else f"line {number}")


def _refuse(sentence: str) -> NoReturn:
    raise Leave(sentence, Exit.USAGE)
