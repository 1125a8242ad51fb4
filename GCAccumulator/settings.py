"""What the intake needs from its environment. The fee has no default: without it the intake does not start."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.chain.settings import AddressSetting
from shared.db.settings import DatabaseSettings
from shared.http import Emails, ServiceSettings
from shared.http.amounts import PercentText, UsdText
from shared.lifecycle import Limits
from shared.money import Percent, Usd
from shared.settings import Range

from .accept_payment import IntakeTerms

_WebhookKey = Annotated[SecretStr, Field(min_length=16, max_length=1_024), Range("16 to 1024 characters")]


class IntakeSettings(ServiceSettings, DatabaseSettings):
    """The intake's environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    upstream_callers: Emails = Field(description="identities that may post payments")
    upstream_signing_key: _WebhookKey | None = Field(
        default=None, description="secret for X-Signature, for webhooks that cannot mint an identity; absent: refused"
    )
    upstream_signing_key_previous: _WebhookKey | None = Field(
        default=None, description="during a rotation: signatures made with it are accepted too"
    )
    tp_flat_fee: PercentText = Field(description="percent; the platform's fee on each payment")
    tp_flat_fee_min: PercentText = Field(default="0", description="percent; TP_FLAT_FEE below this stops the start")
    tp_flat_fee_max: PercentText = Field(default="30", description="percent; TP_FLAT_FEE above this stops the start")
    outcome_currency: str = Field(
        default="eth", pattern="^[a-z0-9]{2,20}$", description="what arrived when the webhook does not say"
    )
    host_wallet_eth_address: AddressSetting = Field(description="our wallet; no client's wallet may be it")
    host_wallet_usdt_address: AddressSetting = Field(description="our wallet; no client's wallet may be it")
    usdt_contract_address: AddressSetting = Field(description="the token's contract; no client's wallet may be it")
    max_payment_usd: UsdText = Field(default="1000", description="USD; a larger payment is refused as a slip")

    @property
    def webhook_keys(self) -> tuple[str, ...]:
        """The secrets with which a webhook may have signed, the present one first; none: signatures are refused."""
        versions = (self.upstream_signing_key, self.upstream_signing_key_previous)
        return tuple(version.get_secret_value() for version in versions if version is not None)

    @model_validator(mode="after")
    def _a_rotation_has_two_keys(self) -> Self:
        if self.upstream_signing_key is None and self.upstream_signing_key_previous is not None:
            raise ValueError("UPSTREAM_SIGNING_KEY_PREVIOUS must come with the UPSTREAM_SIGNING_KEY that follows it")
        return self

    @model_validator(mode="after")
    def _fee_is_in_its_band(self) -> Self:
        fee, least, most = map(Percent.parse, (self.tp_flat_fee, self.tp_flat_fee_min, self.tp_flat_fee_max))
        if not least <= fee <= most:
            raise ValueError("TP_FLAT_FEE must be between TP_FLAT_FEE_MIN and TP_FLAT_FEE_MAX")
        return self

    def terms(self) -> IntakeTerms:
        """The settings that decide, as typed values."""
        return IntakeTerms(
            fee_rate=Percent.parse(self.tp_flat_fee),
            outcome_currency=self.outcome_currency,
            max_payment=Usd.parse(self.max_payment_usd),
            no_clients=frozenset(
                (self.host_wallet_eth_address, self.host_wallet_usdt_address, self.usdt_contract_address)
            ),
            limits=Limits(self.time_scale),
        )
