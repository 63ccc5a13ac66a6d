"""The plan: what a replay does and what it must cause, computed from the logs alone.

A plan knows users (one for each nick, shared by all logs), conversations, messages and, for each
log, the steps to play in order. Nothing in it comes from a node, so what it expects is evidence.

Played as groups (the default) each log is one group:

- Members at the start are the nicks whose first appearance is neither a join nor the new name of a
  nick change, in the order of appearance; the first of them makes the group. A log without any
  has its group made by the first who joins.
- A message is `Say`; a speaker who is no member joins first. A join is `Join`, of one already
  present `Resume` (the connection drops and comes back). A part is `Leave`, of one absent nothing.
  A nick change is the part of the old nick, then the join of the new one.
- Everything but `Say` is a barrier: all steps before it are answered before it is played, and it is
  answered before anything after it is played.

Played as direct messages only messages count that begin with a nick known in that log and `:` or
`,` (and whose sender is another); each goes to that nick's user. All other lines are skipped.

Expected deliveries: for each message, the members at that line minus the sender. A conversation
keeps them as *stays*: for each user the half-open ranges of its messages that the user must get,
the user's own messages included (they are in the range but are no delivery).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from beamish.replay.log import Joined, Left, Line, Log, Renamed, Said

SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Say:
    """Play message `message` (an index into `Plan.messages`)."""

    message: int


@dataclass(frozen=True, slots=True)
class Create:
    """`user` makes the log's group with the other `members`. At most once, the first step."""

    user: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """`user` becomes a member."""

    user: int


@dataclass(frozen=True, slots=True)
class Leave:
    """`user` stops being a member."""

    user: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The connection of `user` drops and comes back."""

    user: int


Step = Say | Create | Join | Leave | Resume


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `position` is its place in its conversation, `due` seconds from the start."""

    sender: int
    text: str
    log: int
    conversation: int
    position: int
    due: float
    action: bool = False

    @property
    def shown(self) -> str:
        """What tells it from others of its sender."""
        return shown(self.text, action=self.action)


def shown(text: str, *, action: bool) -> str:
    """The text of a message as IRC clients write it, where actions differ from what is said."""
    return "/me " + text if action else text


@dataclass(slots=True)
class Conversation:
    """A group (`pair` is None) or a direct conversation, with its messages in the plan's order."""

    name: str
    pair: tuple[int, int] | None
    messages: list[int] = field(default_factory=list)
    stays: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def due(self, senders: Sequence[int]) -> dict[int, int]:
        """How many deliveries each user must get; `senders` by position."""
        due = {user: sum(end - first for first, end in stay) for user, stay in self.stays.items()}
        for position, sender in enumerate(senders):
            due[sender] -= any(first <= position < end for first, end in self.stays[sender])
        return due


@dataclass(frozen=True, slots=True)
class LogPlan:
    """One log's steps in order, when each is due (seconds from the start), and its figures.

    `group` is the conversation that the log's membership steps are about; None when played as
    direct messages.
    """

    name: str
    group: int | None
    steps: tuple[Step, ...]
    due: tuple[float, ...]
    most_members: int


@dataclass(slots=True)
class Plan:
    """Everything that is played, and what must come of it."""

    nicks: list[str]
    conversations: list[Conversation]
    messages: list[Message]
    logs: list[LogPlan]
    skipped_lines: int

    @property
    def expected_deliveries(self) -> int:
        """Pairs (user, message) that must be handed over."""
        return sum(self.due())

    def due(self) -> list[int]:
        """How many messages each user must be handed."""
        due = [0] * len(self.nicks)
        for conversation in self.conversations:
            senders = [self.messages[message].sender for message in conversation.messages]
            for user, count in conversation.due(senders).items():
                due[user] += count
        return due

    def recipients(self) -> list[int]:
        """To how many users each message must be handed."""
        found = [0] * len(self.messages)
        for conversation in self.conversations:
            changes = [0] * (len(conversation.messages) + 1)
            for stays in conversation.stays.values():
                for first, end in stays:
                    changes[first] += 1
                    changes[end] -= 1
            members = accumulate(changes)
            for message, present in zip(conversation.messages, members, strict=False):
                found[message] = present - 1
        return found

    @property
    def most_members(self) -> int:
        """The most members that any group has at once."""
        return max((log.most_members for log in self.logs), default=0)


def plan_groups(logs: Iterable[Log]) -> Plan:
    """Each log as one group."""
    builder = _Builder()
    for log in logs:
        _GroupLog(builder, log).build()
    return builder.plan


def plan_direct(logs: Iterable[Log]) -> Plan:
    """Messages addressed by nick as direct messages; users are the nicks that take part."""
    builder = _Builder()
    pairs: dict[tuple[int, int], int] = {}
    for log in logs:
        _plan_direct_log(builder, pairs, log)
    for conversation in builder.plan.conversations:
        assert conversation.pair is not None
        for user in conversation.pair:
            conversation.stays[user] = [(0, len(conversation.messages))]
    return builder.plan


def addressee(text: str, nicks: Iterable[str] | dict[str, None]) -> str | None:
    """The nick of `nicks` that `text` begins with, followed by `:` or `,`; None without one."""
    ends = [end for end in (text.find(":"), text.find(",")) if end > 0]
    heads = (text[:end] for end in ends)
    return next((head for head in heads if head in nicks), None)


