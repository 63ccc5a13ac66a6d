"""Mailboxes: a model of the operations, and the order between two actors under any load."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, Answer, CallError, Request, on, open_system
from actors.mailboxes.mailbox import EMPTY, append, length, prepend, push_front, take, take_all


class FakeScheduler:
    spare: list = []  # noqa: RUF012


class FakeRef:
    def __init__(self):
        self.scheduler = FakeScheduler
        self.first = EMPTY
        self.mailbox = None


@given(st.lists(st.sampled_from(["append", "take", "front", "prepend", "all"]), max_size=60))
def test_a_mailbox_is_a_queue(operations):
    ref, model = FakeRef(), []
    for number, operation in enumerate(operations):
        if operation == "append":
            append(ref, number)
            model.append(number)
        elif operation == "front":
            push_front(ref, number)
            model.insert(0, number)
        elif operation == "prepend":
            entries = [(number, index) for index in range(number % 4)]
            prepend(ref, entries)
            model = entries + model
        elif operation == "take":
            assert take(ref) == (model.pop(0) if model else EMPTY)
        else:
            assert take_all(ref) == model
            model = []
            assert ref.mailbox is None
        assert length(ref) == len(model)


def test_one_waiting_message_needs_no_queue():
    ref = FakeRef()
    append(ref, None)
    assert ref.mailbox is None
    assert take(ref) is None


@dataclass(frozen=True, slots=True)
class Numbered(Request[int]):
    sender: int
    number: int


@dataclass(frozen=True, slots=True)
class Numbered2(Numbered):
    pass


@dataclass(frozen=True, slots=True)
class Go:
    rounds: int


class Peer(Actor):
    """Sends numbered messages to random peers in every way there is and checks what it gets."""

    def __init__(self, me: int, peers: list, random: Random, errors: list) -> None:
        self.me, self.peers, self.random, self.errors = me, peers, random, errors
        self.sent: dict[int, int] = {}
        self.got: dict[int, int] = {}
        self.done = trio.Event()

    @on(Numbered)
    def numbered(self, request):
        return self.check(request)

    @on(Numbered2)
    async def numbered_slowly(self, request):
        result = self.check(request)
        choice = self.random.random()
        if choice < 0.2:
            await self.sleep(0)
        elif choice < 0.3:
            await trio.lowlevel.checkpoint()
        return result

    def check(self, request):
        expected = self.got.get(request.sender, 0) + 1
        if request.number != expected:
            self.errors.append((request.sender, self.me, expected, request.number))
        self.got[request.sender] = request.number
        return request.number

    @on(Answer)
    def answered(self, answer):
        pass

    @on(Go)
    async def go(self, message):
        random = self.random
        for _ in range(message.rounds):
            other = random.randrange(len(self.peers))
            number = self.sent[other] = self.sent.get(other, 0) + 1
            request = random.choice((Numbered, Numbered2))(self.me, number)
            way = random.random()
            if way < 0.5:
                self.peers[other].cast(request)
            elif way < 0.6:
                self.request(self.peers[other], request, None)
            else:
                try:
                    if way < 0.65:
                        with trio.CancelScope():
                            await self.peers[other].call(request)
                    else:
                        await self.peers[other].call(request)
                except CallError:
                    # Only a cycle: the request was not delivered, and the next takes its number.
                    self.sent[other] = number - 1
        self.done.set()


@pytest.mark.parametrize("seed", range(12))
async def test_messages_between_two_actors_keep_their_order_however_they_are_sent(seed):
    errors, peers, random = [], [], Random(seed)
    async with open_system(deterministic=True, seed=seed) as system:
        for number in range(6):
            peers.append(await system.spawn(Peer, number, peers, Random(seed + number), errors))
        for peer in peers:
            peer.cast(Go(random.randrange(50, 200)))
        with trio.fail_after(60):
            for peer in peers:
                await peer.actor.done.wait()
        assert errors == []
        sent = sum(sum(peer.actor.sent.values()) for peer in peers)
        while sum(sum(peer.actor.got.values()) for peer in peers) < sent:
            await trio.lowlevel.checkpoint()
