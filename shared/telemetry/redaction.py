"""Two nets that keep secrets out of the log: by the name of a field and by the value itself.

A secret is a type that prints as stars (`SecretStr`); these nets catch what slips past it, above all the text of a
foreign exception (an HTTP client's error repeats the URL, and an RPC URL holds the provider's key).
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

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
_SHORTEST_SEGMENT = 12  # of a URL's path: "v2" and "services" are no keys

_concealed: set[str] = set()
_pattern: re.Pattern[str] | None = None


def conceal(values: Iterable[str]) -> None:
    """Never print these values in this process, wherever they turn up and however they are escaped there.

    Of a URL also its parts, because an error shows only some of it. A repeat changes nothing.
    """
    global _pattern
    for value in values:
        for part in (value, *_parts_of_url(value)):
            _concealed.update(spelling for spelling in _spellings(part) if len(part) >= _SHORTEST_CONCEALED)
    # The longest first: a URL is one row of stars, not what is left around its path.
    longest_first = sorted(_concealed, key=lambda spelling: (-len(spelling), spelling))
    _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def forget_concealed() -> None:
    """Start with an empty list of concealed values (for tests, which share one process)."""
    global _pattern
    _concealed.clear()
    _pattern = None


def without_secrets(text: str) -> str:
    """The text with every concealed value and every identity token replaced by stars."""
    if _pattern is not None:
        text = _pattern.sub(STARS, text)
    return _IDENTITY_TOKEN.sub(STARS, text)


def _spellings(value: str) -> set[str]:
    """As it is; as an exception shows it; as it stands in a URL; and each of these in the JSON of a log line."""
    plain = {value, repr(value)[1:-1], quote(value), quote(value, safe=""), quote_plus(value)}
    in_json = {json.dumps(one, ensure_ascii=False)[1:-1] for one in plain}
    return plain | in_json | {json.dumps(one, ensure_ascii=False)[1:-1] for one in in_json}


def _parts_of_url(value: str) -> set[str]:
    try:
        parts = urlsplit(value)
    except ValueError:
        return set()
    if not parts.scheme or not parts.netloc:
        return set()
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    found = {parts.path.lstrip("/"), parts.query, user, password}
    found |= {segment for segment in parts.path.split("/") if len(segment) >= _SHORTEST_SEGMENT}
    found |= {value for _, value in parse_qsl(parts.query)}
    if user:
        found.add(b64encode(f"{user}:{password}".encode()).decode())
    return found


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
