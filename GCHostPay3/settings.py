"""What the executor needs from its environment. Without a limit that protects money it does not start."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.archive import ArchiveSettings
from shared.chain import LocalSigner, same_address
from shared.chain.settings import ChainSettings
from shared.db.settings import DatabaseSettings
from shared.http import Emails, ServiceSettings
from shared.http.amounts import EtherText
from shared.money import Ether
from shared.queue.settings import ConductorResponseTarget, ExecutorRetryTarget, TasksSettings
from shared.settings import Range, Unit

from .executor import Waits
from .policy import PayLimits

_WEI_PER_GWEI = 10**9


class ExecutorSettings(
    ServiceSettings,
    DatabaseSettings,
    TasksSettings,
    ConductorResponseTarget,
    ExecutorRetryTarget,
    ChainSettings,
    ArchiveSettings,
):
    """The executor's environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    conductor_callers: Emails = Field(description="who may ask for a payment")
    executor_callers: Emails = Field(description="who may drive the wallet: the executor itself")
    scheduler_callers: Emails = Field(description="who may call /sweep")
    host_wallet_private_key: Annotated[SecretStr, Range("64 hex digits, 0x before them or not")] | None = Field(
        default=None,
        description="the wallet's key, 64 hex digits; only the executor has it; absent: it is in Cloud KMS",
    )
    host_wallet_kms_key_version: Annotated[str, Range("projects/.../cryptoKeyVersions/N")] = Field(
        default="",
        pattern=r"^(projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+/cryptoKeyVersions/[1-9][0-9]*)?$",
        description="the wallet's key version in Cloud KMS (EC_SIGN_SECP256K1_SHA256), instead of a private key here",
    )
    max_transfer_eth: EtherText = Field(description="ETH; the most that one transfer may carry")
    max_daily_eth: EtherText = Field(description="ETH; the most that may leave within 24 h")
    gas_reserve_wei: int = Field(
        ge=1, le=10**20, description="wei; kept in the wallet beyond value and gas of every transfer"
    )
    max_fee_per_gas_gwei: int = Field(default=200, ge=1, le=10_000, description="gwei; no transfer is begun above it")
    inflight_cap: Annotated[int, Unit("transfers")] = Field(
        default=4, ge=1, le=16, description="transfers with a nonce that are not final"
    )
    max_transfers_per_hour: Annotated[int, Unit("transfers an hour")] = Field(
        default=60, ge=1, le=10_000, description="transfers begun within an hour; the next one waits for a person"
    )

    @field_validator("host_wallet_private_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                LocalSigner(value.get_secret_value())
            except ValueError as error:
                raise ValueError("must be 32 bytes as 64 hex digits") from error
        return value

    @model_validator(mode="after")
    def _key_is_the_wallets(self) -> Self:
        if (self.host_wallet_private_key is None) == (not self.host_wallet_kms_key_version):
            raise ValueError("set either HOST_WALLET_PRIVATE_KEY or HOST_WALLET_KMS_KEY_VERSION, and not both")
        if self.host_wallet_private_key is None:
            return self  # the KMS signer compares the address with the key's own when it first reads it
        address = LocalSigner(self.host_wallet_private_key.get_secret_value()).address
        if not same_address(address, self.host_wallet_eth_address):
            raise ValueError("HOST_WALLET_ETH_ADDRESS must be the address of HOST_WALLET_PRIVATE_KEY")
        return self

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if Ether.parse(self.max_transfer_eth) > Ether.parse(self.max_daily_eth):
            raise ValueError("MAX_TRANSFER_ETH must not be more than MAX_DAILY_ETH")
        return self

    def pay_limits(self) -> PayLimits:
        """What a person allowed, as typed values."""
        return PayLimits(
            max_transfer=Ether.parse(self.max_transfer_eth),
            max_daily=Ether.parse(self.max_daily_eth),
            gas_reserve=Ether(self.gas_reserve_wei),
            max_fee_per_gas_wei=self.max_fee_per_gas_gwei * _WEI_PER_GWEI,
            inflight_cap=self.inflight_cap,
            max_transfers_per_hour=self.max_transfers_per_hour,
        )

    def waits(self) -> Waits:
        """How patient the executor is."""
        return Waits(self.time_scale)
