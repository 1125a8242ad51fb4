"""Who is who in the sandbox: one service account per service, one for the scheduler, one for upstream, one operator."""

from dataclasses import dataclass, fields

SERVICES = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3")


@dataclass(frozen=True)
class Identities:
    """E-mail addresses of the service accounts; `.invalid` exists nowhere (RFC 2606)."""

    upstream: str = "upstream@sandbox.invalid"
    scheduler: str = "scheduler@sandbox.invalid"
    operator: str = "operator@sandbox.invalid"
    intake: str = "gcaccumulator@sandbox.invalid"
    batcher: str = "gcmicrobatchprocessor@sandbox.invalid"
    conductor: str = "gchostpay1@sandbox.invalid"
    watcher: str = "gchostpay2@sandbox.invalid"
    executor: str = "gchostpay3@sandbox.invalid"

    def callers(self) -> dict[str, str]:
        """The allow-list settings, one per caller: UPSTREAM_CALLERS and so on. A service reads those it needs."""
        return {f"{field.name.upper()}_CALLERS": getattr(self, field.name) for field in fields(self)}
