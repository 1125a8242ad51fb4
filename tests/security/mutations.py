"""Spoilt input, drawn from a seed: the same seed spoils the same way, so a failure is found again by its number."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Final

from shared.messages import MESSAGE_TYPES, Edge, Keyring
from tests.about_nobody import as_bytes, as_text
from tests.security.tokens import body_of, forged, sealed

JSON_TEXTS: Final = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "0", "0.0", "00", "+5", ".5", "5.", "1E2"),
    *("1" * 30, "1" * 5_000, "0." + "0" * 5_000 + "1", "1e999999999", "1e-999999999", "9" * 19, "-1", "0.0000001"),
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
        '""',
        '" "',
        '"\\u0000"',
        '"\\ud800"',
        '"\\udfff\\ud800"',
    ),
    *('"50"', '" 50"', '"50 "', '"5 0"', '"+50"', '"0x32"', '"1_000"', '"1,000"', '"５０"', '"٣"', '"50\\n"', '"5e1"'),
    *(
        '"NaN"',
        '"inf"',
        '"1e400"',
        '"-50"',
        '"\'; DROP TABLE history; --"',
        '"${jndi:ldap://x}"',
        '"%s%n"',
        '"../../x"',
    ),
    *('"<script>"', '"\\u202e05"', '"\\ud83d\\ude00"', '"' + "x" * 5_000 + '"', '"\\u0000\\u0000"', '"{0.__class__}"'),
    *("[" * 15 + "]" * 15, "[" * 40 + "]" * 40, '{"a":' * 20 + "1" + "}" * 20, '"0x' + "0" * 40 + '"'),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "1.7976931348623159e308",
    ),
    *('"2026-11-20"', '"2026-13-45T99:99:99"', '"0000-00-00"', '"9999-12-31T23:59:59.999999+23:59"', "1763669645"),
)
"""Values as they stand in a JSON body, right and wrong."""

HEADER_VALUES: Final = (
    *("", " ", "x", "\xff\xfe", "é" * 50, "0", "-1", "1" * 400, "\t", '"', "%00", "a,b", "a;b=c", "../..", "None"),
    *("application/json; charset=utf-16", "multipart/form-data; boundary=x", "text/plain", "application/xml"),
    *("gzip", "deflate", "br", "identity", "chunked", "gzip, chunked", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"),
)
HEADERS: Final = (
    *("Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "traceparent", "X-CloudTasks-TaskName", "Host"),
    *("X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override", "Expect", "Range", "If-None-Match", "Origin"),
    *("X-Signature", "X-Request-Timestamp", "X-CloudTasks-TaskRetryCount", "Cookie", "Referer", "User-Agent"),
)


# --- tokens -----------------------------------------------------------------------------------------------------------


def a_token(dice: random.Random, edge: Edge, keys: Keyring) -> object:
    """A spoilt token for this edge: changed on its way, misspelt, or sealed with the right key by wrong code."""
    return dice.choice(_TOKENS)(dice, edge, keys)


def _changed_bytes(dice: random.Random, edge: Edge, keys: Keyring) -> str:
    raw = bytearray(as_bytes(sealed(edge, keys, dice.choice(edge.messages))))
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return as_text(bytes(raw))


def _cut_or_longer(dice: random.Random, edge: Edge, keys: Keyring) -> str:
    raw = as_bytes(sealed(edge, keys))
    cut = raw[: dice.randrange(len(raw))]
    return as_text(dice.choice((cut, raw + dice.randbytes(dice.choice((1, 16, 2_000))), cut + raw, raw[1:], raw + raw)))


def _spliced(dice: random.Random, edge: Edge, keys: Keyring) -> str:
    one, other = (as_bytes(sealed(edge, keys, dice.choice(edge.messages))) for _ in range(2))
    at = dice.randrange(len(one))
    return as_text(one[:at] + other[at:])


def _misspelt(dice: random.Random, edge: Edge, keys: Keyring) -> str:
    token = sealed(edge, keys)
    at = dice.randrange(len(token))
    letter = dice.choice("=+/ \n\0\t.%é\u0130\uff21\U0001f600-_A")
    last = token[:-1] + dice.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    return dice.choice(
        (
            token[:at] + letter + token[at + 1 :],
            token[:at] + letter + token[at:],
            last,
            token + "=" * dice.randrange(1, 5),
            base64.b64encode(as_bytes(token)).decode(),
            token.swapcase(),
            token * dice.choice((2, 30, 200)),
            "".join(reversed(token)),
        )
    )


def _wrong_type(dice: random.Random, edge: Edge, keys: Keyring) -> object:
    return dice.choice((None, True, 0, 1.5, -1, [], {}, [sealed(edge, keys)], {"token": sealed(edge, keys)}, "", " "))


def _sealed_by_wrong_code(dice: random.Random, edge: Edge, keys: Keyring) -> str:
    """A good mac around a body that lies about its lengths, or is noise."""
    kind = dice.choice(edge.messages)
    body = bytearray(body_of(kind))
    match dice.randrange(7):
        case 0:
            body[dice.randrange(len(body))] = dice.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF))
        case 1:
            body[0:2] = dice.choice((b"\xff\xff", b"\x00\x00", b"\x00\x01", b"\x7f\xff"))
        case 2:
            body = bytearray(dice.randbytes(dice.choice((0, 1, 2, 33, 300, 2_900))))
        case 3:
            body += dice.choice((b"\0", bytes(64), b"\x20" + b"\xff" * 32, b"\xff" + b"\xff" * 255))
        case 4:
            del body[dice.randrange(len(body)) :]
        case 5:
            at = dice.randrange(len(body))
            body[at:at] = dice.choice((b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\0", b"\xe2\x80\xae"))
        case _:
            body = bytearray(body_of(dice.choice(list(MESSAGE_TYPES.values()))))
    issued_at_s = dice.choice((None, None, None, 0, 1, 2**63 - 1, 2**63, 2**64 - 1))
    version = dice.choice((1, 1, 1, 0, 2, 255))
    return forged(
        edge, keys, message_type=kind.TYPE, body=bytes(body[:3_000]), version=version, issued_at_s=issued_at_s
    )


_TOKENS: Final[tuple[Callable[[random.Random, Edge, Keyring], object], ...]] = (
    *(_changed_bytes, _cut_or_longer, _spliced, _misspelt, _wrong_type),
    *(_sealed_by_wrong_code, _sealed_by_wrong_code, _sealed_by_wrong_code),
)

DOUBLES: Final = (
    *(b"\x7f\xf0" + bytes(6), b"\xff\xf0" + bytes(6), b"\x7f\xf8" + bytes(6), bytes(8), b"\x80" + bytes(7)),
    *(bytes(7) + b"\x01", b"\x7f\xef" + b"\xff" * 6, b"\xff" * 8, b"\x00\x0f" + b"\xff" * 6, b"\x00\x10" + bytes(6)),
)
"""Infinities, not a number, both zeros, the smallest and the largest double, and the border of the small ones."""


def a_token_of_the_predecessor(dice: random.Random, secret: bytes, now_s: int) -> bytes:
    """The predecessor's layout, sealed with this secret, with a lie or two in it; now and then a true one."""
    texts = [b"1a2b3c4d5e6f70", b"eth", b"eth"]
    unique_id, address = b"fuzz-of-upstream".ljust(16, b"\0"), b"0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
    amount, issued_at_s = struct.pack(">d", 0.04), now_s
    lengths = [len(text) for text in (*texts, address)]
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        match dice.randrange(7):
            case 0:
                amount = dice.choice((*DOUBLES, dice.randbytes(8)))
            case 1:
                lengths[dice.randrange(4)] = dice.choice((0, 1, 13, 41, 43, 200, 255))
            case 2:
                texts[dice.randrange(3)] = dice.choice(
                    (b"", b"\xff\xfe", b"\0\0", b"ETH", b"e" * 200, b"\xed\xa0\x80", b"../x")
                )
                lengths[:3] = [len(text) for text in texts]
            case 3:
                unique_id = dice.choice(
                    (bytes(16), b"batch_1111111111", dice.randbytes(16), b"\xc3" * 16, b"a\0b".ljust(16, b"\0"))
                )
            case 4:
                address = dice.choice((b"", b"0x", dice.randbytes(42), address[:-1], address + b"0", b"\0" * 42))
                lengths[3] = len(address)
            case 5:
                issued_at_s = dice.choice((0, 1, now_s - 200_000, now_s + 60, 2**32 - 1))
            case _:
                amount += dice.choice((b"", bytes(8), dice.randbytes(7)))
    parts = [bytes([length]) + text for length, text in zip(lengths[:3], texts, strict=True)]
    signed = unique_id + b"".join(parts) + amount + bytes([lengths[3]]) + address + struct.pack(">I", issued_at_s)
    mac = hmac.digest(secret, signed, "sha256")[:16]
    match dice.randrange(10):
        case 0:
            return signed + dice.randbytes(16)
        case 1:
            return (signed + mac)[: dice.randrange(1, len(signed) + 16)]
        case 2:
            return signed + mac + dice.randbytes(dice.choice((1, 16)))
    return signed + mac


