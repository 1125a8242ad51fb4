"""The task service as one object: gRPC port, control port, dispatcher, faults."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc
from google.cloud.tasks_v2.types import Queue

from shared.sandbox.journal import Journal
from shared.sandbox.tasks.api import CloudTasksApi
from shared.sandbox.tasks.control import TaskControlServer
from shared.sandbox.tasks.dispatcher import Dispatcher, TokenSource
from shared.sandbox.tasks.faults import Faults
from shared.sandbox.tasks.store import Store

_CALL_THREADS = 16
_STOP_GRACE_S = 0.2


class TaskService:
    """Cloud Tasks on the loopback address; a context manager. Port 0 takes a free one.

    `time_scale` divides what the *queue* waits for: back-offs, the retry window, Retry-After and the blocking of used
    names. Schedule times are the client's own and stay as they are; so does the dispatch deadline, which has a scale of
    its own for tests. Tokens need `tokens` (an IdentityClient). Everything is in memory: a restart forgets all tasks,
    which is the same to the fleet as a purge.
    """

    def __init__(
        self,
        port: int = 0,
        control_port: int = 0,
        tokens: TokenSource | None = None,
        time_scale: int = 1,
        workers: int = 32,
        deadline_scale: float = 1.0,
        journal: Journal | None = None,
    ) -> None:
        journal = journal or Journal()
        self.faults = Faults()
        self.store = Store(time_scale)
        self.dispatcher = Dispatcher(self.store, self.faults, tokens, journal, workers, deadline_scale)
        self._api = CloudTasksApi(self.store, self.faults, journal, signs_identity=tokens is not None)
        self._calls = ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="task-api")
        # Without this option two services could share one port and each get half of the calls.
        self._server = grpc.server(self._calls, options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self._api.registration(),))
        try:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"port {port}: {os.strerror(errno.EADDRINUSE)}") from error
        self.endpoint = f"127.0.0.1:{self.port}"
        self.control = TaskControlServer(control_port, self.store, self.faults, self.dispatcher)

    def create_queue(self, queue: Queue, now: float) -> Queue:
        """Make a queue without going through the network."""
        return self.store.create_queue(queue, now)

    def start(self) -> None:
        """Begin to serve and to deliver."""
        self.dispatcher.start()
        self._server.start()
        self.control.start()

    def stop(self) -> None:
        """Stop within a second, whatever targets and clients are doing; no thread stays."""
        self._api.stop()
        stopped = self._server.stop(_STOP_GRACE_S)
        self.dispatcher.stop()
        self.control.stop()
        stopped.wait()
        self._calls.shutdown(wait=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
