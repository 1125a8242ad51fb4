"""From a message to what a task carries: sealed for its edge, addressed as the edge names."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic_settings import BaseSettings

from shared.messages import Edge, Keyring, Message, seal
from shared.queue.renewal import versions_in


@dataclass(frozen=True)
class Destination:
    """Where an edge's tasks go: the queue's short name and the consumer's URL, which is also its audience."""

    queue: str
    base_url: str


@dataclass(frozen=True)
class Parcel:
    """A sealed message with its address, ready for `TaskSender.create`."""

    queue: str
    url: str
    audience: str
    body: bytes


class Sealer:
    """Seals messages for the edges this service sends on."""

    def __init__(self, keyring: Keyring, destinations: Mapping[Edge, Destination]) -> None:
        self._keyring = keyring
        self._destinations = dict(destinations)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges this service sends on."""
        return tuple(self._destinations)

    def parcel(self, edge: Edge, message: Message, message_id: bytes, issued_at: datetime) -> Parcel:
        """Seal `message`; `issued_at` is the time its task will run. KeyError for an edge that is not ours."""
        destination = self._destinations[edge]
        token = seal(edge, message, self._keyring, message_id, issued_at)
        return Parcel(
            queue=destination.queue,
            url=destination.base_url + edge.route,
            audience=destination.base_url,
            body=json.dumps({"token": token}).encode(),
        )


def destinations_from(settings: BaseSettings, edges: Iterable[Edge]) -> dict[Edge, Destination]:
    """The targets of `edges`, read from the settings that each edge names. AttributeError when a mixin is missing."""
    return {
        edge: Destination(
            queue=getattr(settings, edge.queue_setting.lower()), base_url=getattr(settings, edge.url_setting.lower())
        )
        for edge in edges
    }


def keyring_from(settings: BaseSettings) -> Keyring:
    """The keyring of a service: the internal secret, and the upstream one where the service has it."""
    return Keyring(
        internal=versions_in(settings, "success_url_signing_key"),
        external=versions_in(settings, "tps_hostpay_signing_key"),
    )
