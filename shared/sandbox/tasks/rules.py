"""What Cloud Tasks accepts: names, sizes, addresses, queue settings. Everything else is INVALID_ARGUMENT.

Sources: the field texts of the google-cloud-tasks library and the quota page of Cloud Tasks.
"""

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import grpc
from google.cloud.tasks_v2.types import HttpMethod, Queue, RateLimits, RetryConfig, Task

from shared.sandbox.tasks.times import moment, span

MAX_TASK_BYTES = 100 * 1024
MAX_URL_CHARS = 2083
MAX_SCHEDULE_AHEAD = timedelta(days=30)
DEFAULT_DISPATCH_DEADLINE = timedelta(minutes=10)
_DISPATCH_DEADLINE_RANGE = (timedelta(seconds=15), timedelta(minutes=30))
_MAX_DISPATCHES_PER_SECOND, _MAX_CONCURRENT_DISPATCHES = 500, 5000

_PARENT = re.compile(r"projects/[a-zA-Z0-9:.-]+/locations/[a-zA-Z0-9-]+")
_QUEUE = re.compile(_PARENT.pattern + r"/queues/[a-zA-Z0-9-]{1,100}")
_TASK = re.compile(_QUEUE.pattern + r"/tasks/[a-zA-Z0-9_-]{1,500}")
_METHODS_WITH_BODY = {HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH}
_OURS = ("host", "content-length", "user-agent", "x-google-", "x-appengine-", "x-cloudtasks-")


class Rejected(Exception):
    """The service says no, with a gRPC status and a sentence for the caller."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> Rejected:
    """INVALID_ARGUMENT."""
    return Rejected(grpc.StatusCode.INVALID_ARGUMENT, message)


def check_parent(name: str) -> str:
    """A location's name, or INVALID_ARGUMENT."""
    return _named(_PARENT, name, "projects/PROJECT_ID/locations/LOCATION_ID")


def check_queue_name(name: str) -> str:
    """A queue's name, or INVALID_ARGUMENT."""
    return _named(_QUEUE, name, "projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID")


def check_task_name(name: str) -> str:
    """A task's name, or INVALID_ARGUMENT."""
    return _named(_TASK, name, "projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID/tasks/TASK_ID")


def queue_of(task_name: str) -> str:
    """The queue part of a task's name."""
    return task_name.rpartition("/tasks/")[0]


def short(name: str) -> str:
    """The last part of a name."""
    return name.rpartition("/")[2]


def complete_queue(asked: Queue) -> Queue:
    """The queue as it will run: the caller's settings with Google's defaults for what he left out."""
    retry, rate = asked.retry_config, asked.rate_limits
    if retry.max_attempts < -1:
        raise invalid("retry_config.max_attempts must be -1 or more")
    if not 0 <= rate.max_dispatches_per_second <= _MAX_DISPATCHES_PER_SECOND:
        raise invalid(f"rate_limits.max_dispatches_per_second must be up to {_MAX_DISPATCHES_PER_SECOND}")
    if not 0 <= rate.max_concurrent_dispatches <= _MAX_CONCURRENT_DISPATCHES:
        raise invalid(f"rate_limits.max_concurrent_dispatches must be up to {_MAX_CONCURRENT_DISPATCHES}")
    if not 0 <= retry.max_doublings <= 16:
        raise invalid("retry_config.max_doublings must be 0 to 16")
    min_backoff = span(retry.min_backoff) if "min_backoff" in retry else timedelta(milliseconds=100)
    max_backoff = span(retry.max_backoff) if "max_backoff" in retry else timedelta(hours=1)
    if not timedelta(0) <= min_backoff <= max_backoff:
        raise invalid("retry_config.min_backoff must not be over max_backoff")
    per_second = rate.max_dispatches_per_second or float(_MAX_DISPATCHES_PER_SECOND)
    return Queue(
        name=check_queue_name(asked.name),
        state=Queue.State.RUNNING,
        rate_limits=RateLimits(
            max_dispatches_per_second=per_second,
            # "Generally at least equal to max_dispatches_per_second."
            max_burst_size=max(1, int(per_second)),
            max_concurrent_dispatches=rate.max_concurrent_dispatches or 1000,
        ),
        retry_config=RetryConfig(
            max_attempts=retry.max_attempts or 100,
            max_retry_duration=retry.max_retry_duration if "max_retry_duration" in retry else timedelta(0),
            min_backoff=min_backoff,
            max_backoff=max_backoff,
            # Zero doublings and "not said" look alike in proto3; whoever sets back-offs means the zero.
            max_doublings=retry.max_doublings if "min_backoff" in retry or retry.max_doublings else 16,
        ),
    )


def check_task(task: Task, queue_name: str, now: datetime) -> None:
    """Refuse what Cloud Tasks would refuse about a new task, its existence aside."""
    if task.name and queue_of(check_task_name(task.name)) != queue_name:
        raise invalid("The queue name from request ('parent') must be the same as the queue of the task.")
    if "http_request" not in task:
        raise invalid("Task.http_request is required: this service has HTTP targets only")
    if len(Task.serialize(task)) > MAX_TASK_BYTES:
        raise invalid(f"Task size too large. Task size must not exceed {MAX_TASK_BYTES} bytes.")
    _check_url(task.http_request.url)
    request = task.http_request
    if request.body and (request.http_method or HttpMethod.POST) not in _METHODS_WITH_BODY:
        raise invalid("HttpRequest.body is allowed with POST, PUT and PATCH only")
    if "oauth_token" in request:
        raise invalid("HttpRequest.oauth_token is not supported here; use oidc_token")
    if "oidc_token" in request and "@" not in request.oidc_token.service_account_email:
        raise invalid("OidcToken.service_account_email must be an e-mail address")
    for name, value in request.headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n\0]", value):
            raise invalid(f"HttpRequest.headers: {name!r} is not a valid header")
    if "schedule_time" in task and moment(task.schedule_time) - now > MAX_SCHEDULE_AHEAD:
        raise invalid("Task.schedule_time must not be more than 30 days in the future")
    low, high = _DISPATCH_DEADLINE_RANGE
    if "dispatch_deadline" in task and not low <= span(task.dispatch_deadline) <= high:
        raise invalid("Task.dispatch_deadline must be between 15s and 1800s")


def caller_headers(task: Task) -> dict[str, str]:
    """The headers a client may set; those that Cloud Tasks owns are dropped, as documented."""
    return {name: value for name, value in task.http_request.headers.items() if not name.lower().startswith(_OURS)}


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise invalid("HttpRequest.url is required and must begin with http:// or https://")
    if len(url) > MAX_URL_CHARS:
        raise invalid(f"HttpRequest.url must not be longer than {MAX_URL_CHARS} characters")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise invalid("HttpRequest.url must not contain spaces or control characters")
    try:
        port_is_fine, host = urlsplit(url).port != 0, urlsplit(url).hostname
    except ValueError:
        port_is_fine, host = False, None
    if not host or not port_is_fine:
        raise invalid("HttpRequest.url must name a host and, if any, a valid port")


def _named(pattern: re.Pattern[str], name: str, shape: str) -> str:
    if not pattern.fullmatch(name):
        raise invalid(f'Invalid resource name: expected the form "{shape}"')
    return name
