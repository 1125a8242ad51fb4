"""SQL is a constant text and what differs from case to case is a bound parameter: nobody's words ever become SQL.

Only shared/db puts SQL together, from constants of its own (a role's name, a lock's number); what it is given is bound.
"""

import ast
import re
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_RUNS = {"all", "one", "run", "script", "execute", "executemany", "execute_simple", "fetch_all", "fetch_one"}
_CONNECTIONS = {"conn", "connection", "cursor", "database", "db", "owner", "transaction", "raw"}
_BUILDS = {"format", "join", "replace", "removeprefix", "removesuffix", "format_map", "decode"}
_STATEMENT = re.compile(
    r"\s*(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|truncate\s|alter\s+\w+\s|drop\s+\w+\s|grant\s)",
    re.IGNORECASE | re.DOTALL,
)


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every statement that is put together where it is run, and every text of a statement that is put together."""
    for source in checkout.product():
        if source.is_in("shared/db"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.Call) and _runs_sql(node) and node.args and _is_built(node.args[0]):
                yield source.finding(node, __name__, "SQL put together at run time; bind a parameter (:name)")
            elif isinstance(node, ast.JoinedStr | ast.BinOp) and _is_built(node) and _begins_a_statement(node):
                yield source.finding(node, __name__, "a statement with something put into it; bind a parameter (:name)")


def _runs_sql(call: ast.Call) -> bool:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in _RUNS):
        return False
    owner = call.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.strip("_").rpartition("_")[2] in _CONNECTIONS or name.strip("_") in _CONNECTIONS


def _is_built(node: ast.expr) -> bool:
    """An f-string with a hole, a sum, a quotient of texts, or a method that makes one text of others."""
    match node:
        case ast.JoinedStr(values=values):
            return any(isinstance(value, ast.FormattedValue) for value in values)
        case ast.BinOp(op=ast.Add() | ast.Mod(), left=left, right=right):
            return not (isinstance(left, ast.Constant) and isinstance(right, ast.Constant))
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr in _BUILDS
        case ast.IfExp(body=body, orelse=orelse):
            return _is_built(body) or _is_built(orelse)
    return False


def _begins_a_statement(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr(values=values):
            text = "".join(value.value if isinstance(value, ast.Constant) else "x" for value in values)  # type: ignore[misc]
            return _STATEMENT.match(text) is not None
        case ast.BinOp(left=ast.Constant(value=str(text))):
            return _STATEMENT.match(text) is not None
        case ast.BinOp(left=ast.BinOp() as left):
            return _begins_a_statement(left)
    return False
