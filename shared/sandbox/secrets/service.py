"""Secret Manager on the loopback address: google.cloud.secretmanager.v1, made from the library's own message types."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

import grpc
from google.cloud.secretmanager_v1.types import (
    AccessSecretVersionRequest,
    AccessSecretVersionResponse,
    AddSecretVersionRequest,
    CreateSecretRequest,
    DisableSecretVersionRequest,
    EnableSecretVersionRequest,
    Secret,
    SecretPayload,
    SecretVersion,
)

from shared.sandbox.secrets.store import Rejected, SecretStore
from shared.settings.checksum import crc32c

SERVICE: Final = "google.cloud.secretmanager.v1.SecretManagerService"
_SECRET: Final = re.compile(r"projects/(?P<project>[^/]+)/secrets/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?")
_CALL_THREADS: Final = 16
_STOP_GRACE_S: Final = 0.2

FaultKind = Literal["damaged", "slow", "denied", "unavailable"]


@dataclass
class Fault:
    """What goes wrong when a secret is read, `times` times. `slow` answers after `delay_s`."""

    kind: FaultKind
    times: int = 1_000_000
    delay_s: float = 30.0


class SecretService:
    """A context manager. Port 0 takes a free one. `store` holds the secrets, `faults` what goes wrong, by secret."""

    def __init__(self, project: str, port: int = 0) -> None:
        self.project = project
        self.store = SecretStore()
        self.faults: dict[str, Fault] = {}
        self.reads = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._calls = ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="secret-api")
        # Without this option two services could share one port and each get half of the calls.
        self._server = grpc.server(self._calls, options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self._registration(),))
        try:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"port {port}: {os.strerror(errno.EADDRINUSE)}") from error
        self.endpoint = f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop within a second, also while an answer is being kept back; no thread stays."""
        self._stopping.set()
        self._server.stop(_STOP_GRACE_S).wait()
        self._calls.shutdown(wait=True)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _registration(self) -> grpc.GenericRpcHandler[Any, Any]:
        calls: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
            "AccessSecretVersion": (self._access, AccessSecretVersionRequest, AccessSecretVersionResponse),
            "CreateSecret": (self._create, CreateSecretRequest, Secret),
            "AddSecretVersion": (self._add, AddSecretVersionRequest, SecretVersion),
            "EnableSecretVersion": (lambda asked: self._set(asked, True), EnableSecretVersionRequest, SecretVersion),
            "DisableSecretVersion": (lambda asked: self._set(asked, False), DisableSecretVersionRequest, SecretVersion),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE, {name: _unary(call, asked, answered) for name, (call, asked, answered) in calls.items()}
        )

    def _access(self, request: AccessSecretVersionRequest) -> AccessSecretVersionResponse:
        name, version = self._named(request.name)
        with self._lock:
            self.reads += 1
            fault = self._struck(name)
        if fault is not None and fault.kind == "denied":
            raise Rejected(grpc.StatusCode.PERMISSION_DENIED, "Permission 'secretmanager.versions.access' denied.")
        if fault is not None and fault.kind == "unavailable":
            raise Rejected(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
        if fault is not None and fault.kind == "slow":
            self._stopping.wait(fault.delay_s)
        number, data = self.store.access(name, version)
        checksum = crc32c(data) ^ (fault is not None and fault.kind == "damaged")
        return AccessSecretVersionResponse(
            name=self._version_name(name, number), payload=SecretPayload(data=data, data_crc32c=checksum)
        )

    def _create(self, request: CreateSecretRequest) -> Secret:
        if request.parent != f"projects/{self.project}":
            raise Rejected(grpc.StatusCode.PERMISSION_DENIED, "There is another project here.")
        self.store.create(request.secret_id)
        return Secret(name=f"{request.parent}/secrets/{request.secret_id}")

    def _add(self, request: AddSecretVersionRequest) -> SecretVersion:
        name, _ = self._named(request.parent)
        number = self.store.add_to_existing(name, bytes(request.payload.data))
        return SecretVersion(name=self._version_name(name, number), state=SecretVersion.State.ENABLED)

    def _set(self, request: Any, enabled: bool) -> SecretVersion:
        name, version = self._named(request.name)
        number = self.store.set_enabled(name, version, enabled)
        state = SecretVersion.State.ENABLED if enabled else SecretVersion.State.DISABLED
        return SecretVersion(name=self._version_name(name, number), state=state)

    def _named(self, text: str) -> tuple[str, str]:
        match = _SECRET.fullmatch(text)
        if match is None:
            raise Rejected(grpc.StatusCode.INVALID_ARGUMENT, "The name is not one of a secret.")
        if match["project"] != self.project:
            raise Rejected(grpc.StatusCode.PERMISSION_DENIED, "There is another project here.")
        return match["name"], match["version"] or ""

    def _version_name(self, name: str, number: int) -> str:
        return f"projects/{self.project}/secrets/{name}/versions/{number}"

    def _struck(self, name: str) -> Fault | None:
        fault = self.faults.get(name)
        if fault is None or fault.times <= 0:
            return None
        fault.times -= 1
        return fault


def _unary(call: Callable[[Any], Any], asked: Any, answered: Any) -> grpc.RpcMethodHandler[Any, Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(request)
        except Rejected as no:
            context.abort(no.code, no.message)

    return grpc.unary_unary_rpc_method_handler(answer, asked.deserialize, answered.serialize)
