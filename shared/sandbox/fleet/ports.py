"""Which port everything listens on: free ones for a demo, fixed ones in a row for `gcpay up`."""

import contextlib
import random
import socket
from dataclasses import dataclass, fields
from typing import Self

_HOST = "127.0.0.1"
# Below the numbers from which systems serve outgoing connections: one of those must not sit on a port that was chosen.
_ROWS = range(20_000, 30_000, 20)
_claims: list[socket.socket] = []


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
    postgres_proxy: int
    secrets: int

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody uses now, and that no other sandbox will choose while this process lives.

        Seconds pass until the last one listens, and two sandboxes may start at once: so the port after the row is
        kept open as a claim. It is the one kind of lock that every process sees and that ends with its holder.
        """
        for first in random.sample(_ROWS, len(_ROWS)):
            try:
                claim = _listening(first + len(fields(cls)))
            except OSError:
                continue
            try:
                row = cls.in_a_row(first)
            except PortInUse:
                claim.close()
                continue
            _claims.append(claim)
            return row
        raise OSError(f"no {len(fields(cls))} ports in a row are free from {_ROWS.start} to {_ROWS.stop}")

    @classmethod
    def in_a_row(cls, first: int) -> Self:
        """`first` and the ones after it. Raises PortInUse for the first that is taken."""
        with contextlib.ExitStack() as held:
            for number, field in enumerate(fields(cls), start=first):
                try:
                    held.enter_context(_listening(number))
                except OSError as error:
                    raise PortInUse(number, field.name) from error
        return cls(*range(first, first + len(fields(cls))))

    def url(self, name: str) -> str:
        """Where something of this name answers."""
        return f"http://{_HOST}:{getattr(self, name)}"


def _listening(port: int) -> socket.socket:
    """A socket that listens on the port; OSError when somebody else does."""
    holder = socket.socket()
    # As every server does: a connection of an earlier run that is still closing must not count as "in use".
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((_HOST, port))
        # Only a listening socket collides with another listener that also reuses its address.
        holder.listen(1)
    except OSError:
        holder.close()
        raise
    return holder
