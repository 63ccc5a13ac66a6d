"""One batch of a conversation: what it proposes, and the answers once that is committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beamish.messenger.conversations.actions.action import ORDINARY_BYTES
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.device_check import Checked, refusal_of_device
from beamish.messenger.conversations.draft import Draft
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.refusals import refusal_of
from beamish.messenger.streams.records import Fields, Record
from beamish.messenger.streams.stream_writer import Proposal

if TYPE_CHECKING:
    from beamish.messenger.conversations.conversation import Conversation

Question = Callable[[ConversationState], object]


def weight(what: Numbered | Fulfil | Question) -> int:
    """An upper bound of the bytes that the record of a command will have."""
    return what.action.weight if isinstance(what, Numbered) else ORDINARY_BYTES


class Decision:
    """One batch: what it proposes, and the answers once that is committed or refused."""

    def __init__(
        self, actor: Conversation, asked: list[Numbered | Fulfil | Question], checked: Checked
    ) -> None:
        self._actor = actor
        self._checked = checked
        self._asked = asked
        self._known: list[Result | None] = []
        self._decided: list[Result | Refusal | bool | None] = []
        self._records: list[Record] = []
        self._amended: list[Record] = []
        self._present: dict[int, Fields] = {}

    async def prepare(self) -> None:
        """Read the records that the commands are about; raises JournalUnavailable.

        What is to be amended is read from the journal itself: by the append's expected version it
        is then certain to be what the amendment replaces, whatever any cache holds.
        """
        version, environment = self._actor.state.version, self._actor.environment
        self._present = {}
        actions = [what.action for what in self._asked if isinstance(what, Numbered)]
        about = [(n, action.amends) for action in actions if (n := action.reads) is not None]
        fresh = dict.fromkeys(n for n, amends in about if amends and 1 <= n <= version)
        for n, _ in about:
            if 1 <= n <= version and n not in fresh:
                (record,) = await environment.logs.read(self._actor.conversation, n, n)
                self._present[n] = record.fields
        if fresh:
            read = await environment.journal.read_each(self._actor.writer.stream, fresh)
            self._present |= {n: Record.from_journal(n, raw).fields for n, raw in read.items()}

    def decide(self) -> Proposal | None:
        """Decide all commands from their first check; called again after a conflict."""
        state, settings = self._actor.state, self._actor.environment.settings
        closed = None
        if self._actor.fan_out.backlog > settings.unsettled_records:
            closed = Refusal("overloaded", "its members are behind: try again", None, 500)
        now, cap = self._actor.environment.now_ms(), settings.limits.members
        draft = Draft(state, now, cap, closed, self._present)
        self._known = [
            state.first_result(what) if isinstance(what, Numbered) else None for what in self._asked
        ]
        self._decided = [self._decide_one(draft, what) for what in self._asked]
        self._records = [Record.new(fields) for fields in draft.records]
        self._amended = [Record.new(fields) for fields in draft.amended.values()]
        if not self._records:
            return None
        return Proposal(
            tuple([record.raw for record in self._records]),
            True,
            tuple([(record.n, record.raw) for record in self._amended]),
        )

    def _decide_one(
        self, draft: Draft, what: Numbered | Fulfil | Question
    ) -> Result | Refusal | bool | None:
        if isinstance(what, Fulfil):
            return draft.fulfil(what)
        return self._decide_command(draft, what) if isinstance(what, Numbered) else None

    def _decide_command(self, draft: Draft, command: Numbered) -> Result | Refusal:
        refusal = None if command.lease is None else command.lease.refusal
        if refusal is None and self._checked:
            refusal = refusal_of_device(self._actor.state, self._checked, command)
        return draft.decide(command) if refusal is None else refusal

    def committed(self, before: int, after: int) -> list[Record]:
        """The batch's own records, if they are what was committed."""
        return [record for record in self._records if before < record.n <= after]

    def amended(self, after: int) -> dict[int, Record]:
        """Those that it has changed by that, as they are now, by number."""
        if not self._records or self._records[-1].n > after:
            return {}
        return {record.n: record for record in self._amended}

    def answers(self, refused: object) -> list[object]:
        """The answers in the order of the questions, `refused` being the journal's refusal."""
        state = self._actor.state
        refusal = None if refused is None else refusal_of(refused)
        answers: list[object] = []
        for what, known, decided in zip(self._asked, self._known, self._decided, strict=True):
            if known is not None:
                answers.append(known)
            elif refusal is not None:
                answers.append(refusal)
            else:
                answers.append(decided if isinstance(what, Numbered | Fulfil) else what(state))
        return answers
