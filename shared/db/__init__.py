"""The only room that talks to PostgreSQL: transactions, named queries, history, migrations, roles.

Transactions: `Database` (`transaction()`, `at_once()`, `read()`, `ping()`), `Connection`, `plain`, `Connect`.
Queries:      `Queries.load(path)` with `.one`, `.only`, `.all`, `.run`; `Query`, `Row`, `QueryFileWrong`, `whole`.
History:      `record`, `record_many`, `record_decision`, `record_decisions`, `story_of`, `NOTHING`,
              `evidence_text`, `sync_allowed_transitions`.
Alerts:       `Alert`, `raise_alert`, `refusal_recorder`.
Heartbeat:    `beat`, `tell_of_silent_jobs`, `scheduler_runs`, `SWEEP_EVERY`.
Schema:       `migrate`, `MigrationRefused`, `schema_is_current`, `missing_migrations`, `bootstrap_roles`,
              `apply_grants`, role names in `shared.db.roles`.
Errors:       `ConstraintViolated` (translate by `.constraint`), `CommitUnknown`, `DatabaseUnreachable`,
              `PoolExhausted`, `Contended`, `StatementTimedOut`, `PlanStale`, `PermissionMissing`,
              `QueryBroken`, `NotWhole`.
Settings:     `shared.db.settings.DatabaseSettings`.
"""

from shared.db.alerts import Alert, raise_alert, refusal_recorder
from shared.db.connect import plain
from shared.db.connection import Connection, NotWhole, whole
from shared.db.database import Database
from shared.db.errors import (
    CommitUnknown,
    ConstraintViolated,
    Contended,
    DatabaseUnreachable,
    PermissionMissing,
    PlanStale,
    PoolExhausted,
    QueryBroken,
    StatementTimedOut,
)
from shared.db.heartbeat import SWEEP_EVERY, beat, scheduler_runs, tell_of_silent_jobs
from shared.db.history import (
    NOTHING,
    evidence_text,
    record,
    record_decision,
    record_decisions,
    record_many,
    story_of,
    sync_allowed_transitions,
)
from shared.db.migrate import MigrationRefused, migrate
from shared.db.pool import Connect
from shared.db.queries import Queries, Query, QueryFileWrong, Row
from shared.db.roles import apply_grants, bootstrap_roles
from shared.db.schema import missing_migrations, schema_is_current

__all__ = [
    "NOTHING",
    "SWEEP_EVERY",
    "Alert",
    "CommitUnknown",
    "Connect",
    "Connection",
    "ConstraintViolated",
    "Contended",
    "Database",
    "DatabaseUnreachable",
    "MigrationRefused",
    "NotWhole",
    "PermissionMissing",
    "PlanStale",
    "PoolExhausted",
    "Queries",
    "Query",
    "QueryBroken",
    "QueryFileWrong",
    "Row",
    "StatementTimedOut",
    "apply_grants",
    "beat",
    "bootstrap_roles",
    "evidence_text",
    "migrate",
    "missing_migrations",
    "plain",
    "raise_alert",
    "record",
    "record_decision",
    "record_decisions",
    "record_many",
    "refusal_recorder",
    "scheduler_runs",
    "schema_is_current",
    "story_of",
    "sync_allowed_transitions",
    "tell_of_silent_jobs",
    "whole",
]
