"""Runs are written down record by record here: what clients would have been handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beamish.replay.ledger import Ledger
from beamish.replay.log import parse_log
from beamish.replay.plan import Plan, plan_direct, plan_groups
from beamish.replay.report import ExitStatus, Report
from beamish.replay.verdict import Counts, history_ledger, history_mismatches, judge, match

LOG = (
    "[10:00] <ada> one\n[10:00] <bob> two\n[10:00] <ada> three\n"
    "=== bob [h]  has left #r\n[10:01] <ada> four\n[10:01] <eve> five\n"
    "=== bob [h]  has joined #r\n[10:02] <ada> six\n"
)
ADA, BOB, EVE = range(3)
GROUP = "g:room"


def group_plan() -> Plan:
    return plan_groups([parse_log("x", LOG.encode())])


class Run:
    """A run on a perfect node, with the faults that a test puts in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ledger = Ledger(plan, plan.nicks)
        self.now = 0.0
        self.ledger.bind(0, GROUP)
        self.hooks: list[Callable[[str, Any], None]] = [
            self.ledger.receiver(user, lambda: self.now) for user in range(len(plan.nicks))
        ]
        # create is record 1; leave and join of bob are records 5 and 8
        self.n = {0: 2, 1: 3, 2: 4, 3: 6, 4: 7, 5: 9}
        self.audience = {0: "abe", 1: "abe", 2: "abe", 3: "ae", 4: "ae", 5: "abe"}

    def record(self, message: int, n: int | None = None, text: str | None = None) -> Any:
        said = self.plan.messages[message]
        return {
            "n": self.n[message] if n is None else n,
            "type": "message",
            "by": self.plan.nicks[said.sender],
            "text": said.text if text is None else text,
        }

    def hand(self, user: int, *records: Any) -> None:
        self.hooks[user](GROUP, records)

    def answer(self, *, without: int = -1) -> None:
        for message in range(6):
            self.ledger.write(message, self.now)
            if message != without:
                self.ledger.answer(message, GROUP, self.n[message])

    def deliver(self, *, without: tuple[int, int] | None = None) -> None:
        for message, audience in self.audience.items():
            for user in map("abe".index, audience):
                if (user, message) != without:
                    self.hand(user, self.record(message))

    def counts(self) -> Counts:
        return judge(self.ledger)

    def figures(self) -> tuple[int, int, int, int]:
        counts = self.counts()
        return counts.delivered, counts.duplicated, counts.reordered, counts.unexpected


def clean_run() -> Run:
    run = Run(group_plan())
    run.answer()
    run.deliver()
    return run


def test_a_clean_run_has_everything_delivered_and_nothing_else() -> None:
    run = clean_run()
    assert run.plan.expected_deliveries == 2 + 2 + 2 + 1 + 1 + 2
    assert run.figures() == (10, 0, 0, 0)
    assert run.ledger.handed == 10
    assert list(run.ledger.handed_to) == [2, 3, 5]
    assert (run.ledger.sent, run.ledger.acknowledged) == (6, 6)


def test_hand_overs_before_the_group_is_known_count() -> None:
    run = Run(group_plan())
    run.ledger.ids.clear()
    run.deliver()
    run.ledger.bind(0, GROUP)
    run.answer()
    assert run.figures() == (10, 0, 0, 0)


def test_a_missing_hand_over_is_not_delivered() -> None:
    run = Run(group_plan())
    run.answer()
    run.deliver(without=(BOB, 2))
    assert run.figures() == (9, 0, 0, 0)


def test_an_altered_text_is_no_delivery() -> None:
    run = Run(group_plan())
    run.answer()
    run.deliver(without=(BOB, 2))
    run.hand(BOB, run.record(2, text="thrEe"))
    delivered, _, _, unexpected = run.figures()
    assert (delivered, unexpected) == (9, 1)


def test_a_text_that_is_altered_for_all_is_no_delivery_either() -> None:
    run = Run(group_plan())
    run.answer()
    for message, audience in run.audience.items():
        for user in map("abe".index, audience):
            run.hand(user, run.record(message, text="thrEe" if message == 2 else None))
    delivered, _, _, unexpected = run.figures()
    assert (delivered, unexpected) == (8, 1)


def test_a_second_hand_over_is_a_duplicate() -> None:
    run = clean_run()
    run.hand(EVE, run.record(5))
    assert run.figures() == (10, 1, 0, 0)


