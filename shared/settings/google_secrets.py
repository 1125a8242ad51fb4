"""Google's Secret Manager, read with its own client: checksums verified, waits bounded, nothing ever guessed.

The client is imported when a secret is first read, and only then: a fleet whose secrets stand in the environment does
without it.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.settings.checksum import crc32c
from shared.settings.environment import BLANK, CONTROL, PATH, is_path_of_a_secret

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

LATEST: Final = "latest"
# One attempt, and all attempts at one secret together. A start waits this long at most: secrets are read side by side.
_ATTEMPT_S: Final = 2.0
_LIMIT_S: Final = 6.0
_AT_ONCE: Final = 8
_LOCAL_CHANNEL: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


@dataclass(frozen=True)
class Secret:
    """What one version of a secret says, without the blanks and the line end with which people store it."""

    value: str = field(repr=False)
    version: int


@dataclass(frozen=True)
class Unreadable:
    """Why a secret cannot be had; `rule` follows its name in a sentence. `for_good`: this version never will be."""

    rule: str
    for_good: bool = False


_NOT_ENABLED: Final = Unreadable("has a version in Secret Manager that is disabled or destroyed", for_good=True)

Answer = Secret | Unreadable | None
"""None: there is no such secret, or it has no version."""


class SecretManager:
    """The secrets of one project. Safe to share between threads; must not be used in a process that forks later."""

    def __init__(self, project: str, endpoint: str = "", *, limit_s: float = _LIMIT_S) -> None:
        self._project, self._endpoint, self._limit_s = project, endpoint, limit_s
        self._making_client = threading.Lock()
        self._made_client: SecretManagerServiceClient | None = None

    def read(self, name: str, version: str = LATEST) -> Answer:
        """One version of a secret. A failed call is an `Unreadable`, never an absence."""
        from google.api_core import exceptions, retry
        from google.auth.exceptions import GoogleAuthError

        worth_a_repeat = (exceptions.ServiceUnavailable, exceptions.TooManyRequests, exceptions.GatewayTimeout)
        try:
            answer = self._client().access_secret_version(
                name=f"projects/{self._project}/secrets/{name}/versions/{version}",
                retry=retry.Retry(
                    predicate=retry.if_exception_type(*worth_a_repeat), initial=0.1, maximum=1.0, timeout=self._limit_s
                ),
                timeout=min(_ATTEMPT_S, self._limit_s),
            )
        except exceptions.NotFound:
            return None
        except exceptions.FailedPrecondition:
            return _NOT_ENABLED
        except (exceptions.Forbidden, exceptions.Unauthorized):
            return Unreadable(
                "may not be read from Secret Manager: grant roles/secretmanager.secretAccessor on it, and make it "
                "without a version where it is optional and meant to be absent"
            )
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            return _not_now(error)
        return _checked(answer)

    def read_all(self, names: Iterable[str], *, rotated: Container[str] = ()) -> dict[str, tuple[Answer, Answer]]:
        """The latest version of each, read side by side; and of those that are rotated, the version before it."""
        wanted = list(names)
        if not wanted:
            return {}
        from google.auth.exceptions import GoogleAuthError

        try:
            self._client()  # once: without an identity each of the threads would look for one, for seconds
        except GoogleAuthError as error:
            return dict.fromkeys(wanted, (_not_now(error), None))
        with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="secret") as pool:
            return dict(zip(wanted, pool.map(lambda name: self._pair(name, name in rotated), wanted), strict=True))

    def _pair(self, name: str, rotated: bool) -> tuple[Answer, Answer]:
        latest = self.read(name)
        if not rotated or not isinstance(latest, Secret) or latest.version == 1:
            return latest, None
        before = self.read(name, str(latest.version - 1))
        if isinstance(before, Unreadable) and before.for_good:
            return latest, None  # disabled or no value: people mend a slip with a new version
        # Stored anew and not rotated: one value is one key.
        return latest, None if isinstance(before, Secret) and before.value == latest.value else before

    def close(self) -> None:
        """Close the connection; the next read opens a new one."""
        with self._making_client:
            client, self._made_client = self._made_client, None
        if client is not None:
            client.transport.close()  # type: ignore[no-untyped-call]

    def _client(self) -> SecretManagerServiceClient:
        with self._making_client:
            if self._made_client is None:
                self._made_client = self._connected()
            return self._made_client

    def _connected(self) -> SecretManagerServiceClient:
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient

        if not self._endpoint:
            return SecretManagerServiceClient()
        import grpc
        from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
            SecretManagerServiceGrpcTransport,
        )

        # An endpoint in the client options alone would be spoken to with TLS.
        channel = grpc.insecure_channel(self._endpoint, options=_LOCAL_CHANNEL)
        return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


def load_client() -> None:
    """Import what the first read would import."""
    from google.api_core import exceptions, retry
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

    del exceptions, retry, SecretManagerServiceClient


def _not_now(error: Exception) -> Unreadable:
    return Unreadable(f"could not be read from Secret Manager now ({type(error).__name__})")


def _checked(answer: Any) -> Secret | Unreadable:
    data = bytes(answer.payload.data)
    if "data_crc32c" not in answer.payload or answer.payload.data_crc32c != crc32c(data):
        return Unreadable("arrived damaged from Secret Manager: its checksum is wrong")
    try:
        value = data.decode().strip()
    except UnicodeDecodeError:
        return Unreadable("is not text in Secret Manager", for_good=True)
    if not value:
        return Unreadable(f"{BLANK.partition(':')[0]} in Secret Manager", for_good=True)
    if not value.isprintable():
        return Unreadable(f"{CONTROL}, in Secret Manager", for_good=True)
    if is_path_of_a_secret(value):
        return Unreadable(f"{PATH}, in Secret Manager", for_good=True)
    number = str(answer.name).rpartition("/")[2]
    return Secret(value, int(number)) if number.isdigit() else Unreadable("came from Secret Manager without a version")