def due_times(lines: Sequence[Line]) -> list[float]:
    """Seconds from the log's beginning for each line: the lines of a minute spread evenly in it."""
    counts: dict[int, int] = {}
    for line in lines:
        counts[line.minute] = counts.get(line.minute, 0) + 1
    passed: dict[int, int] = {}
    times = []
    for line in lines:
        index = passed.get(line.minute, 0)
        passed[line.minute] = index + 1
        times.append(SECONDS_PER_MINUTE * (line.minute + index / counts[line.minute]))
    return times


class _Builder:
    """The plan under construction."""

    def __init__(self) -> None:
        self.plan = Plan([], [], [], [], 0)
        self._users: dict[str, int] = {}

    def user(self, nick: str) -> int:
        index = self._users.setdefault(nick, len(self._users))
        if index == len(self.plan.nicks):
            self.plan.nicks.append(nick)
        return index

    def conversation(self, name: str, pair: tuple[int, int] | None) -> int:
        self.plan.conversations.append(Conversation(name, pair))
        return len(self.plan.conversations) - 1

    def message(self, sender: int, said: Said, conversation: int, due: float) -> int:
        """Appends a message of the log that comes next."""
        index = len(self.plan.messages)
        own = self.plan.conversations[conversation].messages
        log = len(self.plan.logs)
        self.plan.messages.append(
            Message(sender, said.text, log, conversation, len(own), due, said.action)
        )
        own.append(index)
        return index


class _GroupLog:
    """Builds one log's group, steps and stays."""

    def __init__(self, builder: _Builder, log: Log) -> None:
        self._builder = builder
        self._log = log
        self._steps: list[Step] = []
        self._due: list[float] = []
        self._index = builder.conversation(log.name, None)
        self._conversation = builder.plan.conversations[self._index]
        self._since: dict[int, int] = {}
        self._most = 0

    def build(self) -> None:
        for nick in self._log.nicks():
            self._builder.user(nick)
        self._create([self._builder.user(nick) for nick in _members_at_start(self._log.lines)])
        self._due += [0.0] * len(self._steps)
        for line, due in zip(self._log.lines, due_times(self._log.lines), strict=True):
            self._play(line, due)
            self._due += [due] * (len(self._steps) - len(self._due))
        for user in list(self._since):
            self._end_stay(user)
        plan = self._builder.plan
        plan.skipped_lines += self._log.skipped
        plan.logs.append(
            LogPlan(self._log.name, self._index, tuple(self._steps), tuple(self._due), self._most)
        )

    def _create(self, members: list[int]) -> None:
        for user in members:
            self._begin_stay(user)
        if members:
            self._steps.append(Create(members[0], tuple(members[1:])))

    def _play(self, line: Line, due: float) -> None:
        match line:
            case Said(nick=nick):
                sender = self._builder.user(nick)
                if sender not in self._since:
                    self._join(sender)
                message = self._builder.message(sender, line, self._index, due)
                self._steps.append(Say(message))
            case Joined(nick=nick):
                self._join(self._builder.user(nick))
            case Left(nick=nick):
                self._leave(self._builder.user(nick))
            case Renamed(old=old, nick=nick):
                self._leave(self._builder.user(old))
                self._join(self._builder.user(nick))

    def _join(self, user: int) -> None:
        if user in self._since:
            self._steps.append(Resume(user))
        elif not self._steps:
            self._create([user])
        else:
            self._steps.append(Join(user))
            self._begin_stay(user)

    def _leave(self, user: int) -> None:
        if user in self._since:
            self._steps.append(Leave(user))
            self._end_stay(user)

    def _begin_stay(self, user: int) -> None:
        self._since[user] = len(self._conversation.messages)
        self._most = max(self._most, len(self._since))

    def _end_stay(self, user: int) -> None:
        stay = (self._since.pop(user), len(self._conversation.messages))
        self._conversation.stays.setdefault(user, []).append(stay)


def _members_at_start(lines: Iterable[Line]) -> list[str]:
    """Nicks whose first appearance is neither a join nor the new name of a nick change."""
    first: dict[str, bool] = {}
    for line in lines:
        match line:
            case Said(nick=nick) | Left(nick=nick):
                first.setdefault(nick, True)
            case Joined(nick=nick):
                first.setdefault(nick, False)
            case Renamed(old=old, nick=nick):
                first.setdefault(old, True)
                first.setdefault(nick, False)
    return [nick for nick, present in first.items() if present]


def _plan_direct_log(builder: _Builder, pairs: dict[tuple[int, int], int], log: Log) -> None:
    known = log.nicks()
    steps: list[Say] = []
    for line, due in zip(log.lines, due_times(log.lines), strict=True):
        to = None
        if isinstance(line, Said) and not line.action:
            to = addressee(line.text, known)
        if not isinstance(line, Said) or to is None or to == line.nick:
            builder.plan.skipped_lines += 1
            continue
        sender, recipient = builder.user(line.nick), builder.user(to)
        pair = (min(sender, recipient), max(sender, recipient))
        if pair not in pairs:
            names = " and ".join(builder.plan.nicks[user] for user in pair)
            pairs[pair] = builder.conversation(names, pair)
        steps.append(Say(builder.message(sender, line, pairs[pair], due)))
    builder.plan.skipped_lines += log.skipped
    times = tuple(builder.plan.messages[step.message].due for step in steps)
    builder.plan.logs.append(LogPlan(log.name, None, tuple(steps), times, 2 if steps else 0))
