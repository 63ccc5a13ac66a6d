"""The mailbox alarm: at once, once, whatever the receiver does; cleared below half of its mark."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import MailboxAlarm, on, open_system
from actors.mailboxes.mailbox import take
from actors.observing.reports import LOG_BURST
from tests.actors.kit import Add, Do, Note, Worker, seen


class Marked(Worker):
    mailbox_limit = 20
    mailbox_alarm = 10


def alarms_of(system):
    found = []
    system.on_report(lambda report: found.append(report) if _is_alarm(report) else None)
    return found


def _is_alarm(report):
    return isinstance(report, MailboxAlarm)


async def parked(system, ref):
    ref.cast(Do(lambda me: me.sleep(100)))


async def bound(system, ref):
    ref.cast(Do(_sleep_in_trio))


async def _sleep_in_trio(me):
    await trio.sleep(100)


async def suspended(system, ref):
    await system.suspend(ref)


@pytest.mark.parametrize("policy", ["block", "drop_new", "drop_old", "reject"])
@pytest.mark.parametrize("keep", [parked, bound, suspended])
async def test_the_message_that_finds_the_mark_raises_the_alarm_at_once(keep, policy):
    async with open_system() as system:
        found = alarms_of(system)
        ref = await system.spawn(type("Kept", (Marked,), {"mailbox_policy": policy}))
        await keep(system, ref)
        await wait_all_tasks_blocked()
        for number in range(10):
            ref.cast(Note(number))
        assert found == []
        ref.cast(Note(10))
        assert found == [MailboxAlarm(ref, 10, 10, raised=True)]
        for number in range(30):
            ref.cast(Note(number))
        assert len(found) == 1
        assert system.statistics()["mailbox_alarms"] == 1
        assert system.statistics()["alarms"] == 1
        system.kill(ref)


async def test_calls_requests_and_what_an_actor_has_asked_for_raise_it_too():
    async with open_system() as system:
        found = alarms_of(system)
        asker, slow = await system.spawn(Worker), await system.spawn(Marked)
        await system.suspend(slow)
        asker.cast(Do(lambda me: _ask(me, slow, 11)))
        await wait_all_tasks_blocked()
        assert [alarm.ref for alarm in found] == [slow]
        owner = await system.spawn(Marked)
        owner.cast(Do(lambda me: _set_timers(me, 11)))
        await trio.sleep(0.05)
        assert [alarm.ref for alarm in found] == [slow, owner]
        system.kill(owner)


async def _ask(me, ref, count):
    for number in range(count):
        me.request(ref, Add(number), number)


async def _set_timers(me, count):
    for number in range(count):
        me.send_after(0, Note(number))
    await me.sleep(100)


async def test_an_alarm_is_cleared_within_a_second_and_only_below_half_of_its_mark(autojump_clock):
    async with open_system() as system:
        found = alarms_of(system)
        ref = await system.spawn(Marked)
        await system.suspend(ref)
        for number in range(12):
            ref.cast(Note(number))
        await trio.sleep(10)
        assert len(found) == 1
        for _ in range(6):
            take(ref)
        assert ref.queue_length == 6
        await trio.sleep(1.1)
        assert len(found) == 1
        await system.resume(ref)
        await trio.sleep(1.1)
        assert found[1:] == [MailboxAlarm(ref, 0, 10, raised=False)]
        assert system.statistics()["alarms"] == 0
        await system.suspend(ref)
        for number in range(12):
            ref.cast(Note(number))
        assert [alarm.raised for alarm in found] == [True, False, True]


async def test_the_end_of_an_actor_clears_its_alarm(autojump_clock):
    async with open_system() as system:
        found = alarms_of(system)
        ref = await system.spawn(Marked)
        await system.suspend(ref)
        for number in range(12):
            ref.cast(Note(number))
        system.kill(ref)
        await system.join(ref)
        await trio.sleep(1.1)
        assert found[1:] == [MailboxAlarm(ref, 0, 10, raised=False)]
        assert system.statistics()["deadlines"] == 0


async def test_the_default_mark_is_half_of_the_bound_and_none_means_no_alarm():
    class Half(Worker):
        mailbox_limit = 8

    class Silent(Half):
        mailbox_alarm = None

    async with open_system() as system:
        found = alarms_of(system)
        for cls in (Half, Silent):
            ref = await system.spawn(cls)
            await system.suspend(ref)
            for number in range(20):
                ref.cast(Note(number))
        assert [(type(alarm.ref.actor), alarm.length, alarm.mark) for alarm in found] == [
            (Half, 4, 4)
        ]


async def test_alarms_are_logged_at_a_bounded_rate(caplog):
    async with open_system() as system:
        with caplog.at_level(logging.WARNING, "actors"):
            for _ in range(50):
                ref = await system.spawn(Marked)
                await system.suspend(ref)
                for number in range(11):
                    ref.cast(Note(number))
        lines = [record for record in caplog.records if "mailbox alarm" in record.message]
        assert len(lines) == LOG_BURST
        assert "10 of 20 messages wait for <Marked" in lines[0].message
        assert system.statistics()["mailbox_alarms"] == 50


async def test_an_alarm_costs_the_receiver_no_message_and_no_order():
    class Counting(Marked):
        @on(Note)
        def note(self, message):
            self.seen.append(message.value)

    async with open_system() as system:
        ref = await system.spawn(Counting)
        for number in range(20):
            ref.cast(Note(number))
        await wait_all_tasks_blocked()
        assert seen(ref) == list(range(20))
