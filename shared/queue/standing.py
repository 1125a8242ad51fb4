"""How the queues stand that a service makes tasks in: asked of Cloud Tasks by its own client, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable

from shared.queue.cloud_tasks import connected
from shared.queue.settings import TasksSettings

_LIMIT_S = 5.0


def queues_that_do_not_run(settings: TasksSettings, queues: Iterable[str]) -> dict[str, str]:
    """What is wrong with each queue that takes or delivers no task now, as the end of a sentence."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.tasks_v2 import Queue

    wrong: dict[str, str] = {}
    client = connected(settings.cloud_tasks_endpoint)
    parent = f"projects/{settings.cloud_tasks_project_id}/locations/{settings.cloud_tasks_location}"
    try:
        for queue in queues:
            try:
                found = client.get_queue(name=f"{parent}/queues/{queue}", retry=None, timeout=_LIMIT_S)
            except exceptions.NotFound:
                wrong[queue] = f"does not exist in {parent}"
            except (exceptions.Forbidden, exceptions.Unauthorized):
                wrong[queue] = "may not be looked at: grant roles/cloudtasks.viewer"
            except (exceptions.GoogleAPIError, GoogleAuthError) as error:
                wrong[queue] = f"could not be looked at ({type(error).__name__})"
            else:
                if found.state != Queue.State.RUNNING:
                    wrong[queue] = f"is {Queue.State(found.state).name.lower()}: its tasks wait"
    finally:
        client.transport.close()  # type: ignore[no-untyped-call]
    return wrong
