"""Two slots and a word: what is in force, until when, and what becomes of it."""

from __future__ import annotations

import time

import pytest

from tidegate.bpf import libbpf
from tidegate.bpf.loader import load
from tidegate.bpf.matcher import Entry, tables
from tidegate.bpf.slots import Slots

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
A, B, C = "a" * 16, "b" * 16, "c" * 16


def policy(protocol: int, prefixes=None):
    return tables([Entry({**ANY, "protocol": protocol, "source": prefixes}, 1)])


@pytest.fixture
def maps(objects):
    with load(objects / "tc.bpf.o") as loaded:
        yield loaded.maps


@pytest.fixture
def slots(maps):
    return Slots(maps)


def put(slots, marker, timeout=None):
    slots.flip(slots.prepare(policy(ord(marker[0])), marker), timeout)


def test_at_first_nothing_is_in_force(slots):
    assert (slots.in_force, slots.marker(0), slots.marker(1), slots.pending) == (0, None, None, None)


def test_prepared_is_not_in_force(slots):
    number = slots.prepare(policy(6), A)
    assert (number, slots.in_force, slots.marker(number)) == (1, 0, A)
    slots.flip(number, None)
    assert slots.in_force == 1


def test_a_deadline_passes(slots):
    put(slots, A)
    put(slots, B, timeout=0.2)
    assert slots.marker(slots.in_force) == B
    assert 0 < slots.pending <= 0.2
    time.sleep(0.25)
    assert slots.marker(slots.in_force) == A
    assert slots.pending is None


def test_a_confirmed_deadline_does_not(slots):
    put(slots, A)
    put(slots, B, timeout=0.2)
    assert slots.confirm(B)
    time.sleep(0.25)
    assert slots.marker(slots.in_force) == B


def test_a_late_confirmation_is_refused(slots):
    put(slots, A)
    put(slots, B, timeout=0.1)
    time.sleep(0.15)
    assert not slots.confirm(B)
    assert slots.marker(slots.in_force) == A


def test_a_deadline_may_be_put_off(slots):
    put(slots, A)
    put(slots, B, timeout=0.2)
    put(slots, B, timeout=60)
    assert slots.pending > 50


def test_what_is_confirmed_gets_no_deadline(slots):
    put(slots, A)
    put(slots, A, timeout=60)
    assert slots.pending is None


def test_going_back_needs_no_deadline(slots):
    put(slots, A)
    put(slots, B, timeout=60)
    put(slots, A, timeout=60)
    assert (slots.marker(slots.in_force), slots.pending) == (A, None)


def test_a_third_policy_takes_the_place_of_the_unconfirmed_one(slots):
    put(slots, A)
    put(slots, B, timeout=60)
    number = slots.prepare(policy(3), C)
    assert slots.marker(slots.in_force) == A
    slots.flip(number, 60)
    assert {slots.marker(0), slots.marker(1)} == {A, C}


def test_a_marker_alone_is_not_the_policy(slots):
    """Interface indexes are in the tables and not in the marker: a device made anew must be written again."""
    first = tables([Entry(ANY, 1, devices=frozenset({7}))])
    second = tables([Entry(ANY, 1, devices=frozenset({8}))])
    slots.flip(slots.prepare(first, A), None)
    assert slots.prepare(first, A) == slots.in_force
    assert slots.prepare(second, A) != slots.in_force


def test_tries_are_let_go_when_nobody_asks(maps, slots):
    number = slots.prepare(policy(6, ["10.0.0.0/8"]), A)
    key = number.to_bytes(4, "little")
    assert libbpf.map_lookup(maps["source4"], key, 4) is not None
    assert slots.prepare(policy(17), B) == number
    assert libbpf.map_lookup(maps["source4"], key, 4) is None


def test_a_slot_that_was_not_filled_to_the_end_has_no_name(slots, monkeypatch):
    put(slots, A)

    def fails(*_):
        raise OSError("out of memory")

    monkeypatch.setattr(libbpf, "map_update_all", fails)
    with pytest.raises(OSError, match="out of memory"):
        slots.prepare(policy(6, ["10.0.0.0/8"]), B)
    assert slots.marker(1 - slots.in_force) is None
    assert slots.marker(slots.in_force) == A
