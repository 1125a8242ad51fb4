"""What a route is, what its handler is given and what it gives back. No Flask here: handlers are plain functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.messages import Edge, Opened, V1Door

Json = Mapping[str, Any]
BodyKind = Literal["token", "json", "ignored"]


@dataclass(frozen=True)
class Incoming:
    """One accepted call: its caller is proven, its body is read.

    `now` is the task's only clock reading. `task_name` is set when Cloud Tasks delivers (identity and header).
    `opened` is set for body "token"; `body` for "json", with every number as a `JsonNumber` holding the exact text.
    """

    now: datetime
    caller: str
    trace: str
    reference: str
    task_name: str | None = None
    opened: Opened | None = None
    body: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the caller is told. A success may only be answered after the effect, or the durable intent, is committed."""

    status: int
    body: Json


@dataclass(frozen=True)
class RefusedMessage:
    """A task's message that can never succeed: to be committed, because the queue is told 200 and forgets it."""

    service: str
    route: str
    caller: str
    task_name: str
    code: str
    message: str
    reference: str
    at: datetime
    field: str | None = None
    rule: str | None = None
    trace: str = ""
    opened: Opened | None = None


@dataclass(frozen=True)
class RouteDoc:
    """What the OpenAPI document says of a route. Schemas: a pydantic model class or a JSON schema."""

    summary: str
    request: type[Any] | Json | None = None
    response: type[Any] | Json | None = None
    errors: Sequence[str] = ()


@dataclass(frozen=True)
class Route:
    """One POST route: who may call it, what its body is, who handles it.

    `callers` are the e-mails whose proven identity is accepted; `edges` the only edges whose tokens this route opens.
    `callers_of_edge`: where several producers share the route, who may bring which edge's tokens.
    `signature_key`: also accept `X-Signature` made with this secret (for webhooks that cannot mint an identity); two of
    them while it is rotated.
    `v1`: where the predecessor's tokens are opened, or refused by their name; elsewhere they are an unknown format.
    """

    path: str
    handle: Callable[[Incoming], Answer]
    callers: Sequence[str]
    edges: Sequence[Edge] = ()
    callers_of_edge: Mapping[Edge, Sequence[str]] = field(default_factory=dict)
    body: BodyKind = "token"
    signature_key: str | tuple[str, ...] | None = field(default=None, repr=False)
    v1: V1Door | None = None
    doc: RouteDoc | None = None

    def __post_init__(self) -> None:
        if (self.body == "token") != bool(self.edges):
            raise ValueError(f"route {self.path}: a token route names its edges, and no other route does")
        if not self.callers and self.signature_key is None:
            raise ValueError(f"route {self.path}: nobody may call it")


RefuseMessage = Callable[[RefusedMessage], None]
