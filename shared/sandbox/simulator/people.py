"""What people do: a webhook's body, an upstream's request, a transaction by a stolen key, a stage that is paused."""

from __future__ import annotations

import json
from datetime import datetime

from shared.messages import UPSTREAM_TO_CONDUCTOR, InstantPayout, seal
from shared.money import Ether, Usd
from shared.sandbox.chain.accounts import FAUCET
from shared.sandbox.simulator.blocks import GWEI, Transaction
from shared.sandbox.simulator.exchange import ModelOrder
from shared.sandbox.simulator.fleet import KEYRING
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.session import Session


def webhook_body(number: int, usd: Usd, ether: Ether | None, currency: str, at: datetime) -> bytes:
    """What the upstream posts for a client's payment; `ether` None: nobody says what arrived."""
    body = {
        "user_id": 1_000 + number,
        "client_id": -1_000 - number,
        "wallet_address": FAUCET.address,
        "payout_currency": "usdt",
        "payout_network": "eth",
        "payment_amount_usd": usd.decimal_text(),
        "subscription_id": number,
        "payment_timestamp": at.isoformat(),
        "nowpayments_payment_id": f"np-{number}",
        "nowpayments_outcome_amount": None if ether is None else ether.decimal_text(),
        "nowpayments_outcome_currency": currency,
    }
    return json.dumps(body).encode()


def instant_request(number: int, order: ModelOrder, amount: Ether, message_id: bytes, at: datetime) -> bytes:
    """An upstream's sealed request to have its order paid."""
    message = InstantPayout(f"instant-{number}", order.cn_api_id, "eth", "eth", amount.wei, order.payin_address)
    return json.dumps({"token": seal(UPSTREAM_TO_CONDUCTOR, message, KEYRING, message_id, at)}).encode()


def foreign_transaction(node: ModelNode, sender: str) -> Transaction:
    """A transaction that somebody else signed with the key of `sender`, at the nonce that ours waits for."""
    nonce = node.next_nonce(sender)
    for key in sorted(node.pool):
        if key[0] == sender:
            nonce = key[1]
            del node.pool[key]
            break
    digest = f"0x{nonce + 0xF0:064x}"
    return Transaction(digest, sender, nonce, FAUCET.address.lower(), 1, 2 * GWEI, 900 * GWEI, steady=True)


def pause_stage(session: Session, stage: str, reason: str, now: datetime) -> None:
    """A person stops a stage; a pause that stands stays as it is."""
    with session.looking():
        session.connection.run(
            "insert into pause (stage, reason, paused_by, paused_at) values (:stage, :reason, 'a person', :now)"
            " on conflict do nothing",
            stage=stage,
            reason=reason,
            now=now,
        )


def resume_stage(session: Session, stage: str, paused_by: str = "a person") -> bool:
    """A person lets a stage go on that was paused by somebody; whether it was."""
    with session.looking():
        sql = "delete from pause where stage = :stage and paused_by = :paused_by"
        return session.connection.run(sql, stage=stage, paused_by=paused_by) > 0
