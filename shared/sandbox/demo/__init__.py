"""The demo: payments as webhooks send them go through the whole fleet to distributed USDT, and every step is shown.

Public, each imported where it is used because together they cost a second: `options.DemoOptions`, `run.run_demo`.
"""
