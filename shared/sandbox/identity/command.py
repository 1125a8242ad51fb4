"""How to start the identity issuer as a process."""

import sys


def command(port: int = 0) -> list[str]:
    """The argv. The process prints its ready line with `port` and `url`; the url is the tokens' issuer."""
    return [sys.executable, "-m", "shared.sandbox.identity", "--port", str(port)]
