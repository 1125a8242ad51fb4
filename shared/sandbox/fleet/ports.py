"""Which port everything listens on: free ones for a demo, fixed ones in a row for `gcpay up`."""

import contextlib
import socket
from dataclasses import dataclass, fields
from typing import Self

_HOST = "127.0.0.1"


class PortInUse(Exception):
    """A fixed port is taken by somebody else; the message names the port and who wanted it."""

    def __init__(self, port: int, wanted_by: str) -> None:
        super().__init__(f"Port {port} ({wanted_by}) is in use.")
        self.port = port


@dataclass(frozen=True)
class Ports:
    """One port each; the services come first so that their numbers are easy to remember."""

    GCAccumulator: int
    GCMicroBatchProcessor: int
    GCHostPay1: int
    GCHostPay2: int
    GCHostPay3: int
    identity: int
    tasks: int
    tasks_control: int
    scheduler: int
    exchange: int
    chain: int
    chain_second: int
    postgres: int

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody uses now. All are held until the last is chosen, so no two are the same."""
        with contextlib.ExitStack() as held:
            return cls(*(_hold(held, 0) for _ in fields(cls)))

    @classmethod
    def in_a_row(cls, first: int) -> Self:
        """`first` and the ones after it. Raises PortInUse for the first that is taken."""
        with contextlib.ExitStack() as held:
            for number, field in enumerate(fields(cls), start=first):
                try:
                    _hold(held, number)
                except OSError as error:
                    raise PortInUse(number, field.name) from error
        return cls(*range(first, first + len(fields(cls))))

    def url(self, name: str) -> str:
        """Where something of this name answers."""
        return f"http://{_HOST}:{getattr(self, name)}"


def _hold(held: contextlib.ExitStack, port: int) -> int:
    holder = held.enter_context(socket.socket())
    # As every server does: a connection of an earlier run that is still closing must not count as "in use".
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((_HOST, port))
    # Only a listening socket collides with another listener that also reuses its address.
    holder.listen(1)
    return int(holder.getsockname()[1])
