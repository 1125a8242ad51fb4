"""Where the database is and how patient we are with it. The names are those that operators know from the deployment."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings


class DatabaseSettings(BaseSettings):
    """CLOUD_SQL_CONNECTION_NAME in production, DATABASE_HOST and DATABASE_PORT elsewhere: exactly one of the two."""

    cloud_sql_connection_name: str = Field("", description="project:region:instance; empty outside the cloud")
    database_ip_type: Literal["private", "public", "psc"] = Field(
        "private", description="which address of the Cloud SQL instance is used"
    )
    database_host: str = Field("", description="host, or the absolute path of the folder of a Unix socket")
    database_port: int = Field(5432, ge=1, le=65535, description="port, used with DATABASE_HOST")
    database_name_secret: SecretStr = Field(description="name of the database")
    database_user_secret: SecretStr = Field(description="role of this service, or its IAM user")
    database_password_secret: SecretStr | None = Field(None, description="absent: IAM authentication")
    database_pool_size: int = Field(8, ge=1, le=100, description="connections per process; one per thread is enough")
    database_statement_timeout_ms: int = Field(5_000, ge=100, le=600_000, description="a statement is cancelled after")
    database_lock_timeout_ms: int = Field(2_000, ge=100, le=600_000, description="waiting for a lock ends after")

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if bool(self.cloud_sql_connection_name) == bool(self.database_host):
            raise ValueError("set either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST, and not both")
        return self
