"""Who pays for a restart, and how long it waits."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from actors import Actor
from supervision.backoff import Backoff
from supervision.budget import Budget, RestartWindow
from supervision.child_spec import ChildSpec
from supervision.restart_ledger import Exceeded, RestartLedger


class Worker(Actor):
    pass


PLAIN = ChildSpec("plain", Worker)
OWN = ChildSpec("own", Worker, budget=Budget(2, 10.0))
SLOW = ChildSpec(
    "slow",
    Worker,
    budget=Budget(100, 1e6),
    backoff=Backoff(first=1.0, maximum=8.0, jitter=0.0, reset_after=20.0),
)


def ledger(max_restarts=3, seconds=5.0):
    return RestartLedger(Budget(max_restarts, seconds), Random(0))


crashes = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "own1", "own2"])), max_size=60
)


@given(crashes)
def test_plain_children_share_the_supervisors_budget_and_the_others_pay_for_themselves(steps):
    """The model: one window for the supervisor, one for each child with a budget of its own."""
    book = ledger(3, 5.0)
    shared = RestartWindow(Budget(3, 5.0))
    own = {"own1": RestartWindow(Budget(2, 10.0)), "own2": RestartWindow(Budget(2, 10.0))}
    now = 0.0
    for wait, key in steps:
        now += wait
        if key in own:
            fits = own[key].spend(now)
            expected = 0.0 if fits else Exceeded.CHILD
            if not fits:
                own[key] = RestartWindow(Budget(2, 10.0))
            assert book.judge(key, OWN, now, was_up=True) == expected
        else:
            expected = 0.0 if shared.spend(now) else Exceeded.SUPERVISOR
            assert book.judge(key, PLAIN, now, was_up=True) == expected


def test_a_child_with_its_own_budget_never_spends_the_supervisors():
    book = ledger(0)
    assert book.judge(1, OWN, 0.0, was_up=True) == 0.0
    assert book.judge(1, OWN, 0.0, was_up=True) == 0.0
    assert book.judge(1, OWN, 0.0, was_up=True) is Exceeded.CHILD
    assert book.judge(2, PLAIN, 0.0, was_up=True) is Exceeded.SUPERVISOR


def test_a_child_with_only_a_backoff_spends_the_supervisors_budget():
    book = ledger(1)
    spec = ChildSpec("x", Worker, backoff=Backoff(first=1.0, jitter=0.0))
    assert book.judge("x", spec, 0.0, was_up=True) == 1.0
    assert book.judge("x", spec, 0.0, was_up=True) is Exceeded.SUPERVISOR


def test_restarts_in_a_row_wait_longer_each_time():
    book = ledger()
    now, delays = 0.0, []
    for _ in range(5):
        delay = book.judge("slow", SLOW, now, was_up=True)
        delays.append(delay)
        now += delay
    assert delays == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_a_child_that_stayed_up_long_enough_waits_like_the_first_time():
    book = ledger()
    assert book.judge("slow", SLOW, 0.0, was_up=True) == 1.0
    assert book.judge("slow", SLOW, 1.0 + 19.9, was_up=True) == 2.0
    assert book.judge("slow", SLOW, 22.9 + 20.0, was_up=True) == 1.0


def test_a_start_that_failed_late_was_never_up_and_resets_nothing():
    book = ledger()
    assert book.judge("slow", SLOW, 0.0, was_up=True) == 1.0
    assert book.judge("slow", SLOW, 500.0, was_up=False) == 2.0


def test_the_account_follows_a_child_to_its_next_incarnation():
    book = ledger()
    book.judge("first", OWN, 0.0, was_up=True)
    book.move("first", "second")
    book.judge("second", OWN, 0.0, was_up=True)
    book.move("second", "third")
    assert book.judge("third", OWN, 0.0, was_up=True) is Exceeded.CHILD


def test_a_plain_child_costs_no_record():
    book = ledger(1_000)
    for key in range(100):
        book.judge(key, PLAIN, 0.0, was_up=True)
    assert len(book) == 0


def test_records_gone_quiet_are_swept_out():
    book = ledger()
    for key in range(10_000):
        book.judge(key, OWN, float(key), was_up=True)
    assert len(book) <= 64


def test_records_that_still_count_survive_the_sweep():
    book = ledger()
    for key in range(500):
        book.judge(key, OWN, 0.0, was_up=True)
        book.judge(key, OWN, 0.0, was_up=True)
    assert len(book) == 500
    assert all(book.judge(key, OWN, 1.0, was_up=True) is Exceeded.CHILD for key in range(500))


def test_a_forgotten_child_starts_anew():
    book = ledger()
    for _ in range(2):
        book.judge("x", OWN, 0.0, was_up=True)
    book.forget("x")
    assert book.judge("x", OWN, 0.0, was_up=True) == 0.0
