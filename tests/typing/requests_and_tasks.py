"""What users see of the types of multi-calls and tasks; checked by mypy --strict and by pyright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from actors import (
    Actor,
    CallError,
    LocalRef,
    MonitorRef,
    Ref,
    Request,
    System,
    Task,
    multi_call,
    start_task,
    stream_tasks,
)
from supervision import TaskSupervisor


@dataclass(frozen=True, slots=True)
class Count(Request[int]):
    pass


async def fetch(url: str, retries: int) -> bytes:
    return url.encode() * retries


async def size(url: str) -> int:
    return len(url)


def double(number: int) -> int:
    return 2 * number


async def calls(refs: list[Ref]) -> None:
    replies, failures = await multi_call(refs, Count())
    assert_type(replies, dict[Ref, int])
    assert_type(failures, dict[Ref, CallError])


async def tasks(system: System, me: Actor) -> None:
    page = await start_task(me, fetch, "/", 3, link=False)
    assert_type(page, Task[bytes])
    assert_type(await page.result(), bytes)
    assert_type(await (await start_task(system, double, 2)).result(), int)
    assert_type(await start_task(me, fetch, "/", 3, expected=OSError), Task[bytes])
    await start_task(me, double, 2, expected=(OSError, ValueError))
    await start_task(me, double, 2, expected=OSError())  # type: ignore[call-overload] # pyright: ignore[reportArgumentType, reportCallIssue]
    await start_task(system, double, "2")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType, reportCallIssue]


async def supervised(tasks: TaskSupervisor, me: Actor) -> None:
    assert_type(await (await tasks.start(fetch, "/", 3, link=me)).result(), bytes)
    async with tasks.stream(double, [1, 2]) as numbers:
        async for item, number, _ in numbers:
            assert_type(item, int)
            assert_type(number, int | None)


async def streams(me: Actor) -> None:
    async with stream_tasks(me, size, ["a", "b"]) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome.item, str)
            assert_type(outcome.value, int | None)


async def monitored(me: Actor) -> None:
    assert_type(await me.spawn_monitor(Actor), tuple[LocalRef, MonitorRef])
