"""Secrets that are recognised wherever they turn up, and the search for them in everything that the fleet leaves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from shared.chain import LocalSigner

WALLET_KEY: Final = "0x" + "c0ffee5ec0de0000feedfacecafef00d" + "d15ea5edbadc0de0ab1e5eedca11ab1e"

CANARIES: Final[dict[str, str]] = {
    "SUCCESS_URL_SIGNING_KEY": "canary/internal+signing=key-7f3a9b",
    "SUCCESS_URL_SIGNING_KEY_PREVIOUS": "canary-internal-before-2d81c4",
    "TPS_HOSTPAY_SIGNING_KEY": 'canary-upstream\\seal"key-99ae01',
    "TPS_HOSTPAY_SIGNING_KEY_PREVIOUS": "canary-upstream-before-5b6c7d",
    "UPSTREAM_SIGNING_KEY": "canary-webhook-signing-key-4e5f60",
    "CHANGENOW_API_KEY": "canary-exchange-api-key-1a2b3c4d5e",
    "CHANGENOW_API_KEY_PREVIOUS": "canary-exchange-before-6f7a8b9c",
    "DATABASE_PASSWORD_SECRET": "canary pass\"word\\with'marks-3e2d1c",
    "HOST_WALLET_PRIVATE_KEY": WALLET_KEY,
}
"""By setting. Some hold what JSON, URLs or a shell would escape: a net that knows the plain text only has holes."""

RPC_PATH, RPC_QUERY, RPC_USER, HOOK = (
    "canary-rpc-path-key-aa11bb22",
    "canary-rpc-query-key-cc33dd44",
    "canary-rpc-user-ee55ff66",
    "T00CANARY/B00CANARY/canaryhook99887766",
)
WALLET: Final = LocalSigner(WALLET_KEY).address


@dataclass(frozen=True)
class Found:
    """A secret that was told: which, in which spelling, where, and the text around it."""

    secret: str
    spelling: str
    place: str
    around: str


def settings_of(outside: str) -> dict[str, str]:
    """The canaries as settings of the services, with the outside's address."""
    one = f"{outside}/v2/{RPC_PATH}"
    two = f"{outside.replace('://', f'://{RPC_USER}:x@')}/rpc?apikey={RPC_QUERY}"
    return CANARIES | {
        "ETHEREUM_RPC_URLS": f"{one},{two}",
        "ALERT_WEBHOOK_URL": f"{outside}/services/{HOOK}",
        "HOST_WALLET_ETH_ADDRESS": WALLET,
        "HOST_WALLET_USDT_ADDRESS": WALLET,
    }


ALL: Final = CANARIES | {"RPC_PATH": RPC_PATH, "RPC_QUERY": RPC_QUERY, "RPC_USER": RPC_USER, "HOOK": HOOK}


def spellings(secret: str) -> dict[str, str]:
    """Every way in which a secret may be written down by somebody who did not mean to."""
    plain = secret.removeprefix("0x")
    raw = plain.encode()
    found = {
        "plain": plain,
        "as JSON": json.dumps(plain)[1:-1],
        "as JSON in JSON": json.dumps(json.dumps(plain))[3:-3],
        "as a literal": repr(plain)[1:-1],
        "in a URL": quote(plain, safe=""),
        "in a query": quote_plus(plain),
        "hex": raw.hex(),
    }
    found |= {f"base64 from byte {at}": text for at, text in _base64(raw)}
    if secret != plain:  # a number: its bytes, and its decimal digits
        found |= {f"bytes in base64 from byte {at}": text for at, text in _base64(bytes.fromhex(plain))}
        found["decimal"] = str(int(plain, 16))
    return found


def search(texts: Iterable[tuple[str, str]], secrets: Mapping[str, str] = ALL) -> Iterator[Found]:
    """Every canary in the texts, which come with the name of their place. Letters of either case count."""
    known = [(name, way, text.lower()) for name, secret in secrets.items() for way, text in spellings(secret).items()]
    for place, text in texts:
        lower = text.lower()
        for name, way, spelled in known:
            at = lower.find(spelled)
            if at >= 0:
                yield Found(name, way, place, text[max(0, at - 120) : at + 120])


def _base64(raw: bytes) -> Iterator[tuple[int, str]]:
    """Wherever in a longer text the secret begins, one of three spellings is in its base64."""
    for at in range(3):
        text = base64.b64encode(bytes(at) + raw).decode()
        yield at, text[4 if at else 0 : len(text) // 4 * 4 - 4]
        if "+" in text or "/" in text:
            yield at + 3, text.replace("+", "-").replace("/", "_")[4 if at else 0 : len(text) // 4 * 4 - 4]
