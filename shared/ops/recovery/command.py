"""`gcpay recover-account`: the recovery for a person at the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from pydantic import Field, SecretStr

from shared.archive import ArchiveSettings, archive_at
from shared.chain import ChainSettings
from shared.db import Database, PermissionMissing, roles
from shared.db.settings import DatabaseSettings
from shared.lifecycle import Limits
from shared.ops.exits import Exit, Leave
from shared.ops.recovery.recover import Recovery, recover
from shared.ops.where import is_sandbox, settings_from
from shared.telemetry import new_trace

if TYPE_CHECKING:
    from pathlib import Path


class RecoverySettings(DatabaseSettings, ChainSettings, ArchiveSettings):
    """What a recovery needs: the database as the owner of the tables, the chain, the archive. No key."""

    time_scale: int = Field(default=1, ge=1, description="as the services have it")


def recover_account(
    root: Path,
    *,
    by: str,
    reason: str,
    account: str | None,
    dry_run: bool,
    accept_foreign: tuple[str, ...],
    accept_archive: bool,
    as_json: bool,
) -> Exit:
    """Run one recovery and print its report. 1 when the account stays frozen because something is not explained."""
    from shared.chain import EthereumChain  # half a second of web3

    settings = settings_from(root, RecoverySettings)
    if is_sandbox():  # whose operator only reads; there everybody may connect as the owner
        settings = settings.model_copy(update={"database_user_secret": SecretStr(roles.OWNER)})
    database = Database.from_settings(settings, "gcpay-recovery")
    try:
        report = recover(
            Recovery(
                database=database,
                chain=EthereumChain.from_settings(settings),
                archive=archive_at(settings.signed_bytes_archive),
                by=by,
                reason=reason,
                now=datetime.now(UTC),
                trace=new_trace(),
                account=account,
                chain_id=settings.chain_id,
                dry_run=dry_run,
                accept_foreign=accept_foreign,
                accept_archive=accept_archive,
                limits=Limits(settings.time_scale),
            )
        )
    except PermissionMissing as error:
        raise Leave(
            "A recovery writes the tables of all services: connect as their owner (DATABASE_USER_SECRET).", Exit.USAGE
        ) from error
    finally:
        database.close()
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else "\n".join(report.lines()))
    return Exit.NO if report.unexplained else Exit.OK
