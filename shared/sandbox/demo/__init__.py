"""The demo: payments as webhooks send them go through the whole fleet to distributed USDT, and every step is shown.

Public: `DemoOptions`, `run_demo`.
"""

from shared.sandbox.demo.options import DemoOptions
from shared.sandbox.demo.run import run_demo

__all__ = ["DemoOptions", "run_demo"]
