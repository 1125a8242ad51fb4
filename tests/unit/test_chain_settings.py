"""The chain's settings tell every problem and never a provider's key."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.chain.settings import ChainSettings

TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
GOOD = {
    "ETHEREUM_RPC_URLS": "https://one.example/v2/s3cret-key-1, https://two.example/v2/s3cret-key-2",
    "CHAIN_ID": "1",
    "USDT_CONTRACT_ADDRESS": TOKEN.lower(),
    "PRICE_FEED_ADDRESS": TOKEN,
    "HOST_WALLET_ETH_ADDRESS": WALLET,
    "HOST_WALLET_USDT_ADDRESS": WALLET,
}


def read(monkeypatch: pytest.MonkeyPatch, **changed: str) -> ChainSettings:
    for name, value in (GOOD | changed).items():
        monkeypatch.setenv(name, value)
    return ChainSettings()


def test_the_environment_gives_urls_in_order_and_addresses_with_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.rpc_urls == ("https://one.example/v2/s3cret-key-1", "https://two.example/v2/s3cret-key-2")
    assert settings.usdt_contract_address == TOKEN
    assert settings.ethereum_quorum is None
    assert (settings.price_feed_max_age_s, settings.ethereum_rpc_timeout_s) == (3600, 10)


def test_the_urls_print_as_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ETHEREUM_RPC_URLS": ""}, "at least one provider"),
        ({"ETHEREUM_RPC_URLS": " , "}, "at least one provider"),
        ({"ETHEREUM_RPC_URLS": "https://one.example/s3cret-key,ftp://two.example"}, "provider 2 must be"),
        ({"ETHEREUM_RPC_URLS": "https://a.example/s3cret-key,https://a.example/s3cret-key"}, "twice"),
        ({"ETHEREUM_QUORUM": "1"}, "more than half"),
        ({"ETHEREUM_QUORUM": "3"}, "more than half"),
        ({"CHAIN_ID": "0"}, "greater than or equal to 1"),
        ({"USDT_CONTRACT_ADDRESS": TOKEN.replace("F", "f")}, "checksum"),
        ({"USDT_CONTRACT_ADDRESS": "0x" + "0" * 40}, "zero address"),
        ({"HOST_WALLET_ETH_ADDRESS": "me.eth"}, "checksum"),
        ({"PRICE_FEED_MAX_AGE_S": "0"}, "greater than or equal to 1"),
        ({"ETHEREUM_RPC_TIMEOUT_S": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_bad_setting_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], told: str
) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        read(monkeypatch, **changed)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_nothing_that_names_money_or_place_has_a_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other, value in GOOD.items():
        monkeypatch.setenv(other, value)
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=name.lower()):
        ChainSettings()


@pytest.mark.parametrize("wallet", ["HOST_WALLET_ETH_ADDRESS", "HOST_WALLET_USDT_ADDRESS"])
def test_a_wallet_of_ours_is_no_contract_that_we_read(monkeypatch: pytest.MonkeyPatch, wallet: str) -> None:
    with pytest.raises(ValidationError, match=f"{wallet} must be a wallet of ours"):
        read(monkeypatch, **{wallet: TOKEN.lower()})
