"""What the conductor needs from its environment. Limits that protect money have no default."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from shared.chain.settings import ChainSettings
from shared.db.settings import DatabaseSettings
from shared.exchange.settings import ExchangeSettings
from shared.http import Emails, ServiceSettings
from shared.http.amounts import EtherText
from shared.lifecycle import Limits
from shared.messages import V1Window
from shared.money import Ether
from shared.queue.settings import (
    BatcherTarget,
    ConductorResponseTarget,
    ExecutorTarget,
    TasksSettings,
    UpstreamKeySettings,
    WatcherTarget,
)
from shared.settings import Range, Unit

from .conductor import Terms


def _window(text: str) -> str:
    V1Window.parse(text)
    return text


class ConductorSettings(
    ServiceSettings,
    DatabaseSettings,
    TasksSettings,
    UpstreamKeySettings,
    WatcherTarget,
    ExecutorTarget,
    ConductorResponseTarget,
    BatcherTarget,
    ExchangeSettings,
    ChainSettings,
):
    """The conductor's environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    upstream_callers: Emails = Field(description="who may ask for instant payouts")
    batcher_callers: Emails = Field(description="who may ask for batches to be paid")
    watcher_callers: Emails = Field(description="who may call /status-verified")
    executor_callers: Emails = Field(description="who may call /payment-completed")
    conductor_callers: Emails = Field(description="who may call /retry-callback-check: the conductor itself")
    scheduler_callers: Emails = Field(description="who may call /sweep")
    instant_max_eth: EtherText = Field(description="ETH; the most that one instant payout may carry")
    max_transfer_eth: EtherText = Field(description="ETH; the most that one order may carry")
    accept_v1_tokens: (
        Annotated[str, AfterValidator(_window), Unit("from/until"), Range("two times with zone, at most 92 days apart")]
        | None
    ) = Field(
        default=None,
        description="when the predecessor's tokens of instant payouts are accepted; nothing it issued before `from`, "
        "when it stopped paying; to be taken out when upstream seals our tokens; absent: never",
    )
    changenow_key_alias: str = Field(
        default="primary", pattern="^[a-z0-9-]{1,40}$", description="name of the API key, stored with each order"
    )

    def terms(self) -> Terms:
        """The settings that decide, as typed values."""
        return Terms(
            usdt_contract=self.usdt_contract_address,
            eth_wallet=self.host_wallet_eth_address,
            usdt_wallet=self.host_wallet_usdt_address,
            instant_max=Ether.parse(self.instant_max_eth),
            max_transfer=Ether.parse(self.max_transfer_eth),
            key_alias=self.changenow_key_alias,
            limits=Limits(self.time_scale),
        )

    def v1_window(self) -> V1Window | None:
        """When the predecessor's tokens come in, which the upstream seals with the same secret; None: never."""
        return None if self.accept_v1_tokens is None else V1Window.parse(self.accept_v1_tokens)
