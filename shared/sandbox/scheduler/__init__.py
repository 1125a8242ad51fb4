"""The Cloud Scheduler of the sandbox: posts to the fleet's periodic routes with an identity of its own.

Public: Job, Scheduler (in process), SchedulerControl (its control port), Tick, command (argv of the process).
"""

from shared.sandbox.scheduler.command import command
from shared.sandbox.scheduler.control_client import SchedulerControl
from shared.sandbox.scheduler.job import BadJob, Job
from shared.sandbox.scheduler.service import Scheduler
from shared.sandbox.scheduler.tick import Tick

__all__ = ["BadJob", "Job", "Scheduler", "SchedulerControl", "Tick", "command"]
