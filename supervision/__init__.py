"""Supervisors in OTP's sense: actors that start, restart and stop other actors.

    class Store(Actor): ...

    specs = [
        ChildSpec("store", Store),
        ChildSpec("sessions", DynamicSupervisor, restart="permanent"),
    ]
    ref = await system.spawn(Supervisor, specs, strategy="rest_for_one", name="top")

``supervisor.py`` and ``dynamic_supervisor.py`` state the contracts of the two kinds,
``child_spec.py`` the fields of a spec, ``requests.py`` what one may ask a supervisor.
"""

from supervision.application import (
    Application,
    ApplicationController,
    ApplicationEnded,
    ApplicationFailed,
    ApplicationInUse,
    ApplicationNotFound,
    RunningApplication,
    StartApplication,
    StopApplication,
    StopReport,
    WhichApplications,
    open_application,
)
from supervision.backoff import Backoff, BackoffError
from supervision.budget import Budget, BudgetError
from supervision.child_spec import (
    AutoShutdown,
    ChildDefaults,
    ChildSpec,
    ChildSpecError,
    ChildType,
    ShutdownTime,
    child_spec,
)
from supervision.decision import Restart
from supervision.dynamic_supervisor import DynamicSupervisor
from supervision.flags import FlagError, Strategy
from supervision.partition_supervisor import PartitionName, PartitionSupervisor, partition_of
from supervision.reports import Offender, Restarted, SupervisorReport
from supervision.requests import (
    ChildAlreadyPresent,
    ChildCounts,
    ChildInfo,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    SupervisorError,
    TerminateChild,
    TooManyChildren,
    UnsupportedRequest,
    WhichChildren,
)
from supervision.starting import FailedToStartChild
from supervision.supervisor import Supervisor
from supervision.tasks import TaskSupervisor

__all__ = [
    "Application",
    "ApplicationController",
    "ApplicationEnded",
    "ApplicationFailed",
    "ApplicationInUse",
    "ApplicationNotFound",
    "AutoShutdown",
    "Backoff",
    "BackoffError",
    "Budget",
    "BudgetError",
    "ChildAlreadyPresent",
    "ChildCounts",
    "ChildDefaults",
    "ChildInfo",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildSpecError",
    "ChildType",
    "CountChildren",
    "DeleteChild",
    "DynamicSupervisor",
    "FailedToStartChild",
    "FlagError",
    "GetChildSpec",
    "InvalidChildSpec",
    "Offender",
    "PartitionName",
    "PartitionSupervisor",
    "Restart",
    "RestartChild",
    "Restarted",
    "RunningApplication",
    "ShutdownTime",
    "StartApplication",
    "StartChild",
    "StopApplication",
    "StopReport",
    "Strategy",
    "Supervisor",
    "SupervisorError",
    "SupervisorReport",
    "TaskSupervisor",
    "TerminateChild",
    "TooManyChildren",
    "UnsupportedRequest",
    "WhichApplications",
    "WhichChildren",
    "child_spec",
    "open_application",
    "partition_of",
]
