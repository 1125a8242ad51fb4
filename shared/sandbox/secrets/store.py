"""Secrets and their versions, in memory; what Secret Manager answers about them."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Final

import grpc

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LARGEST: Final = 65_536


class Rejected(Exception):
    """The answer to a call that is not a success."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Version:
    """One version: its bytes, and whether it may be read."""

    data: bytes = field(repr=False)
    enabled: bool = True


class SecretStore:
    """Every secret's versions, the first numbered 1. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, list[Version]] = {}

    def create(self, name: str) -> None:
        """A secret without a version. ALREADY_EXISTS for a repeat."""
        if _NAME.fullmatch(name) is None:
            raise Rejected(grpc.StatusCode.INVALID_ARGUMENT, "The secret id is not valid.")
        with self._lock:
            if name in self._secrets:
                raise Rejected(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
            self._secrets[name] = []

    def add(self, name: str, data: bytes) -> int:
        """A new version, which is the latest from now on; makes the secret when it is missing. Gives its number."""
        with self._lock:
            return self._add(self._secrets.setdefault(name, []), data)

    def add_to_existing(self, name: str, data: bytes) -> int:
        """The same for a secret that must exist."""
        if len(data) > _LARGEST:
            raise Rejected(grpc.StatusCode.INVALID_ARGUMENT, "Secret payload is too large.")
        with self._lock:
            return self._add(self._versions(name), data)

    def access(self, name: str, version: str) -> tuple[int, bytes]:
        """The number and the bytes of a version, or of the latest."""
        with self._lock:
            versions = self._versions(name)
            number = len(versions) if version == "latest" else int(version) if version.isdecimal() else 0
            if not 1 <= number <= len(versions):
                raise Rejected(grpc.StatusCode.NOT_FOUND, f"Secret Version [{name}/{version}] not found.")
            found = versions[number - 1]
            if not found.enabled:
                raise Rejected(grpc.StatusCode.FAILED_PRECONDITION, f"Secret Version [{number}] is in DISABLED state.")
            return number, found.data

    def set_enabled(self, name: str, version: str, enabled: bool) -> int:
        """Enable or disable a version by its number."""
        with self._lock:
            versions = self._versions(name)
            if not version.isdecimal() or not 1 <= int(version) <= len(versions):
                raise Rejected(grpc.StatusCode.NOT_FOUND, f"Secret Version [{name}/{version}] not found.")
            versions[int(version) - 1].enabled = enabled
            return int(version)

    def _versions(self, name: str) -> list[Version]:
        if name not in self._secrets:
            raise Rejected(grpc.StatusCode.NOT_FOUND, f"Secret [{name}] not found or has no versions.")
        return self._secrets[name]

    @staticmethod
    def _add(versions: list[Version], data: bytes) -> int:
        versions.append(Version(data))
        return len(versions)
