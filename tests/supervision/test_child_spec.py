"""Child specs: derived from the class, checked field by field, with errors that show the code."""

from __future__ import annotations

import dataclasses

import pytest

from actors import Actor
from supervision.backoff import Backoff
from supervision.budget import Budget
from supervision.child_spec import (
    EXAMPLES,
    ChildDefaults,
    ChildSpec,
    ChildSpecError,
    check_children,
    child_spec,
)


class Counter(Actor):
    def __init__(self, start=0, limit=10):
        self.count = start


class Session(Actor):
    child_defaults = ChildDefaults(
        restart="transient",
        shutdown=2.0,
        significant=True,
        budget=Budget(1, 60.0),
        backoff=Backoff(first=1.0),
    )


class Branch(Actor):
    child_defaults = ChildDefaults(type="supervisor")


def test_a_spec_needs_an_id_and_a_class_and_has_otps_defaults():
    spec = ChildSpec("counter", Counter)
    assert (spec.args, spec.name, spec.restart, spec.shutdown, spec.type) == (
        (),
        None,
        "permanent",
        5.0,
        "worker",
    )
    assert (spec.significant, spec.budget, spec.backoff) == (False, None, None)


def test_what_a_spec_leaves_out_comes_from_the_class():
    spec = ChildSpec("session", Session)
    assert (spec.restart, spec.shutdown, spec.significant) == ("transient", 2.0, True)
    assert (spec.budget, spec.backoff) == (Budget(1, 60.0), Backoff(first=1.0))


def test_what_a_spec_says_wins_over_the_class():
    spec = ChildSpec("session", Session, restart="temporary", shutdown="brutal_kill")
    assert (spec.restart, spec.shutdown) == ("temporary", "brutal_kill")
    assert ChildSpec("session", Session, significant=False).significant is False


def test_a_supervisor_has_all_the_time_it_needs_to_stop():
    assert ChildSpec("branch", Branch).shutdown == "infinity"
    assert ChildSpec("branch", Counter, type="supervisor").shutdown == "infinity"


def test_a_spec_derived_from_the_class_has_the_class_as_its_id():
    assert child_spec(Counter, 5) == ChildSpec(Counter, Counter, (5,))
    assert child_spec(Counter, 5, id="c", restart="transient") == ChildSpec(
        "c", Counter, (5,), restart="transient"
    )


def test_a_spec_can_be_changed_by_replacing_a_field():
    spec = dataclasses.replace(ChildSpec("a", Counter), id="b", restart="temporary")
    assert (spec.id, spec.restart, spec.shutdown) == ("b", "temporary", 5.0)


@pytest.mark.parametrize("shutdown", [0.001, 7, "brutal_kill", "infinity"])
def test_every_stop_timeout_of_otp_is_accepted(shutdown):
    assert ChildSpec("c", Counter, shutdown=shutdown).shutdown == shutdown


BAD = [
    ({"restart": "always"}, "restart", "restart='always' of the child 'c' is not one of"),
    ({"restart": True}, "restart", "Write ChildSpec('c', Counter, restart='permanent')."),
    ({"shutdown": 0}, "shutdown", "Write ChildSpec('c', Counter, shutdown='brutal_kill')."),
    ({"shutdown": -1.0}, "shutdown", "Write ChildSpec('c', Counter, shutdown=5.0)."),
    ({"shutdown": True}, "shutdown", "shutdown=True"),
    ({"shutdown": "never"}, "shutdown", "a number of seconds above 0, 'brutal_kill' or"),
    ({"shutdown": float("inf")}, "shutdown", "shutdown=inf"),
    ({"shutdown": float("nan")}, "shutdown", "shutdown=nan"),
    ({"type": "boss"}, "type", "type='boss' of the child 'c' is not 'worker' or 'supervisor'."),
    ({"significant": 1}, "significant", "is not True or False"),
    (
        {"significant": True},
        "significant",
        "Write ChildSpec('c', Counter, restart='transient') with significant=True.",
    ),
    ({"budget": (3, 5)}, "budget", "Write ChildSpec('c', Counter, budget=Budget(3, 5.0))."),
    ({"backoff": 0.5}, "backoff", "backoff=Backoff(first=0.1, maximum=30.0))."),
    ({"args": [1]}, "args", "args=[1] of the child 'c' is not a tuple"),
    ({"args": "abc"}, "args", "Write ChildSpec('c', Counter, args=('abc',))."),
    ({"kwargs": [1]}, "kwargs", "Write ChildSpec('c', Counter, kwargs={'limit': 10})."),
    ({"kwargs": {1: 2}}, "kwargs", "kwargs={1: 2} of the child 'c' is not a mapping from names"),
    ({"name": ["x"]}, "name", "name=['x'] of the child 'c' is not hashable."),
]


@pytest.mark.parametrize(("fields", "field", "sentence"), BAD)
def test_each_wrong_field_is_refused_and_the_error_shows_the_right_code(fields, field, sentence):
    with pytest.raises(ChildSpecError) as caught:
        ChildSpec("c", Counter, **fields)
    assert caught.value.field == field
    assert sentence in str(caught.value)


