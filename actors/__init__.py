"""Erlang/OTP's process model on trio: actors, links, monitors, exit reasons, timers, names, groups.

An actor is an object with a mailbox. It handles one message at a time, may crash without harming
others, and is seen only through its `Ref`::

    @dataclass(frozen=True, slots=True)
    class Add(Request[int]):
        amount: int

    class Counter(Actor):
        def __init__(self, start: int) -> None:
            self.value = start

        @on(Add)
        def add(self, request: Add) -> int:
            self.value += request.amount
            return self.value

    async with open_system() as system:
        counter = await system.spawn(Counter, 5)
        assert await counter.call(Add(3)) == 8

`Actor` describes the life of an actor, `Ref` what others may do with it, `open_system` the world
around both; `Registry` and `Groups` find actors by keys and by the groups they have joined.
"""

from actors.actor import Actor
from actors.behaviours.agent import Agent, AgentGet, AgentGetAndUpdate, AgentUpdate
from actors.behaviours.state_machine import StateMachine, on_enter
from actors.behaviours.task_actor import TaskActor
from actors.behaviours.tasks import (
    Task,
    TaskFailed,
    TaskOutcome,
    TaskStream,
    TimedOut,
    start_task,
    stream_tasks,
)
from actors.behaviours.timers import TimerRef
from actors.calling.multicall import MultiReply, abcast, multi_call
from actors.calling.reply import ReplyTo
from actors.calling.requests import Requests
from actors.embedding.portal import Portal
from actors.embedding.thread_system import open_system_in_thread
from actors.errors import (
    ActorError,
    AlreadyStarted,
    Busy,
    CallCycle,
    CalleeDied,
    CallError,
    CallTimeout,
    Ignore,
    LeftOpen,
    Reject,
    StartFailed,
    Stop,
    StopFailed,
    SystemStopped,
    Unhandled,
    Unwind,
    UpgradeFailed,
    WaitTimeout,
)
from actors.handlers import on
from actors.lifecycle.links import MonitorRef
from actors.mailboxes.rules import MailboxPolicy
from actors.messages import NO_REPLY, Answer, Down, Exit, NoReply, Request, Timeout
from actors.naming.aliases import Alias
from actors.naming.groups import Groups, Joined, Left
from actors.naming.registrations import (
    AlreadyRegistered,
    Entry,
    NotRegistered,
    Registered,
    Unregistered,
    ValueUpdated,
)
from actors.naming.registry import Registry
from actors.naming.subscriptions import Change, FellBehind, Subscription
from actors.naming.via import Via
from actors.observing.events import (
    CollectorPause,
    DeadLetter,
    EventStream,
    EventSubscription,
    Started,
    Stopped,
)
from actors.observing.inspection import ActorStatus
from actors.observing.metrics import Metric
from actors.observing.reports import CrashReport, LongHandler, MailboxAlarm, Report, ZombieReport
from actors.observing.statistics import ActorStatistics, LogEvent
from actors.observing.tracing import Trace
from actors.observing.tree import Node
from actors.reasons import Crashed, ExitReason, Ignored, Killed, NoProc, Normal, Shutdown
from actors.ref import LocalRef, Ref
from actors.scheduling.signals import Signal
from actors.system import System, open_system
from actors.upgrading.upgrade import UpgradeReport

__all__ = [
    "NO_REPLY",
    "Actor",
    "ActorError",
    "ActorStatistics",
    "ActorStatus",
    "Agent",
    "AgentGet",
    "AgentGetAndUpdate",
    "AgentUpdate",
    "Alias",
    "AlreadyRegistered",
    "AlreadyStarted",
    "Answer",
    "Busy",
    "CallCycle",
    "CallError",
    "CallTimeout",
    "CalleeDied",
    "Change",
    "CollectorPause",
    "CrashReport",
    "Crashed",
    "DeadLetter",
    "Down",
    "Entry",
    "EventStream",
    "EventSubscription",
    "Exit",
    "ExitReason",
    "FellBehind",
    "Groups",
    "Ignore",
    "Ignored",
    "Joined",
    "Killed",
    "Left",
    "LeftOpen",
    "LocalRef",
    "LogEvent",
    "LongHandler",
    "MailboxAlarm",
    "MailboxPolicy",
    "Metric",
    "MonitorRef",
    "MultiReply",
    "NoProc",
    "NoReply",
    "Node",
    "Normal",
    "NotRegistered",
    "Portal",
    "Ref",
    "Registered",
    "Registry",
    "Reject",
    "ReplyTo",
    "Report",
    "Request",
    "Requests",
    "Shutdown",
    "Signal",
    "StartFailed",
    "Started",
    "StateMachine",
    "Stop",
    "StopFailed",
    "Stopped",
    "Subscription",
    "System",
    "SystemStopped",
    "Task",
    "TaskActor",
    "TaskFailed",
    "TaskOutcome",
    "TaskStream",
    "TimedOut",
    "Timeout",
    "TimerRef",
    "Trace",
    "Unhandled",
    "Unregistered",
    "Unwind",
    "UpgradeFailed",
    "UpgradeReport",
    "ValueUpdated",
    "Via",
    "WaitTimeout",
    "ZombieReport",
    "abcast",
    "multi_call",
    "on",
    "on_enter",
    "open_system",
    "open_system_in_thread",
    "start_task",
    "stream_tasks",
]
