"""An intake on a real database with its role's rights: posts webhook bodies as an upstream does, looks at the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask import Flask

from GCAccumulator.accept_payment import IntakeTerms
from GCAccumulator.routes import routes_of
from shared.db import Database, refusal_recorder
from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.lifecycle import Limits
from shared.money import Percent, Usd
from shared.sandbox.chain.accounts import HOST_WALLET
from tests.unit.http_world import AUDIENCE, ISSUER, KnownKeys, bearer, issuer_key, settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UPSTREAM = "upstream@project.example"
SIGNING_KEY = "the secret that the webhook signs with"
OLDER_SIGNING_KEY = "the secret that the webhook signed with before"
OUR_WALLET = HOST_WALLET.address
USDT_CONTRACT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"

# As an upstream sends them: the numbers are JSON numbers or texts, as it pleases.
FIFTY = (
    '{"user_id": 5550001112, "client_id": -1001234567890, "wallet_address": '
    '"0x2915767890A6FbF031DCe70E1b80D987Dc3a2922", "payout_currency": "usdt", "payout_network": "eth", '
    '"payment_amount_usd": "50", "subscription_id": 17, "payment_timestamp": "2026-11-20T20:14:05.123456", '
    '"nowpayments_payment_id": 4479119533, "nowpayments_pay_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886", '
    '"nowpayments_outcome_amount": 0.02}'
)
THIRTY = (
    '{"user_id": 5550001113, "client_id": -1001234567891, "wallet_address": '
    '"0x57f31ad4b64095347F87eDB1675566DAfF5EC886", "payout_currency": "shib", "payout_network": "eth", '
    '"payment_amount_usd": 30, "subscription_id": 18, "payment_timestamp": "2026-11-20T20:15:41.000001", '
    '"nowpayments_payment_id": "4479119534", "nowpayments_pay_address": '
    '"0x57f31ad4b64095347F87eDB1675566DAfF5EC886", "nowpayments_outcome_amount": "0.012"}'
)
TWENTY = (
    '{"user_id": 5550001114, "client_id": -1001234567890, "wallet_address": '
    '"0x2915767890A6FbF031DCe70E1b80D987Dc3a2922", "payout_currency": "usdt", "payout_network": "eth", '
    '"payment_amount_usd": 20.00, "subscription_id": 0, "payment_timestamp": "2026-11-20T20:16:02.500000", '
    '"nowpayments_payment_id": 4479119535, "nowpayments_pay_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886", '
    '"nowpayments_outcome_amount": 8e-3}'
)
# The older shape: the gateway's fields are not there.
WITHOUT_GATEWAY = (
    '{"user_id": 5550001115, "client_id": -1001234567890, "wallet_address": '
    '"0x2915767890A6FbF031DCe70E1b80D987Dc3a2922", "payout_currency": "USDT", "payout_network": "ETH", '
    '"payment_amount_usd": "10.50", "subscription_id": 19, "payment_timestamp": "2026-11-20T20:17:00.000007"}'
)
TABLES = ("payout_accumulation", "history", "posting", "book_entry", "alert", "refused_message", "outbox")


@dataclass
class Answered:
    """What the caller got."""

    status: int
    body: Any


@dataclass
class IntakeWorld:
    """The intake's application, and the owner's view of its database."""

    owner: Database
    app: Flask

    @classmethod
    def of(cls, owner: Database, role: Database, *, fee: str = "0", max_usd: str = "1000") -> IntakeWorld:
        terms = IntakeTerms(
            fee_rate=Percent.parse(fee),
            outcome_currency="eth",
            max_payment=Usd.parse(max_usd),
            no_clients=frozenset((OUR_WALLET, USDT_CONTRACT)),
            limits=Limits(),
        )
        app = create_service(
            settings(),
            "intake",
            routes_of(role, terms, [UPSTREAM], (SIGNING_KEY, OLDER_SIGNING_KEY)),
            [],
            refusal_recorder(role),
            clock=lambda: NOW,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )
        return cls(owner, app)

    def post(self, body: str | bytes, headers: Mapping[str, str] | None = None) -> Answered:
        """One delivery by the upstream; `headers` instead of its identity."""
        sent = _identity() if headers is None else dict(headers)
        response = self.app.test_client().post("/", data=body, headers=sent)
        return Answered(response.status_code, response.get_json())

    def post_as_task(self, body: str, task: str = "outbox-1") -> Answered:
        """The same through a queue."""
        return self.post(body, _identity() | {"X-CloudTasks-TaskName": task})

    def rows(self, sql: str, **params: object) -> list[Any]:
        with self.owner.read() as conn:
            return list(conn.all(sql, **params))

    def only(self, sql: str, **params: object) -> Any:
        (row,) = self.rows(sql, **params)
        return row

    def write(self, sql: str, **params: object) -> None:
        with self.owner.transaction() as conn:
            conn.run(sql, **params)

    def counts(self) -> dict[str, int]:
        """How many rows each table has, those without any left out."""
        counted = {table: self.only(f"select count(*) as n from {table}")["n"] for table in TABLES}
        return {table: n for table, n in counted.items() if n}


@cache
def _identity() -> dict[str, str]:
    return bearer(UPSTREAM)


def changed(body: str, **fields: Any) -> str:
    """The body with other fields; `...` takes a field out. Values are JSON texts as they stand."""
    parsed = json.loads(body, parse_float=Raw, parse_int=Raw)
    for name, value in fields.items():
        if value is ...:
            parsed.pop(name, None)
        else:
            parsed[name] = value
    inside = ", ".join(f"{json.dumps(name)}: {_json(value)}" for name, value in parsed.items())
    return "{" + inside + "}"


class Raw(str):
    """JSON text that is sent as it stands: `Raw("2e-2")`."""

    __slots__ = ()


def _json(value: Any) -> str:
    return str(value) if isinstance(value, Raw) else json.dumps(value)
