"""Erlang/OTP's process model on trio: actors, links, monitors, exit reasons, timers, names.

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
around both.
"""

from actors.actor import Actor
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
    SystemStopped,
    Unhandled,
    Unwind,
    WaitTimeout,
)
from actors.handlers import on
from actors.links import MonitorRef
from actors.messages import NO_REPLY, Answer, Down, Exit, NoReply, Request
from actors.portal import Portal
from actors.reasons import Crashed, ExitReason, Ignored, Killed, NoProc, Normal, Shutdown
from actors.ref import LocalRef, Ref
from actors.reply import ReplyTo
from actors.reports import CrashReport, LongHandler, Report, ZombieReport
from actors.signals import Signal
from actors.system import System, open_system
from actors.task_actor import TaskActor
from actors.timers import TimerRef

__all__ = [
    "NO_REPLY",
    "Actor",
    "ActorError",
    "AlreadyStarted",
    "Answer",
    "Busy",
    "CallCycle",
    "CallError",
    "CallTimeout",
    "CalleeDied",
    "CrashReport",
    "Crashed",
    "Down",
    "Exit",
    "ExitReason",
    "Ignore",
    "Ignored",
    "Killed",
    "LeftOpen",
    "LocalRef",
    "LongHandler",
    "MonitorRef",
    "NoProc",
    "NoReply",
    "Normal",
    "Portal",
    "Ref",
    "Reject",
    "ReplyTo",
    "Report",
    "Request",
    "Shutdown",
    "Signal",
    "StartFailed",
    "Stop",
    "System",
    "SystemStopped",
    "TaskActor",
    "TimerRef",
    "Unhandled",
    "Unwind",
    "WaitTimeout",
    "ZombieReport",
    "on",
    "open_system",
]
