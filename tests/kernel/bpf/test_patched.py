"""A change of few prefixes writes these alone into the idle slot, which then holds what it would if made anew."""

from __future__ import annotations

import os
import random
import struct

import pytest

from tidegate.bpf import libbpf
from tidegate.bpf.loader import load
from tidegate.bpf.matcher import Entry, tables
from tidegate.bpf.slots import Slots

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
FEW = ["10.0.0.0/8", "10.0.1.7/32", "2001:db8::/32"]


def policy(*conditions):
    return tables([Entry({**ANY, "source": each}, 1) for each in conditions])


@pytest.fixture
def maps(objects):
    with load(objects / "xdp.bpf.o") as loaded:
        yield loaded.maps


class Host:
    """Slots, and what each marker was made of."""

    def __init__(self, maps):
        self.maps, self.slots, self.known, self.count = maps, Slots(maps), {}, 0

    def put(self, *conditions):
        """Put a policy in force; return the slot it is in."""
        self.count += 1
        marker = f"{self.count:016x}"
        made = policy(*conditions)
        number = self.slots.prepare(made, marker, None, self.known.get)
        self.slots.flip(number, None)
        self.known[marker] = made.addresses
        return number

    def inner(self, table, number):
        """The id of a slot's own table."""
        value = libbpf.map_lookup(self.maps[table], struct.pack("=I", number), 4)
        return struct.unpack("=I", value)[0] if value else None

    def held(self, number):
        """What the kernel has, by table, as ``Tables.prefixes`` says it."""
        found = {}
        for table, size in (("source4", 8), ("source4_host", 8), ("source6", 20), ("source6_host", 20)):
            if (identifier := self.inner(table, number)) is not None:
                descriptor = libbpf.map_by_id(identifier)
                found[table] = {k: libbpf.map_lookup(descriptor, k, 8) for k in libbpf.map_keys(descriptor, size)}
                os.close(descriptor)
        return {table: words for table, words in found.items() if words}


@pytest.fixture
def host(maps):
    return Host(maps)


def some(chance, count=300):
    """So many prefixes, hosts and wider ones, some inside others."""
    made = {f"10.0.{n >> 8}.{n & 255}/32" for n in chance.sample(range(1024), count)}
    made |= {f"10.0.{n >> 6}.{(n & 63) << 2}/30" for n in chance.sample(range(256), count // 4)}
    return sorted(made | {"2001:db8:1::/48", "2001:db8:1::1/128"})


def test_patched_slots_hold_what_slots_made_anew_hold(host):
    chance = random.Random(7)
    many, patched = some(chance), 0
    for _ in range(40):
        many = sorted(set(many) - set(chance.sample(many, 3)) | set(chance.sample(some(chance), 3)))
        idle = 1 - host.slots.in_force
        before = host.inner("source4_host", idle)

        number = host.put(FEW, None, many)

        assert number == idle
        assert host.held(number) == policy(FEW, None, many).prefixes
        patched += host.inner("source4_host", number) == before
    assert patched > 30


def test_a_policy_whose_prefixes_stay_keeps_its_tables(host):
    many = some(random.Random(1))
    first = host.put(many)
    host.put(many)
    before = host.inner("source4", first)

    assert host.put(many) == first
    assert host.inner("source4", first) == before


def test_what_nobody_explains_is_made_anew(host):
    many = some(random.Random(1))
    host.put(many)
    host.put(many)
    host.known.clear()
    before = host.inner("source4", 1 - host.slots.in_force)

    number = host.put(many[:-1])

    assert host.inner("source4", number) != before
    assert host.held(number) == policy(many[:-1]).prefixes


def test_a_table_without_room_is_made_anew(host):
    many = [f"10.0.0.{n}/32" for n in range(20)]
    more = [f"10.0.0.{n}/32" for n in range(90)]
    host.put(many)
    host.put(many)

    assert host.held(host.put(more)) == policy(more).prefixes


def test_a_first_prefix_of_its_kind_has_its_table_made(host):
    hosts, both = ["10.0.0.1/32"], ["10.0.0.0/30", "10.0.0.1/32"]
    host.put(hosts)
    host.put(hosts)

    assert host.held(host.put(both)) == policy(both).prefixes


def test_killed_while_it_writes_the_slot_is_nobodys_and_the_next_one_is_made_anew(host, monkeypatch):
    many = some(random.Random(1))
    host.put(many)
    in_force = host.put(many)
    update = libbpf.map_update

    def killed(descriptor, key, value):
        if len(value) == 8 and len(key) == 8:
            raise KeyboardInterrupt
        update(descriptor, key, value)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(libbpf, "map_update", killed)
        host.put([*many[5:], "10.9.9.9/32", "10.9.9.10/32"])

    assert host.slots.in_force == in_force
    assert host.slots.marker(1 - in_force) is None
    assert host.held(in_force) == policy(many).prefixes
    assert host.held(host.put(many[9:])) == policy(many[9:]).prefixes
