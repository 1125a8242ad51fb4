"""Rebuilds what a restored database has lost, from the chain and from the archive of signed bytes.

Public: `recover(Recovery(...))` -> `Report`; `AccountUnknown`, `AccountNotFrozen`. `command` is the verb
`gcpay recover-account`.
"""

from shared.ops.recovery.recover import AccountNotFrozen, AccountUnknown, Recovery, recover
from shared.ops.recovery.report import Report

__all__ = ["AccountNotFrozen", "AccountUnknown", "Recovery", "Report", "recover"]
