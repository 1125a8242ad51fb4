"""What a service meets outside the database: queues, the chain and its contracts, the exchange, the archive."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from shared.ops.config_check_line import Line, NotWell, tried

_USDT_DECIMALS: Final = 6


def queues(settings: Any) -> str:
    """Every queue that the service makes tasks in exists and runs."""
    from shared.queue.standing import queues_that_do_not_run

    fields = type(settings).model_fields
    named = {field.upper(): getattr(settings, field) for field in fields if field.endswith("_queue")}
    wrong = queues_that_do_not_run(settings, dict.fromkeys(named.values()))
    if wrong:
        told = [f"{name}: queue {queue} {wrong[queue]}" for name, queue in named.items() if queue in wrong]
        raise NotWell("; ".join(told))
    return f"these run: {', '.join(sorted(set(named.values())))}"


def check_chain(service: str, settings: Any, now: datetime) -> list[Line]:
    """The providers and what is looked at through them. A wrong chain is not asked for contracts."""
    from shared.chain import EthereumChain

    chain = EthereumChain.from_settings(settings)
    lines = tried(service, "chain id", lambda: _chain_id(chain, settings))
    if lines[0].ok:
        lines += tried(service, "USDT contract", lambda: _usdt(chain, settings))
        lines += tried(service, "price feed", lambda: _price(chain, settings, now))
    return lines


def _chain_id(chain: Any, settings: Any) -> str:
    from shared.chain import WrongChain

    try:
        chain.check_chain_id()
    except WrongChain as wrong:
        raise NotWell(f"CHAIN_ID is {settings.chain_id}, and {wrong.message}") from wrong
    return f"{len(settings.rpc_urls)} provider(s) serve chain {settings.chain_id}"


def _usdt(chain: Any, settings: Any) -> str:
    token, block = settings.usdt_contract_address, chain.agreed_finalized()
    if not chain.code_at(token, block):
        raise NotWell(f"there is no contract at USDT_CONTRACT_ADDRESS {token}")
    decimals = chain.token_decimals(token, block)
    if decimals != _USDT_DECIMALS:
        raise NotWell(f"the token at {token} has {decimals} decimals and USDT has {_USDT_DECIMALS}")
    held = chain.usdt_balance(settings.host_wallet_usdt_address, block, token)
    return f"{token} counts in 6 decimals; the host wallet holds {held}"


def _price(chain: Any, settings: Any, now: datetime) -> str:
    price = chain.read_price(settings.price_feed_address, now, settings.price_feed_max_age_s)
    return f"{settings.price_feed_address} answers: {price}"


def exchange(settings: Any) -> str:
    """The exchange takes the key and says how much it swaps. Opens no order."""
    from shared.exchange import ETH_TO_USDT, ChangeNow

    least = ChangeNow(settings).range(ETH_TO_USDT).minimum
    return f"{settings.changenow_api_url} takes the key; the least it swaps is {least}"


def archive(settings: Any) -> str:
    """The copies of signed bytes can be read."""
    from shared.archive import archive_at

    kept = archive_at(settings.signed_bytes_archive).read(settings.host_wallet_eth_address, settings.chain_id)
    return f"{settings.signed_bytes_archive} can be read; it keeps {len(kept)} signed transaction(s) of the wallet"
