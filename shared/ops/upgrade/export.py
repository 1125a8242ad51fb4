"""The predecessor's two tables as files, written by psql from one snapshot of its database:

    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    \\copy payout_accumulation TO payout_accumulation.csv WITH (FORMAT csv, HEADER)
    \\copy batch_conversions TO batch_conversions.csv WITH (FORMAT csv, HEADER)
    COMMIT;

Files and not a connection: what was imported can be read, counted and kept as it was, its hash stands in the operator
log, a rehearsal and the import see the same, and nobody needs the predecessor's password twice. CSV keeps every digit.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Final

from shared.lifecycle import Refused

PAYMENTS_FILE: Final = "payout_accumulation.csv"
BATCHES_FILE: Final = "batch_conversions.csv"
_PAYMENT_COLUMNS: Final = (
    *("id", "client_id", "user_id", "subscription_id", "payment_amount_usd", "payment_currency", "payment_timestamp"),
    *("accumulated_amount_usdt", "client_wallet_address", "client_payout_currency", "client_payout_network"),
    *("is_paid_out", "conversion_status", "batch_conversion_id"),
)
# From 2025-11-02 on; an older export does not have them.
_GATEWAY_COLUMNS: Final = ("nowpayments_payment_id", "nowpayments_pay_address", "nowpayments_outcome_amount")
_BATCH_COLUMNS: Final = (
    *("batch_conversion_id", "total_eth_usd", "cn_api_id", "payin_address", "conversion_status"),
    *("actual_usdt_received", "conversion_tx_hash", "created_at"),
)

Raw = Mapping[str, str]
"""One row as the file has it, by column; what is not there is ''."""


class ExportWrong(Refused):
    """A file is not there, or is not what psql writes; nothing was read of it."""

    code: ClassVar[str] = "export_wrong"


@dataclass(frozen=True, slots=True)
class Export:
    """The rows of both files, and the hash of each file's bytes by its name."""

    payments: Sequence[Raw]
    batches: Mapping[str, Raw]
    hashes: Mapping[str, str]


def read_export(folder: Path) -> Export:
    """Both files of the folder, whole. Raises ExportWrong with the file, the line and the rule."""
    payments, payments_hash = _rows(folder / PAYMENTS_FILE, _PAYMENT_COLUMNS, _GATEWAY_COLUMNS)
    batches, batches_hash = _rows(folder / BATCHES_FILE, _BATCH_COLUMNS, ())
    by_id = {row["batch_conversion_id"]: row for row in batches}
    if len(by_id) != len(batches):
        raise ExportWrong(f"{BATCHES_FILE} has a batch_conversion_id twice.")
    return Export(payments, by_id, {PAYMENTS_FILE: payments_hash, BATCHES_FILE: batches_hash})


def _rows(path: Path, needed: Sequence[str], optional: Sequence[str]) -> tuple[list[Raw], str]:
    try:
        content = path.read_bytes()
        text = content.decode()
    except OSError as error:
        raise ExportWrong(f"{path.name} cannot be read in {path.parent}.") from error
    except UnicodeDecodeError as error:
        raise ExportWrong(f"{path.name} is not UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Raw] = []
    try:
        header = next(reader, [])
        missing = [column for column in needed if column not in header]
        if missing:
            raise ExportWrong(f"{path.name} has no column {', '.join(missing)}.")
        for values in reader:
            if len(values) != len(header):
                raise ExportWrong(f"{path.name} line {reader.line_num} has {len(values)} values, not {len(header)}.")
            said = dict(zip(header, values, strict=True))
            rows.append({column: said.get(column, "") for column in (*needed, *optional)})
    except csv.Error as error:
        raise ExportWrong(f"{path.name} line {reader.line_num} is not CSV: {error}.") from error
    return rows, sha256(content).hexdigest()
