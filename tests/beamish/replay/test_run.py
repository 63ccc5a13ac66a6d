"""Whole runs in virtual time against a node made of dictionaries, with faults put in on order."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

import beamish.replay
from beamish.client import BadRequest, Changed, NotAllowed, Sent
from beamish.replay import (
    CannotPlay,
    InHand,
    NoNode,
    PlaySettings,
    Progress,
    Report,
    parse_log,
    plan_direct,
    plan_groups,
    play,
    read_log,
)
from beamish.replay.plan import Plan

SAMPLE = Path(beamish.replay.__file__).parent / "sample.log"
Record = dict[str, Any]
NAMES = ("users", "messages", "changes", "deliveries")


class FakeNode:
    """Groups, inboxes and devices in memory; answers after `delay`, delivers after `delay`."""

    def __init__(self, nursery: trio.Nursery, delay: float = 0.01) -> None:
        self.nursery = nursery
        self.delay = delay
        self.users: set[str] = set()
        self.records: dict[str, list[Record]] = {}
        self.members: dict[str, dict[str, int]] = {}
        self.inboxes: dict[str, list[tuple[str, int]]] = {}
        self.devices: dict[Any, int] = {}
        self.online: list[FakeClient] = []
        self.most_online = 0
        self.outstanding: dict[str, int] = {}
        self.most_outstanding = 0
        self.drops = 0
        self.closed_registration = False
        self.reachable = trio.Event()
        self.reachable.set()
        self.deliver: Callable[[FakeClient, str, Record], list[Record]] = lambda _c, _id, r: [r]
        self.refuse_text = ""
        self.work, self.to_do = trio.open_memory_channel[Callable[[], None]](math.inf)
        nursery.start_soon(self.carry_out)

    async def carry_out(self) -> None:
        """One command after another, each answered `delay` after its turn has come."""
        async for work in self.to_do:
            await trio.sleep(self.delay)
            work()

    def append(self, conversation: str, by: str, body: Record) -> Record:
        log = self.records.setdefault(conversation, [])
        record = {"n": len(log) + 1, "by": by, **body}
        log.append(record)
        for user in [*self.members[conversation], *([by] if body["type"] == "leave" else [])]:
            self.inboxes[user].append((conversation, record["n"]))
        for client in self.online:
            client.wake()
        return record

    @asynccontextmanager
    async def open(self, urls: Any, **options: Any) -> AsyncIterator[FakeClient]:
        await self.reachable.wait()
        if options.get("register"):
            if self.closed_registration:
                raise NotAllowed("forbidden", "registration is closed")
            self.users.add(options["user"])
            self.inboxes.setdefault(options["user"], [])
        assert options["user"] in self.users
        client = FakeClient(self, options)
        self.online.append(client)
        self.most_online = max(self.most_online, len(self.online))
        client.wake()
        try:
            yield client
        finally:
            self.online.remove(client)


class FakeClient:
    def __init__(self, node: FakeNode, options: Record) -> None:
        self.node = node
        self.name = options["user"]
        self.on_records = options["on_records"]
        self.store = options["store"]
        self.refusals = self.repeats = self.reconnects = 0

    @property
    def connected(self) -> bool:
        return self.node.reachable.is_set()

    def wake(self) -> None:
        self.node.nursery.start_soon(self._take)

    async def _take(self) -> None:
        await trio.sleep(self.node.delay)
        node, inbox = self.node, self.node.inboxes[self.name]
        while self in node.online:
            at = node.devices.get(self.store, 0)
            if at >= len(inbox):
                return
            node.devices[self.store] = at + 1
            conversation, n = inbox[at]
            for record in node.deliver(self, conversation, node.records[conversation][n - 1]):
                self.on_records(conversation, [record])

    def send_nowait(self, conversation: str, text: str, *, action: bool, on_done: Any) -> None:
        if not text:
            raise BadRequest("bad_request", "empty")
        node = self.node
        node.outstanding[self.name] = node.outstanding.get(self.name, 0) + 1
        node.most_outstanding = max(node.most_outstanding, node.outstanding[self.name])

        def carry_out() -> None:
            node.outstanding[self.name] -= 1
            pending = SimpleNamespace(value=None, error=None, first_written_at=trio.current_time())
            if conversation.startswith("d:") and conversation not in node.members:
                node.members[conversation] = dict.fromkeys(conversation.split(":")[1:], 1)
            if self.name not in node.members[conversation] or text == node.refuse_text:
                pending.error = NotAllowed("not_member", "no")
            else:
                body = {"type": "message", "text": text, **({"action": True} if action else {})}
                record = node.append(conversation, self.name, body)
                pending.value = Sent(conversation, record["n"], 1, 0)
            on_done(pending)

        node.work.send_nowait(carry_out)

    async def create_group(self, title: str, members: list[str], *, open: bool) -> Changed:  # noqa: A002
        assert open
        await trio.sleep(self.node.delay)
        conversation = f"g:{title}"
        self.node.members[conversation] = dict.fromkeys([self.name, *members], 1)
        self.node.append(conversation, self.name, {"type": "create"})
        return Changed(conversation, 1, 0)

    async def join(self, conversation: str) -> Changed:
        await trio.sleep(self.node.delay)
        self.node.members[conversation][self.name] = 1
        n = self.node.append(conversation, self.name, {"type": "join"})["n"]
        return Changed(conversation, n, 0)

    async def leave(self, conversation: str) -> Changed:
        await trio.sleep(self.node.delay)
        del self.node.members[conversation][self.name]
        n = self.node.append(conversation, self.name, {"type": "leave"})["n"]
        return Changed(conversation, n, 0)

    def drop_connection(self) -> None:
        self.node.drops += 1

    async def snapshot(self) -> list[Record]:
        await trio.sleep(self.node.delay)
        last = dict(self.node.inboxes[self.name])
        return [{"conversation": conversation, "last": n} for conversation, n in last.items()]


@pytest.fixture
async def node(nursery: trio.Nursery) -> FakeNode:
    return FakeNode(nursery)


def settings(**changes: Any) -> PlaySettings:
    return PlaySettings(**({"urls": ("ws://fake/ws",)} | changes))


async def run(node: FakeNode, plan: Plan, **changes: Any) -> Report:
    source = random.Random(7)
    return await play(plan, settings(**changes), source=source, opener=node.open)


def sample() -> Plan:
    return plan_groups([read_log(SAMPLE)])


async def test_the_sample_comes_out_clean(node: FakeNode, autojump_clock: object) -> None:
    report = await run(node, sample())
    assert report.failures == []
    assert report.clean, report
    assert (report.sent, report.delivered, report.users) == (121, 990, 15)
    assert node.drops == 3


async def test_the_sample_comes_out_clean_as_direct_messages(
    node: FakeNode, autojump_clock: object
) -> None:
    report = await run(node, plan_direct([read_log(SAMPLE)]))
    assert report.clean, report
    assert (report.sent, report.delivered, report.skipped_lines) == (31, 31, 114)


async def test_a_speaker_has_at_most_eight_messages_outstanding(
    node: FakeNode, autojump_clock: object
) -> None:
    log = "".join(f"[10:00] <ada> {i}\n" for i in range(40)) + "[10:00] <bob> hi\n"
    assert (await run(node, plan_groups([parse_log("x", log.encode())]))).clean
    assert node.most_outstanding == 8


async def test_membership_lines_wait_for_everything_before_them(
    node: FakeNode, autojump_clock: object
) -> None:
    log = "[10:00] <ada> 1\n[10:00] <bob> 2\n=== bob [h]  has left #r\n[10:00] <ada> 3\n"
    assert (await run(node, plan_groups([parse_log("x", log.encode())]))).clean
    assert [r["type"] for r in node.records["g:x"]] == [
        "create",
        *["message"] * 2,
        "leave",
        "message",
    ]


async def test_with_a_cap_no_more_users_are_online_and_all_catch_up(
    node: FakeNode, autojump_clock: object
) -> None:
    report = await run(node, sample(), connections=3)
    assert report.clean, report
    assert node.most_online == 3
    assert report.reconnects > 15


async def test_paced_lines_come_at_their_time(node: FakeNode, autojump_clock: object) -> None:
    log = "[10:00] <ada> 1\n[10:00] <bob> 2\n[10:02] <ada> 3\n"
    times: list[float] = []

    def note(client: FakeClient, conversation: str, record: Record) -> list[Record]:
        times.append(trio.current_time())
        return [record]

    node.deliver = note
    report = await run(node, plan_groups([parse_log("x", log.encode())]), speed=10.0)
    assert report.clean, report
    assert report.wall_s == pytest.approx(120 / 10, abs=0.1)
    assert 0 < (report.latency_ms["max"] or 0) < 50


async def test_lost_deliveries_are_reported_after_the_quiet_time(
    node: FakeNode, autojump_clock: object
) -> None:
    node.deliver = lambda client, _, record: [] if record["n"] == 5 else [record]
    report = await run(node, sample(), quiet=5.0)
    assert (report.lost, report.clean) == (4, False)
    # Of the four, Ada and Passer came back later; a fresh device need not find it for them.
    assert report.history_mismatches == 2
    assert any("was not handed everything" in sentence for sentence in report.failures)


async def test_doubled_deliveries_are_reported(node: FakeNode, autojump_clock: object) -> None:
    node.deliver = lambda client, _, record: [record, record] if record["n"] == 5 else [record]
    report = await run(node, sample())
    assert report.duplicated > 0
    assert report.history_mismatches > 0


async def test_a_message_refused_for_good_is_reported(
    node: FakeNode, autojump_clock: object
) -> None:
    node.refuse_text = "I do"
    report = await run(node, sample(), quiet=5.0)
    assert (report.sent, report.acknowledged, report.refused) == (121, 120, 1)
    assert not report.clean
    assert any("not_member" in sentence for sentence in report.failures)


async def test_without_a_node_the_run_gives_up(node: FakeNode, autojump_clock: object) -> None:
    node.reachable = trio.Event()
    began = trio.current_time()
    with pytest.raises(NoNode, match=r"No node could be reached at ws://fake/ws for 60 s"):
        await run(node, sample())
    assert trio.current_time() - began == pytest.approx(60, abs=1)


async def test_a_node_that_comes_back_in_time_is_no_reason_to_give_up(
    node: FakeNode, autojump_clock: object
) -> None:
    node.reachable = trio.Event()

    async def come_back() -> None:
        await trio.sleep(50)
        node.reachable.set()

    node.nursery.start_soon(come_back)
    assert (await run(node, sample())).clean


async def test_closed_registration_ends_the_run_with_a_sentence(
    node: FakeNode, autojump_clock: object
) -> None:
    node.closed_registration = True
    with pytest.raises(CannotPlay, match="could not be registered: forbidden: registration is"):
        await run(node, sample())


async def test_progress_tells_phase_and_counts(node: FakeNode, autojump_clock: object) -> None:
    phases: list[str] = []

    class Watched(Progress):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "phase":
                phases.append(value)

    progress = Watched()
    report = await play(sample(), settings(), progress=progress, opener=node.open)
    assert phases[-5:] == ["registering", "playing", "settling", "reading", "judging"]
    assert (report.delivered, progress.expected) == (990, 990)
    assert (progress.acknowledged, progress.unanswered) == (121, 0)


async def test_progress_tells_what_clients_have_in_hand(
    node: FakeNode, nursery: trio.Nursery, autojump_clock: object
) -> None:
    seen: dict[str, InHand] = {}
    progress = Progress()
    assert not progress.in_hand()

    async def look() -> None:
        while True:
            now, before = progress.in_hand(), seen.get(progress.phase, InHand())
            most = {name: max(getattr(now, name), getattr(before, name)) for name in NAMES}
            seen[progress.phase] = InHand(**most)
            await trio.sleep(0.003)

    nursery.start_soon(look)
    await play(sample(), settings(), progress=progress, opener=node.open)
    nursery.cancel_scope.cancel()
    assert not progress.in_hand()
    assert 1 <= seen["playing"].messages <= 121
    assert seen["playing"].changes == 1
    assert 1 <= seen["playing"].deliveries <= 990
    assert seen["reading"].users == 15
    assert seen["reading"].messages == seen["reading"].deliveries == 0


async def test_actions_are_sent_as_actions(node: FakeNode, autojump_clock: object) -> None:
    report = await play(sample(), settings(), opener=node.open)
    assert report.clean
    sent = [record for log in node.records.values() for record in log if record.get("action")]
    assert len(sent) == 6
    assert sent[-1]["text"] == "stops"


async def test_an_action_that_comes_back_as_a_message_is_unexpected(
    node: FakeNode, autojump_clock: object
) -> None:
    def without_action(_client: FakeClient, _id: str, record: Record) -> list[Record]:
        return [{key: value for key, value in record.items() if key != "action"}]

    node.deliver = without_action
    report = await play(sample(), settings(), opener=node.open)
    assert not report.clean


async def test_an_account_on_the_way_counts_what_was_played_and_nothing_against_it(
    node: FakeNode, nursery: trio.Nursery, autojump_clock: object
) -> None:
    progress, accounts = Progress(), []
    node.refuse_text = "stops"  # the last line: what goes wrong later is not in an account

    async def look() -> None:
        while True:
            if progress.account is not None:
                accounts.append(progress.account())
            await trio.sleep(0.05)

    nursery.start_soon(look)
    report = await play(sample(), settings(), progress=progress, opener=node.open)
    nursery.cancel_scope.cancel()
    assert report.failures
    assert accounts[0].failures == []
    assert [account.acknowledged for account in accounts] == sorted(
        account.acknowledged for account in accounts
    )
    assert any(0 < account.delivered < 990 for account in accounts)
    for account in accounts:
        assert not account.complete
        assert account.lost is account.history_mismatches is None
        assert account.duplicated == account.reordered == account.unexpected == 0


def test_settings_that_could_never_work_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one --url"):
        PlaySettings(urls=())
    with pytest.raises(ValueError, match=r"speed is 0: give a number above 0"):
        settings(speed=0.0)
