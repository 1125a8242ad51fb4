"""The gRPC face of the service: google.cloud.tasks.v2.CloudTasks, made from the library's own message types."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.cloud.tasks_v2.types import (
    CreateQueueRequest,
    CreateTaskRequest,
    DeleteQueueRequest,
    DeleteTaskRequest,
    GetQueueRequest,
    GetTaskRequest,
    ListQueuesRequest,
    ListQueuesResponse,
    ListTasksRequest,
    ListTasksResponse,
    PauseQueueRequest,
    PurgeQueueRequest,
    Queue,
    ResumeQueueRequest,
    RunTaskRequest,
    Task,
    UpdateQueueRequest,
)
from google.protobuf.empty_pb2 import Empty

from shared.sandbox.journal import Journal
from shared.sandbox.tasks import rules
from shared.sandbox.tasks.faults import Fault, FaultKind, Faults
from shared.sandbox.tasks.rules import Rejected
from shared.sandbox.tasks.store import Fate, Store

SERVICE = "google.cloud.tasks.v2.CloudTasks"
_MAX_PAGE = 1000
_LONGEST_SILENCE_S = 60.0
_POLL_S = 0.02

T = TypeVar("T")


class CloudTasksApi:
    """One method per call of the API. A method raises Rejected for every answer that is not a success."""

    def __init__(self, store: Store, faults: Faults, journal: Journal, signs_identity: bool) -> None:
        self._store, self._faults, self._journal = store, faults, journal
        self._signs_identity = signs_identity
        self._stopped = False

    def registration(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """What a gRPC server needs to serve the API. Calls outside it (IAM, batches, CMEK) are UNIMPLEMENTED."""
        calls: dict[str, tuple[Callable[[Any, grpc.ServicerContext], Any], Any, Any]] = {
            "CreateQueue": (self.create_queue, CreateQueueRequest, Queue),
            "GetQueue": (self.get_queue, GetQueueRequest, Queue),
            "ListQueues": (self.list_queues, ListQueuesRequest, ListQueuesResponse),
            "UpdateQueue": (self.update_queue, UpdateQueueRequest, Queue),
            "DeleteQueue": (self.delete_queue, DeleteQueueRequest, None),
            "PurgeQueue": (self.purge_queue, PurgeQueueRequest, Queue),
            "PauseQueue": (self.pause_queue, PauseQueueRequest, Queue),
            "ResumeQueue": (self.resume_queue, ResumeQueueRequest, Queue),
            "CreateTask": (self.create_task, CreateTaskRequest, Task),
            "GetTask": (self.get_task, GetTaskRequest, Task),
            "ListTasks": (self.list_tasks, ListTasksRequest, ListTasksResponse),
            "DeleteTask": (self.delete_task, DeleteTaskRequest, None),
            "RunTask": (self.run_task, RunTaskRequest, Task),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE, {name: _unary(call, asked, answered) for name, (call, asked, answered) in calls.items()}
        )

    def stop(self) -> None:
        """End the calls that are being kept silent."""
        self._stopped = True

    # ---- queues

    def create_queue(self, request: CreateQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """CreateQueue."""
        rules.check_parent(request.parent)
        if not request.queue.name.startswith(request.parent + "/queues/"):
            raise rules.invalid("The queue's name must begin with the parent of the request")
        return self._store.create_queue(request.queue, time.time())

    def get_queue(self, request: GetQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """GetQueue."""
        return self._store.queue(rules.check_queue_name(request.name))

    def list_queues(self, request: ListQueuesRequest, _context: grpc.ServicerContext) -> ListQueuesResponse:
        """ListQueues; a filter is not supported."""
        if request.filter:
            raise Rejected(grpc.StatusCode.UNIMPLEMENTED, "ListQueues.filter is not supported here")
        found = self._store.queues(rules.check_parent(request.parent))
        page, following = _page(found, request.page_size, request.page_token)
        return ListQueuesResponse(queues=page, next_page_token=following)

    def update_queue(self, request: UpdateQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """UpdateQueue. With a mask, settings outside it stay as they are."""
        queue = Queue(request.queue)
        if request.update_mask.paths:
            present = self._store.queue(rules.check_queue_name(queue.name))
            named = {path.split(".")[0] for path in request.update_mask.paths}
            for part in {"rate_limits", "retry_config"} - named:
                setattr(queue, part, getattr(present, part))
        return self._store.update_queue(queue, time.time())

    def delete_queue(self, request: DeleteQueueRequest, _context: grpc.ServicerContext) -> Empty:
        """DeleteQueue."""
        self._store.delete_queue(rules.check_queue_name(request.name), time.time())
        return Empty()

    def purge_queue(self, request: PurgeQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """PurgeQueue; at once, where Cloud Tasks takes up to a minute."""
        return self._store.purge(rules.check_queue_name(request.name), time.time())

    def pause_queue(self, request: PauseQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """PauseQueue."""
        return self._store.set_running(rules.check_queue_name(request.name), False)

    def resume_queue(self, request: ResumeQueueRequest, _context: grpc.ServicerContext) -> Queue:
        """ResumeQueue."""
        return self._store.set_running(rules.check_queue_name(request.name), True)

    # ---- tasks

    def create_task(self, request: CreateTaskRequest, context: grpc.ServicerContext) -> Task:
        """CreateTask, with the faults that strike on this side of the queue."""
        queue_name = rules.check_queue_name(request.parent)
        queue_id, url = rules.short(queue_name), request.task.http_request.url
        where = (queue_id, url, rules.short(request.task.name))
        if fault := self._faults.strike(FaultKind.REFUSE_CREATE, *where):
            self._journal.write("task_create_refused_by_fault", queue=queue_id, task=where[2], url=url)
            self._answer_wrongly(fault, context)
        if "oidc_token" in request.task.http_request and not self._signs_identity:
            raise Rejected(grpc.StatusCode.FAILED_PRECONDITION, "No identity issuer: start with --issuer-url")
        task = self._store.add(queue_name, request.task, time.time(), self._fate_of)
        task_id = rules.short(task.name)
        self._journal.write("task_created", queue=queue_id, task=task_id, url=url, schedule=task.schedule_time)
        if fault := self._faults.strike(FaultKind.LOSE_CREATE_ANSWER, queue_id, url, task_id):
            self._journal.write("task_create_answer_lost", queue=queue_id, task=task_id, url=url)
            self._answer_wrongly(fault, context)
        return _as_seen(task, request.response_view)

    def get_task(self, request: GetTaskRequest, _context: grpc.ServicerContext) -> Task:
        """GetTask."""
        return _as_seen(self._store.task(rules.check_task_name(request.name)), request.response_view)

    def list_tasks(self, request: ListTasksRequest, _context: grpc.ServicerContext) -> ListTasksResponse:
        """ListTasks."""
        found = self._store.tasks(rules.check_queue_name(request.parent))
        page, following = _page(found, request.page_size, request.page_token)
        seen = [_as_seen(task, request.response_view) for task in page]
        return ListTasksResponse(tasks=seen, next_page_token=following)

    def delete_task(self, request: DeleteTaskRequest, _context: grpc.ServicerContext) -> Empty:
        """DeleteTask."""
        self._store.delete(rules.check_task_name(request.name), time.time())
        return Empty()

    def run_task(self, request: RunTaskRequest, _context: grpc.ServicerContext) -> Task:
        """RunTask."""
        return _as_seen(self._store.force(rules.check_task_name(request.name)), request.response_view)

    # ---- faults

    def _fate_of(self, task: Task) -> Fate:
        where = (rules.short(rules.queue_of(task.name)), task.http_request.url, rules.short(task.name))
        lost = self._faults.strike(FaultKind.LOSE_TASK, *where) is not None
        late = self._faults.strike(FaultKind.DELAY, *where)
        return Fate(late.delay_s if late else 0.0, lost)

    def _answer_wrongly(self, fault: Fault, context: grpc.ServicerContext) -> None:
        """End the call as a broken connection or an overdue answer would look to the client."""
        if fault.answer == "UNAVAILABLE":
            raise Rejected(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
        silent_until = time.monotonic() + _LONGEST_SILENCE_S
        while fault.answer == "SILENCE" and context.is_active() and not self._stopped:
            if time.monotonic() > silent_until:
                break
            time.sleep(_POLL_S)
        raise Rejected(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def _unary(
    call: Callable[[Any, grpc.ServicerContext], Any], asked: Any, answered: Any
) -> "grpc.RpcMethodHandler[Any, Any]":
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(request, context)
        except Rejected as no:
            context.abort(no.code, no.message)

    serialize = Empty.SerializeToString if answered is None else answered.serialize
    return grpc.unary_unary_rpc_method_handler(answer, asked.deserialize, serialize)


def _as_seen(task: Task, view: Task.View) -> Task:
    """The BASIC view, which is the default, leaves the body out."""
    if view != Task.View.FULL:
        task.http_request.body = b""
    task.view = Task.View(Task.View.FULL if view == Task.View.FULL else Task.View.BASIC)
    return task


def _page(found: list[T], size: int, token: str) -> tuple[list[T], str]:
    if size < 0 or not (token or "0").isdecimal():
        raise rules.invalid("Invalid page_size or page_token")
    begin = int(token or "0")
    end = begin + min(size or _MAX_PAGE, _MAX_PAGE)
    return found[begin:end], str(end) if end < len(found) else ""
