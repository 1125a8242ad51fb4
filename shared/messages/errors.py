"""What can be wrong with a message or a token: four answers for a token, because four different people act."""

from datetime import datetime
from typing import ClassVar

from shared.lifecycle.reactions import Broken, Refused


class MessageInvalid(Broken):  # our own code or our own outbox row is wrong: never the caller
    """A message of ours breaks a field rule; `field` and `rule` say which. Nothing is sent."""

    code: ClassVar[str] = "message_invalid"

    def __init__(self, message_type: str, field: str, rule: str) -> None:
        super().__init__(f"{message_type}: {field} {rule}")
        self.message_type = message_type
        self.field = field
        self.rule = rule


class KeyringError(Broken, ValueError):
    """The secrets cannot be used as given; the text names the rule and never the secret."""

    code: ClassVar[str] = "keyring_unusable"


class TokenMalformed(Refused):
    """Not a token, or a genuine one whose body breaks a rule (`field`, `rule`): the producer's code is wrong."""

    code: ClassVar[str] = "token_malformed"
    http_status: ClassVar[int] = 400


class TokenForeign(Refused):
    """Not sealed by a producer of this route with a key we know: another edge's, another fleet's, or changed."""

    code: ClassVar[str] = "token_foreign"
    http_status: ClassVar[int] = 401


class TokenKeyUnknown(TokenForeign):
    """Of a kind that this route takes, under a key that is none of ours on any edge: foreign, or newer than our keys.

    `issued_at` is what the token claims; nothing of it is proven.
    """

    def __init__(self, message: str, issued_at: datetime) -> None:
        super().__init__(message, field="token")
        self.issued_at = issued_at


class TokenExpired(Refused):
    """Genuine, but issued too long ago or too far ahead: a delayed queue or a wrong clock. Replay would be harmless."""

    code: ClassVar[str] = "token_expired"
    http_status: ClassVar[int] = 401


class TokenVersionUnsupported(Refused):
    """A token format this build does not read: the producer is newer or older than we are."""

    code: ClassVar[str] = "token_version_unsupported"
    http_status: ClassVar[int] = 400
