"""Where tasks are made, for whom, and the secrets that seal their messages.

A service takes `TasksSettings` and one mixin per target that it sends to; the names are the predecessor's.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from shared.messages.keys import MIN_SECRET_BYTES
from shared.settings import Range

_MAX_SECRET_BYTES = 1_024
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_QUEUE = re.compile(r"[A-Za-z0-9-]{1,100}")
_PROJECT = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{1,40}")
_ENDPOINT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")


def _target_url(value: str) -> str:
    if _URL.fullmatch(value) is None:
        raise ValueError("must be an http(s) address without query, as https://service.example")
    return value.rstrip("/")


def _queue_name(value: str) -> str:
    if _QUEUE.fullmatch(value) is None:
        raise ValueError("must be a queue's short name: letters, digits and hyphens")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    size = len(value.get_secret_value().encode())
    if size < MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes")
    if size > _MAX_SECRET_BYTES:
        raise ValueError(f"must have at most {_MAX_SECRET_BYTES} bytes")
    return value


def _project(value: str) -> str:
    if _PROJECT.fullmatch(value) is None:
        raise ValueError("must be a project id: 3 to 63 lower-case letters, digits and hyphens")
    return value


def _location(value: str) -> str:
    if _LOCATION.fullmatch(value) is None:
        raise ValueError("must be a location such as us-central1")
    return value


def _endpoint(value: str) -> str:
    if value and _ENDPOINT.fullmatch(value) is None:
        raise ValueError("must be host:port, or absent for Google's own")
    return value


TargetUrl = Annotated[str, AfterValidator(_target_url), Range("http(s) address without query")]
QueueName = Annotated[str, AfterValidator(_queue_name), Range("letters, digits and hyphens")]
SigningKey = Annotated[
    SecretStr, AfterValidator(_long_enough), Range(f"{MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} bytes")
]
ProjectId = Annotated[str, AfterValidator(_project), Range("a project id")]
Location = Annotated[str, AfterValidator(_location), Range("a location such as us-central1")]
Endpoint = Annotated[str, AfterValidator(_endpoint), Range("host:port")]


class TasksSettings(BaseSettings):
    """What every service that makes or receives tasks needs."""

    cloud_tasks_project_id: ProjectId = Field(description="project of the queues")
    cloud_tasks_location: Location = Field(description="location of the queues")
    cloud_tasks_endpoint: Endpoint = Field(
        default="", description="host:port of a local task service, spoken to without TLS; absent: Google's"
    )
    success_url_signing_key: SigningKey = Field(description="secret of the fleet's own edges; seals and opens")
    success_url_signing_key_previous: SigningKey | None = Field(
        default=None, description="during a rotation: also opens, never seals"
    )


class UpstreamKeySettings(BaseSettings):
    """The secret of the edge on which upstream asks for instant payouts; the conductor's only."""

    tps_hostpay_signing_key: SigningKey = Field(description="secret shared with upstream")
    tps_hostpay_signing_key_previous: SigningKey | None = Field(default=None, description="during a rotation")


class ConductorUrl(BaseSettings):
    """The conductor as a target."""

    gchostpay1_url: TargetUrl = Field(description="the conductor's own URL, which is also its audience")


class ConductorBatchTarget(ConductorUrl):
    """Batches to pay, for the conductor."""

    gchostpay1_batch_queue: QueueName = Field("gchostpay1-batch-queue", description="the queue that carries them")


class ConductorResponseTarget(ConductorUrl):
    """Results for the conductor, and its own later looks."""

    gchostpay1_response_queue: QueueName = Field("gchostpay1-response-queue", description="the queue that carries them")


class WatcherTarget(BaseSettings):
    """Orders to look at, for the watcher."""

    gchostpay2_url: TargetUrl = Field(description="the watcher's own URL, which is also its audience")
    gchostpay2_queue: QueueName = Field("gchostpay2-status-check-queue", description="the queue that carries them")


class ExecutorUrl(BaseSettings):
    """The executor as a target."""

    gchostpay3_url: TargetUrl = Field(description="the executor's own URL, which is also its audience")


class ExecutorTarget(ExecutorUrl):
    """Orders to pay, for the executor."""

    gchostpay3_queue: QueueName = Field("gchostpay3-payment-exec-queue", description="the queue that carries them")


class ExecutorRetryTarget(ExecutorUrl):
    """The executor's own next steps."""

    gchostpay3_retry_queue: QueueName = Field("gchostpay3-retry-queue", description="the queue that carries them")


class BatcherTarget(BaseSettings):
    """Results for the batcher."""

    microbatch_url: TargetUrl = Field(description="the batcher's own URL, which is also its audience")
    microbatch_response_queue: QueueName = Field("microbatch-response-queue", description="the queue that carries them")


class BatcherAlertTarget(BaseSettings):
    """Alerts that the batcher has yet to deliver: notes to itself, on a queue that a slow sink may hold up."""

    microbatch_alert_queue: QueueName = Field("microbatch-alert-queue", description="the queue that carries them")
