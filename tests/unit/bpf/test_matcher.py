"""The tables, looked up as the kernel does it, against the conditions they were made from."""

from __future__ import annotations

import ctypes
import struct
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.bpf.matcher import USES, Entry, Slot, tables
from tidegate.bpf.prefixes import parse_prefix
from tidegate.host.errors import Refused

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))


def entry(value: int = 1, devices=None, **conditions) -> Entry:
    return Entry({**ANY, **conditions}, value, devices=devices)


def looked_up(trie: dict[bytes, bytes], address: str, miss: int) -> int:
    """The longest prefix that covers the address, as an LPM trie answers."""
    packed = ip_address(address).packed
    best = (-1, miss)
    for key, word in trie.items():
        (length,) = struct.unpack_from("=I", key)
        if ip_address(address) in ip_network((key[4:], length)):
            best = max(best, (length, struct.unpack("=Q", word)[0]))
        assert len(key) == 4 + len(packed)
    return best[1]


def words(table: bytes) -> list[int]:
    return list(struct.unpack(f"={len(table) // 8}Q", table))


def test_no_entries_use_nothing():
    made = tables([])
    assert (made.slot.entries, made.slot.uses, made.prefixes, made.source_port) == (0, 0, {}, None)


def test_an_entry_without_conditions_uses_nothing():
    made = tables([entry()])
    assert made.slot.uses == 0
    assert made.slot.any_source == made.slot.any_destination_port == made.slot.any_device == 1


def test_none_is_any_and_an_empty_list_is_never():
    made = tables([entry(source=[]), entry(destination_port=[]), entry(dscp=[])])
    assert made.slot.any_source == 0b110
    assert set(words(made.destination_port)) == {0b101}
    assert set(made.slot.dscp) == {0b011}
    assert "source4" not in made.prefixes, "a trie with nothing in it is not looked up"


def test_only_what_is_asked_for_is_used():
    made = tables([entry(source=["10.0.0.0/8"]), entry(protocol=6, destination_port=[[22, 22]])])
    assert made.slot.uses == USES["source4"] | USES["protocol"] | USES["destination_port"]


def test_actions_and_fallback():
    made = tables([Entry(ANY, 7, counter=3)], fallback=9)
    assert (made.slot.action[0].value, made.slot.action[0].counter, made.slot.fallback) == (7, 3, 9)


def test_devices():
    made = tables(
        [entry(devices=frozenset({3, 5})), entry(), entry(devices=frozenset({5})), entry(devices=frozenset())]
    )
    assert made.slot.devices == 2
    assert [(one.ifindex, one.word) for one in made.slot.device[:2]] == [(3, 0b0011), (5, 0b0111)]
    assert made.slot.any_device == 0b0010


def test_a_prefix_takes_over_what_covers_it():
    made = tables([entry(source=["10.0.0.0/8"]), entry(source=["10.1.0.0/16"]), entry(source=["10.1.2.0/24"]), entry()])
    trie = made.prefixes["source4"]
    found = [
        looked_up(trie, address, made.slot.any_source) for address in ("10.1.2.3", "10.1.3.1", "10.9.9.9", "11.0.0.1")
    ]
    assert found == [0b1111, 0b1011, 0b1001, 0b1000]


addresses = st.sampled_from(["0.0.0.0", "10.0.0.0", "10.0.0.1", "10.0.1.0", "128.0.0.0", "255.255.255.255"])
prefixes = st.builds(lambda address, length: f"{address}/{length}", addresses, st.integers(0, 32))
conditions = st.lists(st.none() | st.lists(prefixes, max_size=5), max_size=8)


@given(conditions=conditions, address=addresses)
def test_the_tables_answer_what_the_prefixes_say(conditions, address):
    made = tables([entry(source=condition) for condition in conditions])
    both = {**made.prefixes.get("source4", {}), **made.prefixes.get("source4_host", {})}
    found = looked_up(both, address, made.slot.any_source)
    expected = sum(
        1 << number
        for number, condition in enumerate(conditions)
        if condition is None or any(ip_address(address) in ip_network(prefix, strict=False) for prefix in condition)
    )
    assert found == expected


edges = st.sampled_from([0, 1, 2, 21, 22, 23, 1023, 65534, 65535])
ranges = st.lists(st.tuples(edges, edges).map(sorted), max_size=3)


@given(conditions=st.lists(st.none() | ranges, min_size=1, max_size=8), port=edges)
def test_the_port_table_answers_what_the_ranges_say(conditions, port):
    made = tables([entry(source_port=condition) for condition in conditions])
    if all(condition is None for condition in conditions):
        assert made.source_port is None
        return
    table = words(made.source_port)
    assert len(table) == 65536
    assert table[port] == sum(
        1 << number
        for number, condition in enumerate(conditions)
        if condition is None or any(low <= port <= high for low, high in condition)
    )


def test_the_sixty_fourth_entry_fits_and_the_next_is_refused():
    made = tables([entry(protocol=number) for number in range(64)])
    assert made.slot.entries == 2**64 - 1
    assert made.slot.protocol[63] == 1 << 63
    with pytest.raises(Refused, match="65 matchers where at most 64 fit"):
        tables([entry()] * 65)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.2.3/8", (4, 10 << 24, 8)),
        ("192.0.2.1", (4, 0xC0000201, 32)),
        ("0.0.0.0/0", (4, 0, 0)),
        ("2001:db8::1/32", (16, 0x20010DB8 << 96, 32)),
        ("::1", (16, 1, 128)),
    ],
)
def test_prefixes(text, expected):
    assert parse_prefix(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "ten/8", "10.0.0.0/8/8", "::/"]
)
def test_what_is_no_prefix_is_refused(text):
    with pytest.raises(Refused, match="is not a prefix"):
        parse_prefix(text)


def test_the_slot_is_laid_out_as_in_c():
    """Offsets that `struct slot` in bpf/match.h has; the loader compares the size with every object it loads."""
    assert Slot.device.offset == 104
    assert Slot.action.offset == Slot.device.offset + 64 * 16
    assert Slot.dscp.offset == Slot.action.offset + 64 * 8
    assert Slot.tcp_flags.offset == Slot.dscp.offset + (64 + 256) * 8
    assert Slot.part.offset == Slot.tcp_flags.offset + 2 * 256 * 8
    assert Slot.length_word.offset == Slot.part.offset + 4 * 8 + 128 * 4
    assert ctypes.sizeof(Slot) == Slot.length_word.offset + 128 * 8
