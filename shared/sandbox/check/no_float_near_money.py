"""No float near money: a tenth has no exact float, and a cent that is lost once is lost in every total after it.

Seconds may be floats where a service or a client waits: what is called `..._s` is time, not money. In the money,
lifecycle, messages and books rooms there is no such exception; and where amounts are divided (all of these but the
lifecycle, which divides only spans of time) the code must say that it cuts (`//`).
"""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import SERVICES, Checkout, Finding, Source

_STRICT = ("shared/money", "shared/lifecycle", "shared/messages", "shared/books")
_DIVIDES_AMOUNTS = ("shared/money", "shared/messages", "shared/books")
_NEAR = ("shared/exchange", "shared/chain", *SERVICES)


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every float literal, call, annotation and true division that is not about time."""
    for source in checkout.python(*_STRICT, *_NEAR):
        divides = source.is_in(*_DIVIDES_AMOUNTS)
        about_time = set() if source.is_in(*_STRICT) else _about_time(source)
        for node in source.nodes:
            if node in about_time:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                yield source.finding(node, __name__, f"float literal {node.value!r}")
            elif isinstance(node, ast.Name) and node.id == "float" and not _refuses_floats(node, source):
                yield source.finding(node, __name__, "float as a type or a conversion")
            elif divides and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _is_path(node):
                yield source.finding(node, __name__, "true division gives a float; use // or split()")


def _about_time(source: Source) -> set[ast.AST]:
    """Every node below an assignment, parameter, keyword, attribute or return that is named as seconds."""
    spared: set[ast.AST] = set()
    for node in source.nodes:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.AnnAssign(target=ast.Attribute(attr=name)):
                named = name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.Assign(targets=[ast.Attribute(attr=name)]):
                named = name
            case ast.arg(arg=name) | ast.keyword(arg=str(name)):
                named = name
            case ast.FunctionDef(name=name):
                named = name
                if _is_time(named) and node.returns is not None:
                    spared.update(ast.walk(node.returns))
                spared.update(_default_times(node))
                continue
            case _:
                continue
        if _is_time(named):
            spared.update(ast.walk(node))
    return spared


def _default_times(function: ast.FunctionDef) -> set[ast.AST]:
    """Defaults stand apart from the parameters they belong to."""
    spared: set[ast.AST] = set()
    positional = [*function.args.posonlyargs, *function.args.args]
    pairs = [*zip(reversed(positional), reversed(function.args.defaults), strict=False)]
    pairs += [
        (arg, default)
        for arg, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if default
    ]
    for arg, default in pairs:
        if _is_time(arg.arg):
            spared.update(ast.walk(default))
    return spared


def _is_time(name: str) -> bool:
    return name.lower().endswith(("_s", "seconds", "_ms"))


def _refuses_floats(node: ast.Name, source: Source) -> bool:
    """`isinstance(x, float)` is how a float is kept out."""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "isinstance"
        and node in set(ast.walk(call))
        for call in source.nodes
    )


def _is_path(node: ast.BinOp) -> bool:
    """`folder / "name"` joins a path."""
    return isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
