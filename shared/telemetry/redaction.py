"""Two nets that keep secrets out of the log: by the name of a field and by the value itself.

A secret is a type that prints as stars (`SecretStr`); these nets catch what slips past it, above all the text of a
foreign exception (an HTTP client's error repeats the URL, and an RPC URL holds the provider's key).
"""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import SecretBytes, SecretStr
from structlog.typing import EventDict

STARS = "***"

# Whole names or endings; `token_kind` or `batch_key` stay readable.
_SECRET_FIELD = re.compile(
    r"(^|_)(secrets?|passwords?|private_key|api_key|signing_key|hmac_key|tokens?|authorization|x_signature|rpc_urls?"
    r"|mnemonic|cookie|raw_transaction|raw_bytes)$",
    re.IGNORECASE,
)
_IDENTITY_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+")

# Shorter values would turn ordinary words of a log line into stars.
_SHORTEST_CONCEALED = 8

_concealed: set[str] = set()


def conceal(values: Iterable[str]) -> None:
    """Never print these values in this process, wherever they turn up. A repeat changes nothing."""
    _concealed.update(value for value in values if len(value) >= _SHORTEST_CONCEALED)


def forget_concealed() -> None:
    """Start with an empty list of concealed values (for tests, which share one process)."""
    _concealed.clear()


def without_secrets(text: str) -> str:
    """The text with every concealed value and every identity token replaced by stars."""
    for value in sorted(_concealed, key=len, reverse=True):
        text = text.replace(value, STARS)
    return _IDENTITY_TOKEN.sub(STARS, text)


def drop_secret_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """structlog step: known secret names and secret types become stars, also inside mappings and lists."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes) or (_SECRET_FIELD.search(key) and value is not None):
        return STARS
    if isinstance(value, dict):
        return {inner: _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item) for item in value]
    return value
