"""Gives a process back its protection against endless nesting, which importing eth_account takes away.

eth_account imports py_ecc, and that raises Python's recursion limit to 100,000 for the whole process. Then 60 kB of
"[[[[..." in any JSON text overflow the machine's stack and kill the worker, where otherwise RecursionError is raised.
"""

import sys
from typing import Final

_RAISED: Final = 100_000
_USUAL: Final = 1_000


def restore_recursion_limit() -> None:
    """Set Python's own default again if a library has raised it; a limit that somebody chose is left alone."""
    if sys.getrecursionlimit() >= _RAISED:
        sys.setrecursionlimit(_USUAL)
