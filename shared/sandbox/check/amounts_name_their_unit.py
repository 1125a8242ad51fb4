"""A bare number of money says its unit in its name (`amount_wei`, `fee_usd_micros`): `amount` is a riddle."""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_MONEY_WORDS = {"amount", "balance", "fee", "fees", "price", "payout", "share", "shares", "dust", "gas_price", "tip"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every parameter and field that is an int and named after money without a unit."""
    for source in checkout.product():
        for node in source.nodes:
            match node:
                case ast.arg(arg=name, annotation=ast.expr() as annotation):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                    pass
                case _:
                    continue
            if _is_int(annotation) and (name in _MONEY_WORDS or name.endswith("_amount")):
                yield source.finding(node, __name__, f"{name}: int says no unit (_wei, _usd_micros, _usdt_units)")


def _is_int(annotation: ast.expr) -> bool:
    """`int` or `int | None`."""
    match annotation:
        case ast.Name(id="int") | ast.BinOp(left=ast.Name(id="int"), right=ast.Constant(value=None)):
            return True
    return False