def test_one_command_under_two_numbers_is_a_duplicate() -> None:
    run = clean_run()
    run.hand(EVE, run.record(5, n=10))
    assert run.figures() == (10, 1, 0, 0)


def test_two_answers_with_different_numbers_are_a_duplicate() -> None:
    run = clean_run()
    run.ledger.answer(5, GROUP, 10)
    assert run.figures() == (10, 1, 0, 0)


def test_an_unanswered_message_is_delivered_but_not_acknowledged() -> None:
    run = Run(group_plan())
    run.answer(without=3)
    run.deliver()
    assert run.figures() == (10, 0, 0, 0)
    assert run.ledger.acknowledged == 5


def test_a_record_after_a_later_one_is_reordered() -> None:
    run = Run(group_plan())
    run.answer()
    run.deliver(without=(EVE, 2))
    run.hand(EVE, run.record(2))
    assert run.figures() == (10, 0, 1, 0)


def test_another_message_under_the_same_number_is_reordered() -> None:
    run = Run(group_plan())
    run.answer()
    for message, said in enumerate((0, 1, 0)):
        run.hand(ADA, run.record(message))
        run.hand(BOB, run.record(said, n=run.n[message]))
    assert run.figures() == (2, 0, 1, 0)


def test_a_sender_whose_messages_changed_places_is_reordered() -> None:
    run = Run(group_plan())
    run.n[0], run.n[1], run.n[2] = 4, 2, 3
    run.answer()
    for user in (ADA, BOB, EVE):
        run.hand(user, run.record(1), run.record(2), run.record(0))
    assert run.counts().reordered == 1


def test_a_message_that_overtook_a_barrier_is_reordered() -> None:
    run = Run(group_plan())
    run.n[1], run.n[3] = 6, 3
    run.answer()
    for user in (ADA, EVE):
        run.hand(user, run.record(3), run.record(1))
    # four (of ada) stands before her three, and before two and three, which the barrier is behind
    assert run.counts().reordered == 2


def test_a_message_to_somebody_who_was_away_is_unexpected() -> None:
    run = Run(group_plan())
    run.audience[3] = "abe"
    run.answer()
    run.deliver()
    assert run.figures() == (10, 0, 0, 1)


def test_a_message_that_nobody_sent_is_unexpected() -> None:
    run = clean_run()
    run.hand(EVE, run.record(5, n=10, text="never said"))
    run.hooks[EVE]("g:elsewhere", [run.record(5)])
    assert run.figures() == (10, 0, 0, 2)


def test_a_message_that_was_refused_for_good_and_yet_arrives_is_unexpected() -> None:
    run = Run(group_plan())
    run.answer(without=5)
    run.ledger.refuse_for_good(5, "forbidden")
    run.deliver()
    delivered, _, _, unexpected = run.figures()
    assert (delivered, unexpected) == (8, 1)


def test_own_messages_and_membership_records_are_no_deliveries() -> None:
    run = Run(group_plan())
    run.answer()
    run.hand(ADA, {"n": 1, "type": "create", "by": "ada"}, run.record(0))
    assert run.figures() == (0, 0, 0, 0)
    assert run.ledger.handed == 0


def test_latency_runs_from_the_first_write_to_each_hand_over() -> None:
    run = Run(group_plan())
    run.answer()
    run.now = 0.25
    run.ledger.write(0, 0.2)
    run.hand(BOB, run.record(0))
    run.now = 1.0
    run.hand(EVE, run.record(0))
    latency = run.counts().latency
    assert latency.count == 2
    assert latency.max == 1000.0
    assert 249 <= (latency.percentile(50) or 0) <= 252


def test_identical_messages_of_one_sender_are_told_apart_by_their_answers() -> None:
    log = "[10:00] <ada> hi\n[10:00] <ada> hi\n[10:00] <bob> hi\n"
    run = Run(plan_groups([parse_log("x", log.encode())]))
    run.n = {0: 2, 1: 3, 2: 4}
    for message in range(3):
        run.ledger.answer(message, GROUP, run.n[message])
        for user in (ADA, BOB):
            run.hand(user, run.record(message))
    assert run.figures() == (3, 0, 0, 0)


