"""A log event is a constant name from the vocabulary; what differs from case to case is a field.

A name that is put together at run time can be neither counted nor alerted on, and it is where secrets slip in.
"""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding
from shared.telemetry.events import EVENTS

_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every log call whose event is built or unknown. A name held in a variable is the caller's matter."""
    for source in checkout.product():
        for node in source.nodes:
            if not (isinstance(node, ast.Call) and _is_log_call(node) and node.args):
                continue
            event = node.args[0]
            if isinstance(event, ast.Constant):
                if event.value not in EVENTS:
                    yield source.finding(node, __name__, f"{event.value!r} is not in shared.telemetry.events")
            elif not isinstance(event, ast.Name | ast.Attribute | ast.Subscript | ast.IfExp):
                yield source.finding(node, __name__, "the event is built at run time; use a constant and fields")


def _is_log_call(call: ast.Call) -> bool:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in _LEVELS):
        return False
    owner = call.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.lower().strip("_").endswith(("log", "logger"))
