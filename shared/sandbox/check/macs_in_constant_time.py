"""A mac is compared by `hmac.compare_digest`: `==` stops at the first wrong byte, and the time it takes tells which."""

import ast
import re
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_SECRET_NAME = re.compile(r"(^|_)(mac|hmac|signature|secret|password|api_key|signing_key|private_key|seal)$")
_MAKES_A_MAC = {"sign_body", "_mac", "hexdigest", "digest"}
_SAYS_NOTHING = (None, "", b"")  # whether there is one at all is no secret


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every ==, != and `in` with a mac, a signature or a secret on one of its sides."""
    for source in checkout.product():
        makes = _macs_made_in(source.tree)
        for node in source.nodes:
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) and side.value in _SAYS_NOTHING for side in sides):
                continue
            compares = any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
            if compares and any(_is_secret(side, makes) for side in sides):
                yield source.finding(node, __name__, "compares a mac or a secret; use hmac.compare_digest")


def _macs_made_in(tree: ast.Module) -> bool:
    """Whether the module makes macs: only there is a digest one, and not the hash of something that all may know."""
    return any(
        (isinstance(node, ast.Import) and any(alias.name == "hmac" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "hmac")
        for node in ast.walk(tree)
    )


def _is_secret(node: ast.expr, makes_macs: bool) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _SECRET_NAME.search(name) is not None
        case ast.Call(func=ast.Attribute(attr="get_secret_value")):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return makes_macs and name in _MAKES_A_MAC
        case ast.Subscript(value=value):
            return _is_secret(value, makes_macs)
    return False