# --- bodies -----------------------------------------------------------------------------------------------------------


def a_body(dice: random.Random, fields: dict[str, str]) -> bytes:
    """A JSON body made of these fields (texts of JSON), spoilt once or more; now and then it is left whole."""
    fields = dict(fields)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        name = dice.choice(list(fields))
        match dice.randrange(8):
            case 0:
                fields.pop(name)
                fields = fields or {"nothing": "1"}
            case 1:
                fields[dice.choice(("__proto__", "a" * 300, "é", "", "user_id ", "constructor"))] = dice.choice(
                    JSON_TEXTS
                )
            case _:
                fields[name] = dice.choice(JSON_TEXTS)
    members = [f"{json.dumps(name)}: {text}" for name, text in fields.items()]
    if dice.random() < 0.15:
        again = dice.choice(members)
        members.append(dice.choice((again, r'"\ud800": 1', r'"\ud800": 1, "\ud800": 2', r'"\u0000": 1, "\u0000": 2')))
    if dice.random() < 0.08:
        members.append(
            dice.choice((r'"\ud800": NaN', r'"\u0000": Infinity', '"x": [NaN]', '"x": {"\\udfff": [1e400]}'))
        )
    raw = ("{" + ", ".join(members) + "}").encode("utf-8", "surrogatepass")
    return _spoilt_bytes(dice, raw) if dice.random() < 0.25 else raw