def test_a_missing_id_is_refused():
    with pytest.raises(ChildSpecError, match="needs an id other than None") as caught:
        ChildSpec(None, Counter)
    assert caught.value.field == "id"


def test_an_id_that_cannot_be_a_key_is_refused():
    with pytest.raises(ChildSpecError, match=r"id=\['a'\].*is not hashable") as caught:
        ChildSpec(["a"], Counter)
    assert caught.value.field == "id"


def test_an_instance_in_place_of_the_class_is_refused_since_a_restart_needs_a_new_one():
    with pytest.raises(ChildSpecError, match="a restart needs the class and its arguments"):
        ChildSpec("c", Counter(5))


@pytest.mark.parametrize("actor", [int, "Counter", None, lambda: None])
def test_what_is_no_actor_class_is_refused(actor):
    with pytest.raises(ChildSpecError, match="is no actor class"):
        ChildSpec("c", actor)


def test_class_defaults_of_another_type_are_refused():
    class Odd(Actor):
        child_defaults = {"restart": "transient"}  # noqa: RUF012

    with pytest.raises(ChildSpecError, match=r"Write child_defaults = ChildDefaults\("):
        ChildSpec("odd", Odd)


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"restart": "always"}, "restart", "ChildDefaults(restart='permanent')."),
        ({"restart": "transiend"}, "restart", "ChildDefaults(restart='transient')."),
        ({"shutdown": 0}, "shutdown", "ChildDefaults(shutdown='brutal_kill')."),
        ({"shutdown": False}, "shutdown", "ChildDefaults(shutdown=5.0)."),
        ({"type": "super"}, "type", "ChildDefaults(type='supervisor')."),
        ({"significant": "yes"}, "significant", "ChildDefaults(significant=True)."),
        ({"budget": 3}, "budget", "ChildDefaults(budget=Budget(3, 5.0))."),
        ({"backoff": 3}, "backoff", "ChildDefaults(backoff=Backoff(first=0.1, maximum=30.0))."),
    ],
)
def test_a_wrong_default_is_refused_where_the_class_is_defined(fields, field, sentence):
    with pytest.raises(ChildSpecError) as caught:
        ChildDefaults(**fields)
    assert caught.value.field == field
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("restrt", 'Did you mean restart=, as in restart="transient"?'),
        ("shut_down", "Did you mean shutdown=, as in shutdown=5.0?"),
        ("timeout", "Did you mean shutdown=, as in shutdown=5.0?"),
        ("intensity", "Did you mean budget=, as in budget=Budget(3, 5.0)?"),
        ("typ", 'Did you mean type=, as in type="supervisor"?'),
        ("significent", "Did you mean significant=, as in significant=True?"),
        ("back_off", "Did you mean backoff=, as in backoff=Backoff(first=0.1, maximum=30.0)?"),
        ("xyz", "The fields are "),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda **fields: ChildSpec("c", Counter, **fields), ChildDefaults]
)
def test_a_misspelt_field_is_refused_with_the_right_one(make, wrong, hint):
    with pytest.raises(ChildSpecError) as caught:
        make(**{wrong: 1})
    assert caught.value.field == wrong
    assert f"has no field {wrong}=. {hint}" in str(caught.value)


def test_every_example_in_an_error_is_right():
    for field, example in EXAMPLES.items():
        value = eval(example, {"Counter": Counter, "Budget": Budget, "Backoff": Backoff})
        fields = {"id": "c", "actor": Counter, "restart": "transient", field: value}
        assert getattr(ChildSpec(**fields), field) == value


def test_an_error_never_shows_more_than_a_line_of_a_long_value():
    with pytest.raises(ChildSpecError) as caught:
        ChildSpec("c", Counter, args="x" * 10_000)
    assert len(str(caught.value)) < 400


def test_children_keep_their_order_and_a_class_stands_for_its_spec():
    specs = check_children([ChildSpec("b", Counter), Counter, ChildSpec("a", Counter)], "never")
    assert [spec.id for spec in specs] == ["b", Counter, "a"]


def test_two_children_with_one_id_are_refused():
    with pytest.raises(
        ChildSpecError, match=r"Two children have the id 'a'.*ChildSpec\(\('a', 2\)"
    ):
        check_children([ChildSpec("a", Counter), ChildSpec("a", Session)], "any_significant")


@pytest.mark.parametrize("child", [5, "Counter", (Counter, 5), int, None])
def test_a_child_that_is_no_spec_is_refused(child):
    with pytest.raises(ChildSpecError, match="is no child spec"):
        check_children([child], "never")


def test_a_significant_child_is_refused_where_nothing_shuts_down_by_itself():
    with pytest.raises(ChildSpecError, match="auto_shutdown="):
        check_children([ChildSpec("s", Session)], "never")
    assert check_children([ChildSpec("s", Session)], "all_significant")
