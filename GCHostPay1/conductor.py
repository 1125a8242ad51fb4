"""What the conductor works with: its doors to the outside and the terms it must keep. Built once, in app.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.chain.port import Chain
from shared.db import Database
from shared.exchange import Exchange
from shared.lifecycle import Limits
from shared.money import Ether
from shared.queue import Outbox

SERVICE: Final = "GCHostPay1"

REDRIVE_AFTER: Final = timedelta(minutes=2)  # a message that was lost is sent anew by the first sweep after this
READING_HOLDS: Final = timedelta(
    minutes=10
)  # an order that was seen waiting before that is read again before it is paid
BOOKS_EVERY: Final = timedelta(hours=1)  # the books are compared with the wallet on chain
POLL_GRACE: Final = timedelta(minutes=1)  # a poll that is later than this was lost


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that decide, as typed values."""

    usdt_contract: str
    eth_wallet: str
    usdt_wallet: str
    instant_max: Ether
    max_transfer: Ether
    key_alias: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Conductor:
    """The conductor's doors: database, outbox, exchange and chain (both read only).

    `books_every`: how often the books are compared with the wallet on chain; None: never.
    """

    database: Database
    outbox: Outbox
    exchange: Exchange
    chain: Chain
    terms: Terms
    books_every: timedelta | None = None
