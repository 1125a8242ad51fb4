"""`gcpay verify-proof`: checks a stored verdict again, offline from its bytes, online at the nodes that are named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from shared.chain.proof import check_offline, check_online
from shared.db import Database, DatabaseUnreachable, Queries
from shared.db.settings import DatabaseSettings
from shared.money import Ether
from shared.ops.exits import Exit, Leave
from shared.ops.where import settings_from

if TYPE_CHECKING:
    from shared.chain.proof import Outcome
    from shared.db import Connection

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is stored about the end of one transfer, and the order that it was to pay."""

    unique_id: str
    cn_api_id: str
    account: str
    chain_id: int
    nonce: int
    outcome: Outcome
    amount: Ether
    address: str
    evidence: Mapping[str, object]
    attempts: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a verdict, by where it was checked; nothing anywhere is the proof."""

    verdict: Verdict
    offline: list[str]
    online: dict[str, list[str]]

    @property
    def holds(self) -> bool:
        return not self.offline and not any(self.online.values())


def verify_proof(root: Path, name: str, nodes: Sequence[str], *, as_json: bool) -> Exit:
    """Print what was checked and every fault. 1 when there is one, or while there is no verdict."""
    database = Database.from_settings(settings_from(root, DatabaseSettings), "gcpay-verify-proof")
    try:
        with database.read() as conn:
            verdict = read_verdict(conn, name)
    except DatabaseUnreachable as error:
        raise Leave(f"{error.message} Is the fleet, or `gcpay up`, running?", Exit.UNAVAILABLE) from error
    finally:
        database.close()
    checked = check(verdict, nodes)
    click.echo(json.dumps(_as_json(checked)) if as_json else "\n".join(_lines(checked)))
    return Exit.OK if checked.holds else Exit.NO


def read_verdict(conn: Connection, name: str) -> Verdict:
    """The verdict on the newest transfer of a request, an order or a batch. Leaves with a sentence if there is none."""
    row = _QUERIES.one(conn, "verdict", name=name)
    if row is None:
        waiting = _QUERIES.one(conn, "state_without_nonce", name=name)
        if waiting is None:
            raise Leave(f"There is no transfer for {name}: name a request, an order or a batch.", Exit.USAGE)
        raise Leave(f"{waiting['unique_id']} is {waiting['transfer_status']} and never had a nonce.", Exit.NO)
    if row["outcome"] is None:
        raise Leave(f"{row['unique_id']} is {row['transfer_status']}: the chain has given no verdict yet.", Exit.NO)
    stored = _QUERIES.all(
        conn, "bytes_of", account_address=row["account_address"], chain_id=row["chain_id"], nonce=row["nonce"]
    )
    return Verdict(
        unique_id=row["unique_id"],
        cn_api_id=row["cn_api_id"],
        account=row["account_address"],
        chain_id=row["chain_id"],
        nonce=row["nonce"],
        outcome=row["outcome"],
        amount=Ether(row["amount_wei"]),
        address=row["payin_address"],
        evidence=row["evidence"],
        attempts=[bytes(one["raw"]) for one in stored],
    )


def check(verdict: Verdict, nodes: Sequence[str]) -> Checked:
    """The verdict against its own bytes and its order, and against each node."""
    offline = check_offline(
        verdict.evidence,
        verdict.amount.wei,
        verdict.address,
        verdict.account,
        verdict.attempts,
        outcome=verdict.outcome,
        chain_id=verdict.chain_id,
    )
    online = {_site_of(node): check_online(node, verdict.evidence, chain_id=verdict.chain_id) for node in nodes}
    return Checked(verdict, offline, online)


def _site_of(node: str) -> str:
    """The node without what may be a key in its path or its name."""
    parts = urlsplit(node)
    return parts.netloc.rpartition("@")[2] or node


def _as_json(checked: Checked) -> dict[str, object]:
    verdict = checked.verdict
    return {
        "ok": checked.holds,
        "unique_id": verdict.unique_id,
        "cn_api_id": verdict.cn_api_id,
        "outcome": verdict.outcome,
        "amount_wei": str(verdict.amount.wei),
        "address": verdict.address,
        "nonce": verdict.nonce,
        "tx_hash": verdict.evidence.get("tx_hash"),
        "block_number": verdict.evidence.get("block_number"),
        "block_hash": verdict.evidence.get("block_hash"),
        "agreed_providers": verdict.evidence.get("agreed_providers"),
        "attempts": len(verdict.attempts),
        "offline": checked.offline,
        "online": checked.online,
    }


def _lines(checked: Checked) -> list[str]:
    verdict = checked.verdict
    offline = _said(checked.offline, f"{len(verdict.attempts)} stored attempts: signature, fields and order")
    lines = [
        f"transfer    {verdict.unique_id}",
        f"order       {verdict.cn_api_id}: {verdict.amount} to {verdict.address}",
        f"verdict     {verdict.outcome} with nonce {verdict.nonce} of {verdict.account}",
        f"evidence    {verdict.evidence.get('tx_hash')} in block {verdict.evidence.get('block_number')}",
        f"offline     {offline}",
    ]
    lines += [
        f"{'at ' + node:<11} {_said(faults, 'in a canonical, final block')}" for node, faults in checked.online.items()
    ]
    if not checked.online:
        lines.append("online      not asked: name a node with --node URL")
    lines.append("The proof holds." if checked.holds else "The proof does NOT hold.")
    return lines


def _said(faults: list[str], agrees: str) -> str:
    return f"ok ({agrees})" if not faults else "; ".join(faults)
