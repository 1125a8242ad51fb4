"""`gcpay import-v1`: the import for a person at the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click
from pydantic import Field, SecretStr

from shared.chain.settings import AddressSetting
from shared.db import Database, DatabaseUnreachable, PermissionMissing, roles
from shared.db.settings import DatabaseSettings
from shared.lifecycle import Limits
from shared.money import MoneyError, Percent
from shared.ops.acts import Doing, perform
from shared.ops.exits import Exit, Leave
from shared.ops.upgrade.export import read_export
from shared.ops.upgrade.imported import Imported, Terms
from shared.ops.upgrade.take_in import RowsRefused, import_v1
from shared.ops.where import is_sandbox, settings_from
from shared.telemetry import configure_logging, new_trace

if TYPE_CHECKING:
    from shared.ops.acts import Performed


class ImportSettings(DatabaseSettings):
    """What an import needs: the database, as the owner of the tables, and whose wallets no client can have."""

    host_wallet_eth_address: AddressSetting = Field(description="our wallet; no client's wallet may be it")
    host_wallet_usdt_address: AddressSetting = Field(description="our wallet; no client's wallet may be it")
    usdt_contract_address: AddressSetting = Field(description="the token's contract; no client's wallet may be it")
    time_scale: int = Field(default=1, ge=1, description="as the services have it")


def run_import(
    root: Path,
    folder: Path,
    *,
    fee: str,
    outcome_currency: str,
    refused: int,
    by: str,
    reason: str,
    yes: bool,
    as_json: bool,
) -> Exit:
    """Rehearse or do it, and print the control totals. 1 when rows are refused whose number was not said."""
    try:
        fee_rate = Percent.parse(fee)
    except MoneyError as error:
        raise Leave(f"--fee {fee}: {error}.", Exit.USAGE) from error
    export = read_export(folder)
    configure_logging("console", "ERROR", "gcpay")  # alerts are told on standard error, beside the report
    settings = settings_from(root, ImportSettings)
    no_clients = (settings.host_wallet_eth_address, settings.host_wallet_usdt_address, settings.usdt_contract_address)
    terms = Terms(fee_rate, outcome_currency, refused, no_clients)
    if is_sandbox():  # whose operator only reads; there everybody may connect as the owner
        settings = settings.model_copy(update={"database_user_secret": SecretStr(roles.OWNER)})
    database = Database.from_settings(settings, "gcpay-import")
    reports: list[Imported] = []
    doing = Doing(database, by, reason, yes, datetime.now(UTC), new_trace(), uuid4, Limits(settings.time_scale))
    refusal = None
    performed = None
    try:
        performed = perform(doing, import_v1(export, terms, yes=yes, told=reports.append))
    except RowsRefused as refusing:
        refusal = refusing.message
    except DatabaseUnreachable as error:
        raise Leave(f"{error.message} Is the fleet, or `gcpay up`, running?", Exit.UNAVAILABLE) from error
    except PermissionMissing as error:
        raise Leave(
            "An import writes payments, history and books: connect as their owner (DATABASE_USER_SECRET).", Exit.USAGE
        ) from error
    finally:
        database.close()
    _print(reports[-1], performed, refusal, as_json=as_json)
    ok = refusal is None and len(reports[-1].refused) == refused
    return Exit.OK if ok else Exit.NO


def _print(imported: Imported, performed: Performed | None, refusal: str | None, *, as_json: bool) -> None:
    entry = None if performed is None else performed.entry
    if as_json:
        said = {"changed": entry is not None, "refusal": refusal, **imported.as_json()}
        click.echo(
            json.dumps(said | {"entry": None if entry is None else {"number": entry.number, "hash": entry.hash}})
        )
        return
    for line in imported.lines():
        click.echo(line)
    if entry is not None:
        click.echo(f"Done, and in the operator log as entry {entry.number} ({entry.hash[:16]}).")
    else:
        click.echo(f"Nothing was imported: {refusal}." if refusal else "Nothing was imported. Say --yes to do it.")
