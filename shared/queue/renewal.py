"""Keys that were rotated while this process runs: read anew when a token comes that none of ours opens.

A rotation reaches the instances of a fleet one after the other. A token that a newer instance has sealed must wait for
the others and never be refused by them, and a token of nobody's must not keep them busy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from shared.messages import Keyring
from shared.messages.errors import KeyringError
from shared.settings import Secret, SecretManager, SecretsSettings, Unreadable
from shared.telemetry import conceal, get_logger

AGAIN_AFTER_S: Final = 10.0
_INTERNAL, _EXTERNAL = "SUCCESS_URL_SIGNING_KEY", "TPS_HOSTPAY_SIGNING_KEY"

log = get_logger()


class Renewal(Enum):
    """What is known of the keys now."""

    RENEWED = "others than before: open the token again"
    PRESENT = "read within the last seconds, and the same"
    UNREADABLE = "could not be read"
    FIXED = "in the environment: only a new process has others"


class Keys:
    """The keyring of a process and where it is read anew. Threads may share it.

    `versions_now` gives the present versions of each rotating secret, newest first, None when one cannot be read;
    None instead of it: the keys stand in the environment.
    """

    def __init__(
        self,
        keyring: Keyring,
        fixed: Mapping[str, list[str]],
        versions_now: Callable[[], Mapping[str, list[str]] | None] | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keyring = keyring
        self._fixed, self._versions_now, self._monotonic = fixed, versions_now, monotonic
        self._lock = threading.Lock()
        self._last = Renewal.PRESENT
        self._ask_at = float("-inf")
        self._generation = 0

    @property
    def generation(self) -> int:
        """How often the keys became others; who failed to open a token says with which generation it was."""
        return self._generation

    def renew(self, tried_with: int) -> Renewal:
        """Read the keys anew, at most once in ten seconds however many ask."""
        if self._versions_now is None:
            return Renewal.FIXED
        with self._lock:
            if tried_with != self._generation:
                return Renewal.RENEWED  # another thread was faster
            if self._monotonic() >= self._ask_at:
                self._last = self._read(self._versions_now)
                self._ask_at = self._monotonic() + AGAIN_AFTER_S
                if self._last is Renewal.RENEWED:
                    self._last = Renewal.PRESENT
                    return Renewal.RENEWED
            return self._last

    def _read(self, versions_now: Callable[[], Mapping[str, list[str]] | None]) -> Renewal:
        found = versions_now()
        if found is None:
            log.warning("signing_keys_unreadable")
            return Renewal.UNREADABLE
        secrets = {**self._fixed, **found}
        conceal([one for versions in secrets.values() for one in versions])
        try:
            changed = self.keyring.take(secrets.get(_INTERNAL, []), secrets.get(_EXTERNAL, []))
        except KeyringError as error:
            log.warning("signing_keys_unreadable", reason=error.message)
            return Renewal.UNREADABLE
        if not changed:
            return Renewal.PRESENT
        self._generation += 1
        log.info("signing_keys_renewed")
        return Renewal.RENEWED


def keys_of(settings: SecretsSettings, keyring: Keyring) -> Keys:
    """The keys of a service: those that its start read in Secret Manager are read there again."""
    rotating = {name for name in (_INTERNAL, _EXTERNAL) if name in settings.from_secret_manager}
    manager = settings.secret_manager() if rotating else None
    fixed = {name: versions_in(settings, name.lower()) for name in (_INTERNAL, _EXTERNAL) if name not in rotating}
    return Keys(keyring, fixed, None if manager is None else lambda: _versions(manager, rotating))


def versions_in(settings: object, name: str) -> list[str]:
    """The versions of a signing key that settings hold, newest first; none where a service has no such key."""
    found = (getattr(settings, name, None), getattr(settings, f"{name}_previous", None))
    return [version.get_secret_value() for version in found if version is not None]


def _versions(manager: SecretManager, names: set[str]) -> Mapping[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for name, versions in manager.read_all(sorted(names), rotated=names).items():
        if isinstance(versions[0], Unreadable | None) or isinstance(versions[1], Unreadable):
            return None
        found[name] = [version.value for version in versions if isinstance(version, Secret)]
    return found
