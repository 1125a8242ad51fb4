"""Plays upstream for one instant payout: opens an order of its own at the exchange and sends the conductor a token."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from shared.exchange import ETH_TO_USDT, ChangeNow, Created, ExchangeSettings, OrderRequest
from shared.messages import UPSTREAM_TO_CONDUCTOR, InstantPayout, Keyring
from shared.money import Ether
from shared.ops.exits import Exit, Leave
from shared.queue import CloudTasksSender, Destination, Sealer
from shared.sandbox.chain import FAUCET, HOST_WALLET
from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.environment import LOCATION, PROJECT

_AMOUNT = Ether(12 * 10**15)
_PAYEE = FAUCET.address
"""Any address that is not the host wallet's: the exchange pays an instant payout straight to the payee."""


def ask_for_instant_payout(fleet: Fleet) -> InstantPayout:
    """Open the order as upstream does and make the task; gives the message. Leaves with 69 if the exchange says no."""
    settings = ExchangeSettings(**{name.lower(): value for name, value in fleet.world.exchange().items()})  # type: ignore[arg-type] # pydantic reads text
    created = ChangeNow(settings).create(OrderRequest(ETH_TO_USDT, _AMOUNT, _PAYEE, HOST_WALLET.address))
    if not isinstance(created, Created):
        raise Leave(f"The exchange opened no order for the instant payout: {created}.", Exit.UNAVAILABLE)
    message = InstantPayout(
        unique_id=secrets.token_hex(8),
        cn_api_id=created.order.cn_api_id,
        from_currency="eth",
        from_network="eth",
        amount_wei=created.order.amount.wei,
        payin_address=created.order.payin_address,
    )
    _make_task(fleet, message)
    return message


def _make_task(fleet: Fleet, message: InstantPayout) -> None:
    """With the external secret and upstream's identity, through the queue that upstream uses."""
    edge = UPSTREAM_TO_CONDUCTOR
    conductor = Destination(edge.queue, fleet.urls["GCHostPay1"])
    keyring = Keyring(internal=[], external=[fleet.world.upstream_key])
    message_id = secrets.token_bytes(16)
    parcel = Sealer(keyring, {edge: conductor}).parcel(edge, message, message_id, datetime.now(UTC))
    endpoint = f"127.0.0.1:{fleet.options.ports.tasks}"
    sender = CloudTasksSender(PROJECT, LOCATION, fleet.world.identities.upstream, endpoint, limit_s=10)
    try:
        sender.create(
            name=f"upstream-{message.unique_id}",
            queue=parcel.queue,
            url=parcel.url,
            body=parcel.body,
            schedule_at=None,
            audience=parcel.audience,
            trace=message_id.hex(),
        )
    finally:
        sender.close()
