"""Operations: who, why, until when, and which hosts they are about."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.host.errors import Refused
from tidegate.release.operations import TARGETS, NoSuchOperation, Operation, Operations, applies_to

NOW = datetime.now(timezone.utc)
LABELS = {"host": "edge1.lhr1", "pop": "lhr1", "region": "eu", "role": "edge", "class": "gen12"}
GRACEFUL = {"how": "graceful"}


@pytest.fixture
def operations(store):
    return Operations(store)


def drained(operations, target=None, **options):
    given = {"who": "alice", "why": "new line card", **options}
    return operations.add("drain", target or {"pop": "lhr1"}, GRACEFUL, **given)


def test_an_operation_comes_back_as_it_was_begun(operations):
    until = NOW + timedelta(hours=2)
    wanted = operations.add("drain", {"pop": "lhr1"}, {"how": "prepend", "times": 3}, who="älice", why="x", until=until)
    assert operations.active(NOW) == operations.all() == [wanted]
    assert (wanted.id, wanted.kind, wanted.who, wanted.until) == (1, "drain", "älice", until)
    assert wanted.settings == {"how": "prepend", "times": 3}
    assert wanted.as_dict()["ended_at"] is None


def test_it_is_in_effect_until_it_ends_by_itself(operations):
    until = (NOW + timedelta(hours=2)).replace(microsecond=0)
    operation = drained(operations, until=until)
    for moment, active in ((until - timedelta(seconds=1), True), (until, False), (until + timedelta(days=1), False)):
        assert (operations.active(moment) == [operation]) is active
        assert operation.active(moment) is active


def test_it_is_in_effect_until_somebody_ends_it(operations):
    first, second = drained(operations), drained(operations, {"host": "edge1.ams1"})
    ended = operations.end(first.id, "bob", "card is in")
    assert (ended.ended_by, ended.ended_why) == ("bob", "card is in")
    assert not ended.active(NOW)
    assert operations.active(NOW) == [second]
    assert operations.all() == [second, ended]
    assert operations.all(most=1) == [second]
    with pytest.raises(Refused, match="Operation 1 was ended by bob"):
        operations.end(first.id, "carol", "")
    with pytest.raises(NoSuchOperation, match="no operation 7"):
        operations.end(7, "carol", "")


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_every_kind_can_be_begun(operations, kind):
    settings = {"drain": GRACEFUL, "adopt": {"drift": "3f2a"}, "weight": {"weight": 10}}.get(kind, {})
    assert operations.add(kind, {"host": "edge1.lhr1"}, settings, who="alice", why="because").kind == kind


@pytest.mark.parametrize(
    ("kind", "target", "settings", "words"),
    [
        ("drian", {"pop": "lhr1"}, GRACEFUL, "no operation 'drian'.*drain"),
        ("drain", {}, GRACEFUL, "a missing one never means all"),
        ("drain", {"pop": ""}, GRACEFUL, "a missing one never means all"),
        ("drain", {"pop": "lhr1", "fleet": "x"}, GRACEFUL, "cannot be of a fleet: expected host, neighbor, pop, reg"),
        ("adopt", {"pop": "lhr1"}, {"drift": "x"}, "cannot be of a pop: expected host"),
        ("pause", {"service": "web"}, {}, "cannot be of a service"),
        ("drain", {"pop": "lhr1"}, {}, "by withdraw, prepend or graceful, not by 'None'"),
        ("drain", {"pop": "lhr1"}, {"how": "magic"}, "not by 'magic'"),
        ("drain", {"pop": "lhr1"}, {"how": "prepend"}, "a number from 1 to 10, not None"),
        ("drain", {"pop": "lhr1"}, {"how": "prepend", "times": 0}, "not 0"),
        ("drain", {"pop": "lhr1"}, {"how": "prepend", "times": True}, "not True"),
        ("drain", {"pop": "lhr1"}, {"how": "prepend", "times": 11}, "not 11"),
        ("drain", {"pop": "lhr1"}, {"how": "withdraw", "times": 2}, "no number of times"),
        ("drain", {"pop": "lhr1"}, {"how": "prepend", "times": 2, "gracefully": 9}, "Only a drain by withdraw"),
        ("drain", {"pop": "lhr1"}, {"how": "withdraw", "gracefully": 0}, "for 1 to 86400 seconds, not 0"),
        ("adopt", {"host": "edge1.lhr1"}, {}, "names the drift"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, kind, target, settings, words):
    from tidegate.release.location import parse
    from tidegate.release.store import Store

    operations = Operations(Store(parse(f"{tmp_path}/store.db"), create=True))
    with pytest.raises(Refused, match=words):
        operations.add(kind, target, settings, who="alice", why="because")
    assert operations.all() == []


def test_a_reason_and_an_end_to_come_are_needed(operations):
    with pytest.raises(Refused, match="needs a reason"):
        drained(operations, why=" ")
    with pytest.raises(Refused, match="would have ended already"):
        drained(operations, until=NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("target", "applies"),
    [
        ({"host": "edge1.lhr1"}, True),
        ({"host": "edge2.lhr1"}, False),
        ({"host": "edge1.*"}, False),
        ({"pop": "lhr1"}, True),
        ({"region": "eu"}, True),
        ({"region": "eu", "pop": "ams1"}, False),
        ({"service": "web"}, True),
        ({"neighbor": "lhr1-v4"}, True),
        ({"service": "web", "pop": "ams1"}, False),
        ({"service": "web", "pop": "lhr1"}, True),
    ],
)
def test_whom_it_is_about(target, applies):
    assert applies_to(Operation(1, "drain", target, GRACEFUL, "a", "b", NOW), LABELS) is applies


@given(
    st.dictionaries(st.sampled_from(["host", "pop", "region"]), st.sampled_from(["a", "b"]), min_size=1),
    st.fixed_dictionaries({name: st.sampled_from(["a", "b"]) for name in ("host", "pop", "region")}),
)
def test_naming_more_never_makes_it_about_more_hosts(target, labels):
    whole = Operation(1, "hold", target, {}, "a", "b", NOW)
    parts = [Operation(1, "hold", {key: value}, {}, "a", "b", NOW) for key, value in target.items()]
    assert applies_to(whole, labels) == all(applies_to(part, labels) for part in parts)
