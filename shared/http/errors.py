"""What this room refuses by itself, before any handler runs, and the words in which a caller is told."""

from typing import ClassVar

from shared.lifecycle.reactions import Broken, Reaction, Refused, TryLater, Unknown

# The caller of a failed call learns the kind of failure; the sentence with its details is in the log.
_TOLD_TO_CALLER: tuple[tuple[type[Reaction], str], ...] = (
    (TryLater, "Nothing was done; the same call may be repeated."),
    (Unknown, "It is not known whether this was done; the same call may be repeated, it will not be done twice."),
    (Broken, "Something that must never be is so; a person has been told."),
)
UNEXPECTED_CODE = "internal_error"
UNEXPECTED_SENTENCE = "The call failed for a reason that is ours; the reference finds it in the log."


def sentence_for_caller(error: Reaction) -> str:
    """A refusal in its own words; for everything else a fixed sentence, so that no inner detail leaves the service."""
    if isinstance(error, Refused):
        return as_sentence(error.message)
    for kind, sentence in _TOLD_TO_CALLER:
        if isinstance(error, kind):
            return sentence
    return UNEXPECTED_SENTENCE


def as_sentence(text: str) -> str:
    """The text with a capital and a full stop; rooms write their errors as parts of a line or as sentences.

    A text that begins with the name of a field keeps it as the caller wrote it: payment_amount_usd has no capital.
    """
    begins_with_a_name = "_" in text.partition(" ")[0]
    start = text[:1] if begins_with_a_name else text[:1].upper()
    return start + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


class BodyRefused(Refused):
    """The body is not what the route reads."""

    code: ClassVar[str] = "body_refused"


class LengthMissing(BodyRefused):
    """A body without a Content-Length cannot be bounded before it is read."""

    code: ClassVar[str] = "length_required"
    http_status: ClassVar[int] = 411


class BodyTooLarge(BodyRefused):
    """The announced length is over the limit; nothing of the body was read."""

    code: ClassVar[str] = "body_too_large"
    http_status: ClassVar[int] = 413


class BodyIncomplete(TryLater):
    """The body ended, or stood still, before its announced length; sent again it may well be whole."""

    code: ClassVar[str] = "body_incomplete"
    http_status: ClassVar[int] = 408


class JsonMalformed(BodyRefused):
    """The body is not one JSON object in UTF-8."""

    code: ClassVar[str] = "json_malformed"


class KeyNotKnownYet(TryLater):
    """The token's key is not among ours: a rotation is under way, or it is nobody's. The queue repeats it."""

    code: ClassVar[str] = "token_key_unknown"


class TokenMissing(BodyRefused):
    """The object has no text field `token`."""

    code: ClassVar[str] = "token_missing"


class IdentityUnproven(Refused):
    """Nothing, or nothing valid, proves who calls. Answered 401 and stored nowhere."""

    code: ClassVar[str] = "identity_unproven"
    http_status: ClassVar[int] = 401


class CallerNotAllowed(Refused):
    """The caller is proven and is not on this route's list."""

    code: ClassVar[str] = "caller_not_allowed"
    http_status: ClassVar[int] = 403


class IdentityUncheckable(TryLater):
    """The issuer's keys cannot be read now, so no identity can be checked."""

    code: ClassVar[str] = "identity_uncheckable"
    runbook: ClassVar[str | None] = None


class RefusalNotStored(TryLater):
    """The refusal could not be committed; the queue must deliver the message again."""

    code: ClassVar[str] = "refusal_not_stored"
