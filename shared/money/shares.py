"""Sharing amounts out to the last unit, and taking fees: every unit goes to somebody, none is made or lost."""

from collections.abc import Sequence
from typing import TypeVar

from shared.money.amounts import Ether, Tether, Usd
from shared.money.percent import Percent
from shared.money.text import MoneyError

A = TypeVar("A", Usd, Ether, Tether)


def split(total_units: int, weights: Sequence[int]) -> list[int]:
    """`total_units` in proportion to `weights`: whole units, exact sum, none negative (DESIGN 6).

    Largest remainder: each gets its floor, the units left over go one each to the largest remainders, ties to the
    lower index. Give the members **in id order**: then the lower id wins a tie, and the same members always get the
    same shares however they were read. A weight of zero gets zero.
    MoneyError: negative total or weight, or nothing to weigh a total by.
    """
    _refuse_unless_whole(total_units, weights)
    weight_sum = sum(weights)
    if weight_sum == 0:
        if total_units:
            raise MoneyError("cannot be shared out: the weights sum to zero")
        return [0] * len(weights)
    shares = [total_units * weight // weight_sum for weight in weights]
    left_over = total_units - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total_units * weights[i] % weight_sum), i))
    for index in by_remainder[:left_over]:
        shares[index] += 1
    return shares


def _refuse_unless_whole(total_units: int, weights: Sequence[int]) -> None:
    if type(total_units) is not int or any(type(weight) is not int for weight in weights):
        raise TypeError("whole units are split by whole weights")
    if total_units < 0:
        raise MoneyError("cannot be shared out: it is negative")
    if any(weight < 0 for weight in weights):
        raise MoneyError("cannot be shared out: a weight is negative")


def share_out(total: Tether, weights: Sequence[Usd]) -> list[Tether]:
    """The USDT that arrived, by the members' pending USD, members in id order. Rules and errors of `split`."""
    return [Tether(units) for units in split(total.base_units, [weight.base_units for weight in weights])]


def apportion_wei(total: Ether, weights: Sequence[Usd]) -> list[Ether]:
    """A quoted order's wei, by the members' pending USD, members in id order. Rules and errors of `split`."""
    return [Ether(wei) for wei in split(total.base_units, [weight.base_units for weight in weights])]


def percent_floor(amount: A, percent: Percent) -> A:
    """That many percent of the amount, rounded down to a whole unit. MoneyError for a negative amount."""
    if amount.base_units < 0:
        raise MoneyError("must not be negative")
    return type(amount)(amount.base_units * percent.ppm // Percent.WHOLE_PPM)


def take_fee(amount: A, percent: Percent) -> tuple[A, A]:
    """(fee, net): fee = floor(amount x percent), net = the rest, so the payee never pays for the rounding.

    MoneyError for a negative amount or a fee over 100 %.
    """
    if percent.ppm > Percent.WHOLE_PPM:
        raise MoneyError("cannot bear a fee over 100 percent")
    fee = percent_floor(amount, percent)
    return fee, amount - fee


def cut_to_decimals(amount: Ether, decimals: int) -> Ether:
    """The amount rounded down to that many decimals (the exchange takes 8); the caller books the difference.

    MoneyError for a negative amount or decimals outside 0..18.
    """
    if amount.is_negative():
        raise MoneyError("must not be negative")
    if not 0 <= decimals <= Ether.DECIMALS:
        raise MoneyError(f"cannot be cut to {decimals} decimals")
    step_wei = 10 ** (Ether.DECIMALS - decimals)
    return Ether(amount.wei // step_wei * step_wei)