def test_messages_of_a_direct_plan_belong_to_their_pairs() -> None:
    log = "[10:00] <ada> bob: hi\n[10:00] <bob> ada: ho\n[10:00] <eve> ada: hu\n"
    plan = plan_direct([parse_log("x", log.encode())])
    ledger = Ledger(plan, plan.nicks)
    ids = ["d:ada:bob", "d:ada:eve"]
    for index, name in enumerate(ids):
        ledger.bind(index, name)
    for message, n in enumerate((2, 3, 2)):
        said = plan.messages[message]
        ledger.write(message, 0.0)
        ledger.answer(message, ids[said.conversation], n)
        other = {0: BOB, 1: ADA, 2: ADA}[message]
        record = {"n": n, "type": "message", "by": plan.nicks[said.sender], "text": said.text}
        ledger.receiver(other, lambda: 1.0)(ids[said.conversation], [record])
    counts = judge(ledger)
    assert (counts.delivered, counts.unexpected, counts.reordered) == (3, 0, 0)


def history(run: Run, change: dict[int, list[int]] | None = None) -> int:
    """Mismatches when fresh devices read what `change` says, else what they must."""
    matched = match(run.ledger)
    found = history_ledger(run.ledger, matched)
    must = {ADA: [0, 1, 2, 3, 4, 5], BOB: [5], EVE: [0, 1, 2, 3, 4, 5]} | (change or {})
    for user, messages in must.items():
        found.receiver(user, lambda: 0.0)(GROUP, [run.record(message) for message in messages])
    return history_mismatches(matched, found)


def test_history_holds_the_latest_stay() -> None:
    assert history(clean_run()) == 0


def test_history_may_hold_earlier_stays() -> None:
    assert history(clean_run(), {BOB: [0, 1, 2, 5]}) == 0


def test_history_with_a_hole_a_repetition_or_a_stranger_is_a_mismatch() -> None:
    assert history(clean_run(), {BOB: []}) == 1
    assert history(clean_run(), {ADA: [0, 1, 3, 4, 5]}) == 1
    assert history(clean_run(), {BOB: [5, 5]}) == 1
    assert history(clean_run(), {BOB: [3, 5]}) == 1
    assert history(clean_run(), {ADA: [1, 0, 2, 3, 4, 5]}) == 1


def test_history_of_another_text_or_message_is_a_mismatch() -> None:
    run = clean_run()
    matched = match(run.ledger)
    found = history_ledger(run.ledger, matched)
    for user, messages in {ADA: range(6), EVE: range(6)}.items():
        found.receiver(user, lambda: 0.0)(GROUP, [run.record(message) for message in messages])
    altered = [run.record(5, text="siX"), run.record(5, n=10)]
    found.receiver(BOB, lambda: 0.0)(GROUP, altered)
    assert history_mismatches(matched, found) == 2


def report(**changes: Any) -> Report:
    fields: dict[str, Any] = dict.fromkeys(Report.__dataclass_fields__, 0)
    fields |= {"messages": 5, "sent": 5, "acknowledged": 5, "failures": []}
    fields |= {
        "complete": True,
        "expected_deliveries": 9,
        "delivered": 9,
        "latency_ms": {"p50": 1.0, "max": None},
    }
    return Report(**(fields | changes))


def test_only_the_zeros_end_with_status_0() -> None:
    assert report().exit_status is ExitStatus.CLEAN
    assert report(refused=3, repeats=4, reconnects=5).exit_status is ExitStatus.CLEAN
    wrong: list[dict[str, int]] = [
        {"acknowledged": 4},
        {"sent": 4, "acknowledged": 4},
        {"delivered": 8, "lost": 1},
        {"delivered": 0, "expected_deliveries": 0},
        {"duplicated": 1},
        {"reordered": 1},
        {"unexpected": 1},
        {"history_mismatches": 1},
    ]
    for change in wrong:
        assert report(**change).exit_status is ExitStatus.WRONG, change


def test_a_report_of_a_stopped_run_is_never_clean() -> None:
    stopped = report(complete=False, lost=None, history_mismatches=None)
    assert stopped.exit_status is ExitStatus.STOPPED
    assert not stopped.clean
    assert not report(complete=False).clean
    assert "INCOMPLETE" in str(stopped.table().title)


def test_the_report_has_every_field_of_the_contract() -> None:
    names = (
        "sent acknowledged expected_deliveries delivered lost duplicated reordered unexpected"
        " history_mismatches refused repeats reconnects latency_ms messages_per_s deliveries_per_s"
        " wall_s skipped_lines users"
    )
    assert set(names.split()) <= report().as_json().keys()
    assert report().table().row_count >= len(names.split())
