"""What may differ from one sandbox to another. Everything else is as in production."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from shared.money import Ether, Tether, Usd
from shared.sandbox.fleet.ports import Ports

if TYPE_CHECKING:
    from pathlib import Path

TIME_SCALE = 60


@dataclass(frozen=True)
class FleetOptions:
    """The settings of a fleet and its world. `exchange_pays`: quote and payout of the first order, else by the price.

    `tick_every_s` is in the fleet's own time, which runs `time_scale` times as fast as the clock on the wall; 0 ticks
    only on request. `logs`: the folder for every process's log, made when missing. `proxied_database`: the services
    reach the database through a proxy that can fail (`Fleet.database_proxy`). `alert_webhook`: where the batcher
    delivers alerts; empty: nowhere.
    """

    logs: Path
    threshold: Usd = Usd(80_000_000)
    fee_percent: str = "15"
    funding: Literal["received", "quoted"] = "received"
    exchange_pays: Tether | None = None
    quote_band_percent: str = "5"
    time_scale: int = TIME_SCALE
    tick_every_s: int = 0
    wallet: Ether = Ether(1_000 * 10**18)
    max_transfer: Ether = Ether(100 * 10**18)
    max_daily: Ether = Ether(800 * 10**18)
    instant_max: Ether = Ether(2 * 10**18)
    gas_reserve: Ether = Ether(5 * 10**16)
    proxied_database: bool = False
    alert_webhook: str = ""
    ports: Ports = field(default_factory=Ports.free)
