"""The Cloud Tasks service of the sandbox: the genuine client speaks to it over gRPC, and it can go wrong on command.

Public: command (argv of the process), TaskControl (its control port), Fault, FaultKind. The service for use inside a
test is `shared.sandbox.tasks.service.TaskService`; it is not imported here because gRPC costs half a second.
"""

from shared.sandbox.tasks.command import command
from shared.sandbox.tasks.control_client import TaskControl
from shared.sandbox.tasks.faults import Fault, FaultKind

__all__ = ["Fault", "FaultKind", "TaskControl", "command"]
