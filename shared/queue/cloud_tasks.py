"""The real task sender: Google's own client, made once per process, after the fork, at the first task."""

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.queue.sender import AlreadyExists, Made, QueueUnusable, TaskNotMade, TaskUnclear
from shared.queue.settings import TasksSettings
from shared.telemetry import current_span, traceparent

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient

# After the commit the caller waits for this; a task that is not made by then is the sweep's.
CREATE_LIMIT_S = 2.0
# How long a delivery may take before the queue counts it as failed. The slowest handler asks the exchange (20 s) or the
# chain's providers one after the other.
DISPATCH_DEADLINE = timedelta(seconds=120)
# A local task service that was restarted is found again within a second, not after gRPC's two minutes.
_LOCAL_CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class CloudTasksSender:
    """Makes tasks that carry this service's identity. Safe to share between threads."""

    def __init__(
        self, project: str, location: str, identity: str, endpoint: str = "", limit_s: float = CREATE_LIMIT_S
    ) -> None:
        self._project = project
        self._location = location
        self._identity = identity
        self._endpoint = endpoint
        self._limit_s = limit_s
        self._making_client = threading.Lock()
        self._made_client: CloudTasksClient | None = None

    @classmethod
    def from_settings(cls, settings: TasksSettings, identity: str) -> "CloudTasksSender":
        """The sender that the environment describes; connects at the first task."""
        return cls(
            project=settings.cloud_tasks_project_id,
            location=settings.cloud_tasks_location,
            identity=identity,
            endpoint=settings.cloud_tasks_endpoint,
        )

    def create(
        self,
        *,
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> Made | AlreadyExists:
        """As `TaskSender.create`; one attempt, two seconds."""
        from google.api_core import exceptions  # the client costs half a second: services start without it
        from google.auth.exceptions import GoogleAuthError

        try:
            client = self._client()
            client.create_task(
                request=self._request(client, name, queue, url, body, schedule_at, audience, trace),
                retry=None,
                timeout=self._limit_s,
            )
        except exceptions.AlreadyExists:
            return AlreadyExists()
        except (exceptions.TooManyRequests, GoogleAuthError) as error:
            raise TaskNotMade("The task service took no task now.") from error
        except (
            exceptions.InvalidArgument,
            exceptions.NotFound,
            exceptions.Forbidden,
            exceptions.Unauthorized,
            exceptions.FailedPrecondition,
            exceptions.MethodNotImplemented,
        ) as error:
            raise QueueUnusable(f"Queue {queue} does not take our task: {type(error).__name__}.") from error
        except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
            # Also ABORTED, which is a Conflict as AlreadyExists is, and says nothing about the task.
            raise TaskUnclear("The task service did not say whether the task was made.") from error
        return Made()

    def close(self) -> None:
        """Close the connection; the next task opens a new one."""
        with self._making_client:
            client, self._made_client = self._made_client, None
        if client is not None:
            client.transport.close()  # type: ignore[no-untyped-call]

    def _client(self) -> "CloudTasksClient":
        with self._making_client:
            if self._made_client is None:
                self._made_client = connected(self._endpoint)
            return self._made_client

    def _request(
        self,
        client: "CloudTasksClient",
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> Any:
        from google.cloud import tasks_v2
        from google.protobuf import duration_pb2, timestamp_pb2

        deadline = duration_pb2.Duration()
        deadline.FromTimedelta(DISPATCH_DEADLINE)
        task = tasks_v2.Task(
            name=client.task_path(self._project, self._location, queue, name),
            dispatch_deadline=deadline,
            http_request=tasks_v2.HttpRequest(
                http_method=tasks_v2.HttpMethod.POST,
                url=url,
                headers={"Content-Type": "application/json", "traceparent": traceparent(trace, current_span())},
                body=body,
                oidc_token=tasks_v2.OidcToken(service_account_email=self._identity, audience=audience),
            ),
        )
        if schedule_at is not None:
            at = timestamp_pb2.Timestamp()
            at.FromDatetime(schedule_at)
            task.schedule_time = at
        return tasks_v2.CreateTaskRequest(parent=client.queue_path(self._project, self._location, queue), task=task)


def connected(endpoint: str) -> "CloudTasksClient":
    """The genuine client: of Google, or of a local task service at host:port without TLS. Asks nothing yet."""
    from google.cloud.tasks_v2 import CloudTasksClient

    if not endpoint:
        return CloudTasksClient()
    import grpc
    from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

    # An endpoint in the client options alone would be spoken to with TLS.
    channel = grpc.insecure_channel(endpoint, options=_LOCAL_CHANNEL)
    return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
