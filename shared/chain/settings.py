"""What a service that looks at the chain needs from its environment."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.chain.address import ZERO_ADDRESS, is_address, to_checksum
from shared.settings import Range, Unit


def _address(text: str) -> str:
    if not is_address(text) or text.lower() == ZERO_ADDRESS:
        raise ValueError("must be an Ethereum address with a right checksum, and not the zero address")
    return to_checksum(text)


AddressSetting = Annotated[str, AfterValidator(_address), Range("an Ethereum address, checksum right if mixed case")]


class ChainSettings(BaseSettings):
    """ETHEREUM_RPC_URLS and what is looked at through them. The URLs contain provider keys: they print as stars."""

    # Without this, the message of a rejected value would repeat the secret.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    ethereum_rpc_urls: Annotated[SecretStr, Range("http(s) URLs, comma-separated, none twice")] = Field(
        description="the providers, comma-separated; they contain keys"
    )
    ethereum_quorum: Annotated[int | None, Unit("providers")] = Field(
        default=None, ge=1, le=16, description="providers that must agree; absent: all"
    )
    ethereum_rpc_timeout_s: int = Field(default=10, ge=1, le=60, description="how long one provider may take to answer")
    chain_id: Annotated[int, Unit("chain id")] = Field(
        ge=1, le=2**53, description="1 is Ethereum mainnet; a provider of another chain is refused"
    )
    usdt_contract_address: AddressSetting = Field(description="the token whose arrivals are counted")
    price_feed_address: AddressSetting = Field(description="aggregator contract for ETH/USD, the price guard's source")
    price_feed_max_age_s: int = Field(default=3600, ge=1, le=604_800, description="an older price is no price")
    host_wallet_eth_address: AddressSetting = Field(description="where orders are paid from and refunds come back")
    host_wallet_usdt_address: AddressSetting = Field(description="where the exchange sends the USDT")

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The providers' URLs in order. Secrets: hand them to the chain and to nothing else."""
        return _urls_in(self.ethereum_rpc_urls)

    @field_validator("ethereum_rpc_urls")
    @classmethod
    def _are_urls(cls, value: SecretStr) -> SecretStr:
        urls = _urls_in(value)
        if not urls:
            raise ValueError("must name at least one provider")
        for number, url in enumerate(urls, start=1):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"provider {number} must be an http or https URL")
        if len(set(urls)) != len(urls):
            raise ValueError("must not name a provider twice: it would agree with itself")
        return value

    @model_validator(mode="after")
    def _quorum_is_possible(self) -> "ChainSettings":
        count = len(self.rpc_urls)
        if self.ethereum_quorum is not None and not count < 2 * self.ethereum_quorum <= 2 * count:
            raise ValueError(f"ETHEREUM_QUORUM must be more than half of the {count} providers and at most all")
        return self

    @model_validator(mode="after")
    def _wallets_are_no_contracts(self) -> "ChainSettings":
        """What is sent to a contract by mistake belongs to nobody, and it is a valid address all the same."""
        contracts = {
            self.usdt_contract_address: "USDT_CONTRACT_ADDRESS",
            self.price_feed_address: "PRICE_FEED_ADDRESS",
        }
        wallets = {
            "HOST_WALLET_ETH_ADDRESS": self.host_wallet_eth_address,
            "HOST_WALLET_USDT_ADDRESS": self.host_wallet_usdt_address,
        }
        for name, address in wallets.items():
            if address in contracts:
                raise ValueError(f"{name} must be a wallet of ours, and it is the contract in {contracts[address]}")
        return self


def _urls_in(secret: SecretStr) -> tuple[str, ...]:
    return tuple(url for part in secret.get_secret_value().split(",") if (url := part.strip()))
