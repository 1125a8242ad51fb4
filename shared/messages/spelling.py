"""A token's bytes as text: base64url without padding, one spelling for each token, and no longer than is sensible."""

import base64
import binascii
import re
from typing import Final

from shared.messages.errors import TokenMalformed

MAX_TOKEN_LENGTH: Final = 4096
_ALPHABET: Final = re.compile("[0-9A-Za-z_-]+")


def to_text(token: bytes) -> str:
    """The one spelling of these bytes."""
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def to_bytes(text: str, least: int) -> bytes:
    """The token's bytes; only the spelling that `to_text` gives is taken. TokenMalformed, also under `least` bytes."""
    if not isinstance(text, str) or not text:
        raise TokenMalformed("a token is needed", field="token", rule="must be text")
    if len(text) > MAX_TOKEN_LENGTH:
        raise TokenMalformed(
            "this token is too long", field="token", rule=f"must not be longer than {MAX_TOKEN_LENGTH} characters"
        )
    not_spelled = TokenMalformed("this token is not base64url", field="token", rule="must be base64url without padding")
    if _ALPHABET.fullmatch(text) is None:
        raise not_spelled
    try:
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise not_spelled from error
    if to_text(token) != text:
        raise not_spelled
    if len(token) < least:
        raise TokenMalformed("this token is cut short", field="token", rule="must hold an envelope and a body")
    return token
