"""Each outside thing has one room, and only that room knows its library; so a change of library is a change of a room.

The sandbox plays the outside's part and may know them all; so may tests.
"""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import SERVICES, Checkout, Finding

_ROOMS = {
    "web3": ("shared/chain",),
    "eth_account": ("shared/chain",),
    "eth_utils": ("shared/chain",),
    "eth_abi": ("shared/chain",),
    "coincurve": ("shared/chain",),
    "requests": ("shared/exchange",),
    "pg8000": ("shared/db",),
    "google.cloud.sql": ("shared/db",),
    "google.cloud.tasks": ("shared/queue",),
    "google.cloud.tasks_v2": ("shared/queue",),
    "google.cloud.kms": ("shared/chain",),
    "google.cloud.secretmanager": ("shared/settings",),
    "google.cloud.secretmanager_v1": ("shared/settings",),
    "jwt": ("shared/http",),
    "structlog": ("shared/telemetry",),
    "gunicorn": ("shared/http",),
    "flask": ("shared/http", *SERVICES),
    "click": ("shared/ops",),
    "rich": ("shared/ops",),
}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every import of such a library outside its room."""
    for source in checkout.product():
        for node in source.nodes:
            for module in _modules(node):
                for library, rooms in _ROOMS.items():
                    if (module == library or module.startswith(f"{library}.")) and not source.is_in(*rooms):
                        yield source.finding(node, __name__, f"imports {module}; only {rooms[0]} does")
                        break


def _modules(node: ast.AST) -> list[str]:
    """What is imported, with `from google.cloud import tasks_v2` read as google.cloud.tasks_v2."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        if node.module in {"google", "google.cloud"}:
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module]
    return []