def _spoilt_bytes(dice: random.Random, raw: bytes) -> bytes:
    at = dice.randrange(len(raw))
    return dice.choice(
        (
            raw[:at],
            raw[:at] + dice.randbytes(1) + raw[at + 1 :],
            raw[:at] + dice.randbytes(3) + raw[at:],
            raw + raw,
            b"\xef\xbb\xbf" + raw,
            raw.decode("utf-8", "replace").encode("utf-16"),
            gzip.compress(raw),
            zlib.compress(raw),
            b"[" + raw + b"]",
            b"",
            b"\0" * 50,
            b"[" * 30_000,
            b'{"a":' * 8_000,
            b'"' + b"\\" * 20_001,
            raw.replace(b":", b"=", 1),
            raw.replace(b'"', b"'"),
        )
    )


def some_headers(dice: random.Random) -> dict[str, str]:
    """A few headers that mean nothing to us, or something else than they should."""
    return {dice.choice(HEADERS): dice.choice(HEADER_VALUES) for _ in range(dice.choice((0, 0, 1, 2, 4)))}


# --- identities -------------------------------------------------------------------------------------------------------

CLAIMS: Final[tuple[object, ...]] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**30, float("inf"), float("nan"), "", "x", "true", [], {}, [[]], [None]),
    *([1], ["x"], {"a": 1}, "\ud800", "\0", "9" * 400, "é@x", 2**63, -(2**70), 1e300),
)


def some_claims(dice: random.Random) -> dict[str, object]:
    """Claims of any type, as an issuer would never sign them."""
    names = ("iss", "aud", "exp", "iat", "nbf", "email", "email_verified", "sub", "azp", "jti")
    return {dice.choice(names): dice.choice(CLAIMS) for _ in range(dice.choice((1, 1, 2, 4)))}
