from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from storage import Append, Refused, Settle
from storage.intake import SLICE_COUNT, Intake, is_command
from storage.rules import size_of


def nobody(_):
    raise AssertionError


def command(number):
    return Append("c", number, (b"x",))


def obligation(number):
    return Append("o", number, (b"x",), obligation=True)


@given(st.lists(st.sampled_from(["command", "obligation", "settle"]), max_size=300))
def test_a_group_is_all_commands_in_order_then_one_slice_of_the_rest_in_order(kinds):
    intake = Intake(1000, 1 << 20)
    made = {"command": command, "obligation": obligation, "settle": lambda n: Settle("s", n)}
    ops = [made[kind](number) for number, kind in enumerate(kinds)]
    for op in ops:
        assert intake.offer(op, nobody) is None
    commands = [op for op in ops if is_command(op)]
    others = [op for op in ops if not is_command(op)]
    assert [ticket.op for ticket in intake.take()] == commands + others[:SLICE_COUNT]
    rest = others[SLICE_COUNT:]
    while rest:
        assert [ticket.op for ticket in intake.take()] == rest[:SLICE_COUNT]
        rest = rest[SLICE_COUNT:]
    assert (len(intake), intake.bytes) == (0, 0)


def test_a_queue_at_its_count_refuses_commands_but_still_takes_what_ends_work():
    intake = Intake(4, 1 << 20)
    for number in range(4):
        assert intake.offer(command(number), nobody) is None
    refusal = intake.offer(command(4), nobody)
    assert isinstance(refusal, Refused)
    assert refusal.code == "busy"
    assert intake.offer(Settle("s", 1), nobody) is None
    assert intake.offer(Settle("s", 2), nobody).code == "busy"


def test_a_queue_at_its_bytes_refuses():
    large = Append("c", 0, (b"x" * 1000,))
    intake = Intake(1000, 2 * size_of(large))
    assert [intake.offer(large, nobody) is None for _ in range(3)] == [True, True, False]
    intake.take()
    assert intake.offer(large, nobody) is None


def test_a_group_is_bounded_by_bytes():
    intake = Intake(1000, 1 << 30)
    for number in range(40):
        intake.offer(Append("c", number, (b"x" * (1 << 20),)), nobody)
    assert len(intake.take()) <= 17
