"""SQL takes the time as a bound parameter: with now() a history could not be replayed, nor a deadline tested."""

import re
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_CLOCKS = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every clock in a .sql file, migrations and their defaults included; comments do not count."""
    for source in checkout.sources:
        if not source.path.endswith(".sql"):
            continue
        for number, line in source.lines():
            found = _CLOCKS.search(line.split("--")[0])
            if found:
                yield source.finding(number, __name__, f"{found.group(0).strip('( ')} reads the clock; bind :now")
