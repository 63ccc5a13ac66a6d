"""The verdict: expectation (the plan) against evidence (the ledger), message by message.

Which message is record `n` of a conversation? The answer *sent* says so, if author and text seen
under `n` are those of the message. A message that never was answered is matched with the first
record, in order of `n`, that has its author and text and belongs to no other message.

Counted, in the words of the report:

- delivered: pairs (user, message) that the plan expects, handed over at least once with the
  message's text; lost: the expected others.
- duplicated: each hand-over of a record beyond the first to the same user; each record that repeats
  author and text of a message which has a record of its own; each answer that names another
  record or conversation than the first.
- reordered: each record handed over after a later one of its conversation; each hand-over that
  shows another message of the plan than others were shown under that number; each message
  with a smaller number than an earlier one of its sender, or than one before a barrier of its log.
- unexpected: each hand-over of a message to somebody who was no member (nor its author), and each
  record that no message accounts for, or only one that was refused for good.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from beamish.histogram import Histogram
from beamish.replay.ledger import ConversationLedger, Ledger, Reader
from beamish.replay.plan import Conversation, Say


@dataclass(slots=True)
class Counts:
    """The accounting's figures so far."""

    delivered: int = 0
    duplicated: int = 0
    reordered: int = 0
    unexpected: int = 0
    latency: Histogram = field(default_factory=Histogram)


class Matched:
    """One conversation with its messages matched to record numbers.

    `number[position]` is the record number of a message or 0, `position[n]` the reverse, `spare`
    are the records seen that belong to no message.
    """

    def __init__(self, ledger: Ledger, index: int) -> None:
        self.conversation = ledger.plan.conversations[index]
        self.seen: ConversationLedger = ledger.conversation(index)
        self._ledger = ledger
        messages = self.conversation.messages
        self.senders = [ledger.plan.messages[m].sender for m in messages]
        self.number = [self._answered(message) for message in messages]
        self.position = {n: p for p, n in enumerate(self.number) if n}
        self.spare = sorted(n for n in self.seen.canon if n not in self.position)
        self._match_unanswered()

    def face(self, position: int) -> tuple[str, str]:
        """Author's user name and text of the message at `position`."""
        message = self._ledger.plan.messages[self.conversation.messages[position]]
        return self._ledger.names[message.sender], message.shown

    def expected(self, user: int) -> Iterator[int]:
        """Positions of the messages that `user` must be handed, ascending."""
        for first, end in self.conversation.stays.get(user, ()):
            for position in range(first, end):
                if self.senders[position] != user:
                    yield position

    def _answered(self, message: int) -> int:
        n = self._ledger.answered[message]
        plan = self._ledger.plan.messages[message]
        seen = self.seen.canon.get(n)
        if seen is None or seen == (self._ledger.names[plan.sender], plan.shown):
            return n
        return 0

    def _match_unanswered(self) -> None:
        free: dict[tuple[str, str], list[int]] = defaultdict(list)
        for n in reversed(self.spare):
            free[self.seen.canon[n]].append(n)
        for position, n in enumerate(self.number):
            message = self.conversation.messages[position]
            if n or message in self._ledger.refused_for_good or not free:
                continue
            records = free.get(self.face(position))
            if records:
                self.number[position] = records.pop()
                self.position[self.number[position]] = position
        self.spare = sorted(n for records in free.values() for n in records)


def match(ledger: Ledger) -> list[Matched]:
    """All conversations of the plan, matched as far as the ledger now tells."""
    return [Matched(ledger, index) for index in range(len(ledger.plan.conversations))]


def judge(ledger: Ledger) -> Counts:
    """The counts of a run that is over."""
    counts = Counts(duplicated=ledger.doubly_answered)
    matched = match(ledger)
    for conversation in matched:
        _judge_conversation(counts, conversation, ledger)
        counts.reordered += _senders_out_of_order(conversation, ledger)
    counts.reordered += _across_barriers(ledger, matched)
    known = set(ledger.ids.values())
    for conversation_id, stranger in ledger.conversations.items():
        if conversation_id not in known:
            counts.unexpected += len(stranger.canon)
    return counts


def _judge_conversation(counts: Counts, matched: Matched, ledger: Ledger) -> None:
    seen = matched.seen
    faces = {matched.face(position) for position in range(len(matched.number))}
    refused = {
        matched.face(position)
        for position, message in enumerate(matched.conversation.messages)
        if message in ledger.refused_for_good
    }
    for n in matched.spare:
        if seen.canon[n] in faces and seen.canon[n] not in refused:
            counts.duplicated += 1
        else:
            counts.unexpected += 1
    odd = {(user, n) for user, n, _by, _text in seen.odd}
    for _user, _n, by, text in seen.odd:
        if (by, text) in faces:
            counts.reordered += 1
        else:
            counts.unexpected += 1
    counts.unexpected += seen.odd_beyond
    for user, reader in seen.readers.items():
        _judge_reader(counts, matched, user, reader, odd)
    _latencies(counts.latency, matched, ledger)


