"""Where the database is and how patient we are with it. The names are those that operators know from the deployment."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from shared.settings import Range, Unit

_INSTANCE = r"^([a-z0-9.:-]+:[a-z0-9-]+:[a-z0-9-]+)?$"
_NAME = re.compile(r"[!#-&(-.0-\[\]-~]{1,63}")
_HOST = r"^(|[A-Za-z0-9._-]{1,253}|[0-9a-fA-F:]{2,45}|/[!-~]{1,100})$"


def _name(value: SecretStr) -> SecretStr:
    if _NAME.fullmatch(value.get_secret_value()) is None:
        raise ValueError("must be 1 to 63 characters of printable ASCII without blanks, quotes and slashes")
    return value


_Name = Annotated[SecretStr, AfterValidator(_name), Range("at most 63 characters without blanks")]
_Password = Annotated[SecretStr, Field(max_length=1_000), Range("at most 1000 characters")]


class DatabaseSettings(BaseSettings):
    """CLOUD_SQL_CONNECTION_NAME in production, DATABASE_HOST and DATABASE_PORT elsewhere: exactly one of the two."""

    cloud_sql_connection_name: Annotated[str, Range("project:region:instance")] = Field(
        "", pattern=_INSTANCE, description="the Cloud SQL instance; absent outside the cloud"
    )
    database_ip_type: Literal["private", "public", "psc"] = Field(
        "private", description="which address of the Cloud SQL instance is used"
    )
    database_host: Annotated[str, Range("a host, or an absolute path")] = Field(
        "", pattern=_HOST, description="host, or the absolute path of the folder of a Unix socket"
    )
    database_port: Annotated[int, Unit("port")] = Field(
        5432, ge=1, le=65535, description="port, used with DATABASE_HOST"
    )
    database_name_secret: _Name = Field(description="name of the database")
    database_user_secret: _Name = Field(description="role of this service, or its IAM user")
    database_password_secret: _Password | None = Field(None, description="absent: IAM authentication")
    database_pool_size: Annotated[int, Unit("connections")] = Field(
        8, ge=1, le=100, description="connections per process; one per thread is enough"
    )
    database_statement_timeout_ms: int = Field(5_000, ge=100, le=600_000, description="a statement is cancelled after")
    database_lock_timeout_ms: int = Field(2_000, ge=100, le=600_000, description="waiting for a lock ends after")

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if bool(self.cloud_sql_connection_name) == bool(self.database_host):
            raise ValueError("set either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST, and not both")
        return self
