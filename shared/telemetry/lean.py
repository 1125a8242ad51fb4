"""structlog without the coloured tracebacks that it would load rich for: a tenth of every service's start, and no line
of ours shows one. Imported before anything else of this room, because the first import of structlog decides.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import cast

if "rich" not in sys.modules and "structlog" not in sys.modules:
    # None is Python's own word for "cannot be imported"; who wants rich later gets it.
    sys.modules["rich"] = cast(ModuleType, None)
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]