def _judge_reader(
    counts: Counts, matched: Matched, user: int, reader: Reader, odd: set[tuple[int, int]]
) -> None:
    seen = reader.seen
    counts.reordered += reader.out_of_order
    counts.duplicated += sum(times - 1 for times in seen if times > 1)
    due = set(matched.expected(user))
    for n, position in matched.position.items():
        if n >= len(seen) or not seen[n] or (odd and (user, n) in odd):
            continue
        if position in due:
            counts.delivered += 1
        elif matched.senders[position] != user:
            counts.unexpected += 1


def _senders_out_of_order(matched: Matched, ledger: Ledger) -> int:
    """Messages below an earlier one of the same sender in the same log and conversation."""
    highest: dict[tuple[int, int], int] = {}
    wrong = 0
    for position, n in enumerate(matched.number):
        if not n:
            continue
        message = ledger.plan.messages[matched.conversation.messages[position]]
        key = (message.sender, message.log)
        wrong += n < highest.get(key, 0)
        highest[key] = max(n, highest.get(key, 0))
    return wrong


def _across_barriers(ledger: Ledger, matched: Sequence[Matched]) -> int:
    """Messages below one that stands before a barrier ahead of them in their log."""
    wrong = 0
    for log in ledger.plan.logs:
        before: dict[int, int] = {}
        highest: dict[int, int] = {}
        for step in log.steps:
            if not isinstance(step, Say):
                before = dict(highest)
                continue
            message = ledger.plan.messages[step.message]
            n = matched[message.conversation].number[message.position]
            wrong += 0 < n < before.get(message.conversation, 0)
            highest[message.conversation] = max(n, highest.get(message.conversation, 0))
    return wrong


def _latencies(histogram: Histogram, matched: Matched, ledger: Ledger) -> None:
    written = {
        n: ledger.written[matched.conversation.messages[position]]
        for n, position in matched.position.items()
    }
    for n, at in zip(matched.seen.numbers, matched.seen.times, strict=True):
        since = written.get(n)
        if since is not None and not math.isnan(since):
            histogram.add((at - since) * 1000.0)


def history_ledger(ledger: Ledger, matched: Sequence[Matched]) -> Ledger:
    """An empty ledger for fresh devices that holds what they find against what was seen live."""
    fresh = Ledger(ledger.plan, ledger.names)
    fresh.ids = dict(ledger.ids)
    for conversation in matched:
        entry = ConversationLedger(conversation.seen.id)
        entry.canon = dict(conversation.seen.canon)
        for n, position in conversation.position.items():
            entry.canon.setdefault(n, conversation.face(position))
        fresh.conversations[entry.id] = entry
    return fresh


def history_mismatches(matched: Sequence[Matched], found: Ledger) -> int:
    """Mismatches between what fresh devices read (`found`) and what they must find.

    A fresh device must find, once each and in order, every message of the user's latest stay in
    each conversation; it may find those of earlier stays (a node need not show them again after a
    return). A mismatch is each message missing, each found twice, out of order or with another
    author or text, each found by somebody who was not there and each that nobody sent.
    """
    wrong = 0
    known = {conversation.seen.id for conversation in matched}
    for conversation in matched:
        entry = found.conversations[conversation.seen.id]
        wrong += len(entry.odd) + entry.odd_beyond
        for user in conversation.conversation.stays.keys() | entry.readers.keys():
            wrong += _compare(conversation, user, entry)
    strangers = (entry for key, entry in found.conversations.items() if key not in known)
    return wrong + sum(len(entry.canon) for entry in strangers)


def _compare(matched: Matched, user: int, entry: ConversationLedger) -> int:
    reader = entry.readers.get(user)
    seen = reader.seen if reader is not None else bytearray()
    stays = matched.conversation.stays.get(user, [])
    wrong = sum(times - 1 for times in seen if times > 1)
    wrong += reader.out_of_order if reader is not None else 0
    for n in entry.canon:
        found = n < len(seen) and bool(seen[n])
        position = matched.position.get(n)
        if position is None:
            wrong += found
            continue
        must = bool(stays) and stays[-1][0] <= position < stays[-1][1]
        may = must or (found and _in_stays(matched.conversation, user, position))
        wrong += (must and not found) or (found and not may)
    return wrong


def _in_stays(conversation: Conversation, user: int, position: int) -> bool:
    return any(first <= position < end for first, end in conversation.stays.get(user, ()))
