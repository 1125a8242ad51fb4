"""What the batcher needs from its environment. Limits that protect money have no default: it does not start without."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.alerts.settings import AlertSettings
from shared.chain.settings import ChainSettings
from shared.db.settings import DatabaseSettings
from shared.exchange.settings import ExchangeSettings
from shared.http import Emails, ServiceSettings
from shared.http.amounts import EtherText, PercentText, UsdText
from shared.lifecycle import Limits
from shared.money import Ether, Percent, Usd
from shared.queue.settings import BatcherAlertTarget, ConductorBatchTarget, TasksSettings
from shared.settings import Live

from .batcher import Terms
from .price_guard import GuardLimits

_WEI_PER_GWEI = 10**9


class BatcherSettings(
    ServiceSettings,
    DatabaseSettings,
    TasksSettings,
    ConductorBatchTarget,
    BatcherAlertTarget,
    ExchangeSettings,
    ChainSettings,
    AlertSettings,
):
    """The batcher's environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    scheduler_callers: Emails = Field(description="who may call /check-threshold and /sweep")
    conductor_callers: Emails = Field(description="who may call /swap-executed and /swap-failed")
    changenow_key_alias: str = Field(
        default="primary", pattern="^[a-z0-9-]{1,40}$", description="name of the API key, stored with each order"
    )
    micro_batch_threshold_usd: Annotated[UsdText, Live()] = Field(
        description="USD; a batch is formed when the pending total reaches it; from Secret Manager it is read live"
    )
    check_threshold_every_s: int = Field(
        default=900,
        ge=0,
        le=86_400,
        description="seconds; how often the scheduler calls /check-threshold; 0: it does not",
    )
    batch_funding: Literal["received", "quoted"] = Field(
        description="received: order the ETH that came with the payments; quoted: order their USD at the quote"
    )
    max_transfer_eth: EtherText = Field(description="ETH; the most that one order may carry")
    quote_band_percent: PercentText = Field(default="5", description="percent; quote against the price feed")
    order_value_band_percent: PercentText = Field(default="10", description="percent; order against the payments' USD")
    result_band_percent: PercentText = Field(default="10", description="percent; arrival against the quote")
    payment_value_band_percent: PercentText = Field(
        default="50", description="percent; one payment's ETH against its USD; outside it that payment is parked alone"
    )
    max_gas_share_percent: PercentText = Field(default="10", description="percent; gas against the order's value")
    max_fee_per_gas_gwei: int = Field(default=200, ge=1, le=10_000, description="gwei; no batch above this fee")
    exchange_amount_decimals: int = Field(default=8, ge=0, le=18, description="decimals the exchange takes of ETH")

    def terms(self) -> Terms:
        """The settings that decide, as typed values."""
        return Terms(
            threshold=Usd.parse(self.micro_batch_threshold_usd),
            funding=self.batch_funding,
            guard=GuardLimits(
                quote_band=Percent.parse(self.quote_band_percent),
                order_value_band=Percent.parse(self.order_value_band_percent),
                max_transfer=Ether.parse(self.max_transfer_eth),
                max_gas_share=Percent.parse(self.max_gas_share_percent),
                payment_value_band=Percent.parse(self.payment_value_band_percent),
            ),
            result_band=Percent.parse(self.result_band_percent),
            exchange_decimals=self.exchange_amount_decimals,
            gas_ceiling_wei=self.max_fee_per_gas_gwei * _WEI_PER_GWEI,
            key_alias=self.changenow_key_alias,
            payout_address=self.host_wallet_usdt_address,
            refund_address=self.host_wallet_eth_address,
            usdt_contract_address=self.usdt_contract_address,
            price_feed_address=self.price_feed_address,
            price_feed_max_age_s=self.price_feed_max_age_s,
            limits=Limits(self.time_scale),
        )
