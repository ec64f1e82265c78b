"""From matchers to the tables that ``bpf/match.h`` looks packets up in. Pure.

Entry n of a policy is bit n of every word. A table answers a packet's value in one dimension with the word of all
entries whose condition there holds; the program ANDs the words and takes the lowest bit. ``Slot`` mirrors
``struct slot`` field by field.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import c_uint32, c_uint64
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from tidegate.bpf.prefixes import Conditions, prefix_words, tables_used
from tidegate.bpf.section import Matcher, PortRange
from tidegate.host.errors import Refused

MAX_ENTRIES = 64
MAX_DEVICES = 64
PORTS = 65536
LENGTH_STEPS = 128
NO_LENGTH = (0xFFFFFFFF, 0)
"""Fills up the steps: no packet is as long."""
PARTS = ("whole", "first", "later")
"""``enum fragment_part``; a fourth stands for packets that hide which part they are."""
PREFIX_TABLES = {"source4": 4, "source6": 16, "destination4": 4, "destination6": 16}
"""Names of the longest-prefix-match tables and the size of an address in each; beside each stands a hash table of
addresses in full length, with ``_host`` behind its name."""

USES = {
    "source4": 1 << 0,
    "source6": 1 << 1,
    "destination4": 1 << 2,
    "destination6": 1 << 3,
    "protocol": 1 << 4,
    "source_port": 1 << 5,
    "destination_port": 1 << 6,
    "dscp": 1 << 7,
    "device": 1 << 8,
    "tcp_flags": 1 << 9,
    "icmp_type": 1 << 10,
    "fragment": 1 << 11,
    "length": 1 << 12,
    "source4_host": 1 << 13,
    "source6_host": 1 << 14,
    "destination4_host": 1 << 15,
    "destination6_host": 1 << 16,
}
"""``enum uses``: the dimensions that the program must look up, because some entry asks."""


class Action(ctypes.Structure):
    """What an entry does: ``value`` is the XDP verdict or the tc class id, ``counter`` where XDP counts it."""

    _fields_ = (("value", c_uint32), ("counter", c_uint32))


class Device(ctypes.Structure):
    """The entries that apply to one interface."""

    _fields_ = (("ifindex", c_uint32), ("reserved", c_uint32), ("word", c_uint64))


class Slot(ctypes.Structure):
    """``struct slot``: all of a policy that has a fixed size."""

    _fields_ = (
        ("marker", c_uint64),
        ("entries", c_uint64),
        ("any_device", c_uint64),
        ("any_source", c_uint64),
        ("any_destination", c_uint64),
        ("any_protocol", c_uint64),
        ("any_source_port", c_uint64),
        ("any_destination_port", c_uint64),
        ("any_tcp_flags", c_uint64),
        ("any_icmp_type", c_uint64),
        ("deciding", c_uint64),
        ("uses", c_uint32),
        ("fallback", c_uint32),
        ("devices", c_uint32),
        ("refuses_hidden", c_uint32),
        ("device", Device * MAX_DEVICES),
        ("action", Action * MAX_ENTRIES),
        ("dscp", c_uint64 * 64),
        ("protocol", c_uint64 * 256),
        ("tcp_flags", c_uint64 * 256),
        ("icmp_type", c_uint64 * 256),
        ("part", c_uint64 * 4),
        ("length_from", c_uint32 * LENGTH_STEPS),
        ("length_word", c_uint64 * LENGTH_STEPS),
    )


@dataclass(frozen=True)
class Entry:
    """One matcher and what the program does with a packet that it is the first to match.

    ``devices`` are the interface indexes it applies to, ``None`` for wherever the program runs. An entry that does not
    decide lets the program ask the next one that matches (XDP only). One that drops by what a packet may hide refuses
    packets that do.
    """

    matcher: Matcher
    value: int
    counter: int = 0
    devices: frozenset[int] | None = None
    decides: bool = True
    drops: bool = False


@dataclass(frozen=True)
class Tables:
    """Everything one slot holds. Port tables are 65,536 words in native order, or ``None`` if no entry asks for ports.

    ``prefixes`` maps, by table, keys (prefix length and address, as the kernel wants them) to words. ``limits`` is what
    XDP keeps of rate limits, ``None`` if there are none.

    ``addresses`` are the conditions that ``prefixes`` is made from, by side, once somebody asks for it.
    """

    slot: Slot
    source_port: bytes | None = None
    destination_port: bytes | None = None
    addresses: Mapping[str, Conditions] = field(default_factory=dict)
    limits: bytes | None = None

    @cached_property
    def prefixes(self) -> dict[str, dict[bytes, bytes]]:
        """The words of every prefix; raises ``Refused`` for one that is none."""
        words = {
            name: table
            for side, conditions in self.addresses.items()
            for name, table in prefix_words(side, conditions, self.any_word(side)).items()
        }
        return {name: table for name, table in words.items() if table}

    def any_word(self, side: str) -> int:
        """The entries that take any address of a side."""
        return int(getattr(self.slot, f"any_{side}"))


def tables(entries: Sequence[Entry], fallback: int = 0) -> Tables:
    """The tables of a policy.

    Args:
        entries: In order: the first that matches decides.
        fallback: The action's value for a packet that no entry matches; 0 leaves the packet alone.

    Raises:
        Refused: More entries or devices than a word has bits; a prefix that is none.
    """
    if len(entries) > MAX_ENTRIES:
        raise Refused(f"{len(entries)} matchers where at most {MAX_ENTRIES} fit: merge rules that do the same")
    matchers = [entry.matcher for entry in entries]
    slot = Slot(entries=(1 << len(entries)) - 1, fallback=fallback)
    slot.any_device = _any(entry.devices for entry in entries)
    slot.any_source = _any(matcher["source"] for matcher in matchers)
    slot.any_destination = _any(matcher["destination"] for matcher in matchers)
    slot.any_protocol = _any(matcher["protocol"] for matcher in matchers)
    slot.any_source_port = _any(matcher["source_port"] for matcher in matchers)
    slot.any_destination_port = _any(matcher["destination_port"] for matcher in matchers)
    for number, entry in enumerate(entries):
        slot.action[number] = Action(entry.value, entry.counter)
    slot.deciding = _word(entry.decides for entry in entries)
    slot.refuses_hidden = any(entry.drops and _asks_transport(entry.matcher) for entry in entries)
    _fill(slot.protocol, lambda value: _word(m["protocol"] in (None, value) for m in matchers))
    _fill(slot.dscp, lambda value: _word(m["dscp"] is None or value in m["dscp"] for m in matchers))
    _fill_devices(slot, entries)
    further = _fill_further(slot, matchers)

    ports = {
        "source_port": _port_words([matcher["source_port"] for matcher in matchers]),
        "destination_port": _port_words([matcher["destination_port"] for matcher in matchers]),
    }
    addresses: dict[str, Conditions] = {
        "source": [matcher["source"] for matcher in matchers],
        "destination": [matcher["destination"] for matcher in matchers],
    }
    asked = {
        "protocol": any(matcher["protocol"] is not None for matcher in matchers),
        "dscp": any(matcher["dscp"] is not None for matcher in matchers),
        "device": any(entry.devices is not None for entry in entries),
        **further,
    }
    used = {name for name, words in ports.items() if words} | {name for name in asked if asked[name]}
    used = used.union(*(tables_used(side, conditions) for side, conditions in addresses.items()))
    slot.uses = sum(USES[name] for name in used)
    return Tables(slot, **ports, addresses=addresses)


def _fill_further(slot: Slot, matchers: Sequence[Matcher]) -> dict[str, bool]:
    """Conditions that few policies have; which of them this one has."""
    flags = [matcher.get("tcp_flags") for matcher in matchers]
    types = [matcher.get("icmp_types") for matcher in matchers]
    parts = [matcher.get("fragment") for matcher in matchers]
    steps = _length_steps([matcher.get("length") for matcher in matchers])
    slot.any_tcp_flags, slot.any_icmp_type = _any(flags), _any(types)
    asked = {"tcp_flags": _asks(flags), "icmp_type": _asks(types), "fragment": _asks(parts)}
    if asked["tcp_flags"]:
        _fill(slot.tcp_flags, lambda value: _word(f is None or any(value & m == v for v, m in f) for f in flags))
    if asked["icmp_type"]:
        _fill(slot.icmp_type, lambda value: _word(kinds is None or value in kinds for kinds in types))
    if asked["fragment"]:
        slot.part[3] = _any(parts)
        for number, part in enumerate(PARTS):
            slot.part[number] = _word(condition is None or part in condition for condition in parts)
    for number, (start, word) in enumerate((steps + [NO_LENGTH] * LENGTH_STEPS)[:LENGTH_STEPS] if steps else ()):
        slot.length_from[number], slot.length_word[number] = start, word
    return {**asked, "length": steps is not None}


def _asks_transport(matcher: Matcher) -> bool:
    """Whether it asks for what a packet can hide behind extension headers."""
    hideable = (
        matcher["protocol"],
        matcher["source_port"],
        matcher["destination_port"],
        *(matcher.get(key) for key in ("tcp_flags", "icmp_types", "fragment")),
    )
    return any(condition is not None for condition in hideable)


def _asks(conditions: Iterable[object]) -> bool:
    return any(condition is not None for condition in conditions)


def _any(conditions: Iterable[object]) -> int:
    return _word(condition is None for condition in conditions)


def _word(bits: Iterable[bool]) -> int:
    return sum(1 << number for number, bit in enumerate(bits) if bit)


def _fill(table: ctypes.Array[c_uint64], word: Callable[[int], int]) -> None:
    for value in range(len(table)):
        table[value] = word(value)


def _fill_devices(slot: Slot, entries: Sequence[Entry]) -> None:
    """An interface that no entry names is not listed: ``any_device`` holds there."""
    named = sorted({ifindex for entry in entries for ifindex in entry.devices or ()})
    if len(named) > MAX_DEVICES:
        raise Refused(f"rules on {len(named)} interfaces where at most {MAX_DEVICES} fit")
    slot.devices = len(named)
    for number, ifindex in enumerate(named):
        word = _word(entry.devices is None or ifindex in entry.devices for entry in entries)
        slot.device[number] = Device(ifindex=ifindex, word=word)


def _port_words(conditions: Sequence[list[PortRange] | None]) -> bytes | None:
    """A word for every port; the ports are cut where some range begins or ends."""
    if all(condition is None for condition in conditions):
        return None
    ranges = [(first, last) for condition in conditions for first, last in condition or ()]
    cuts = sorted({0, PORTS, *(first for first, _ in ranges), *(last + 1 for _, last in ranges)})
    words = array("Q")
    for start, end in pairwise(cuts):
        word = _word(
            condition is None or any(first <= start <= last for first, last in condition) for condition in conditions
        )
        words.extend(array("Q", [word]) * (end - start))
    return words.tobytes()


def _length_steps(conditions: Sequence[list[PortRange] | None]) -> list[tuple[int, int]] | None:
    """Where lengths begin to mean another word, and the word; ``None`` if no entry asks."""
    if all(condition is None for condition in conditions):
        return None
    ranges = [(first, last) for condition in conditions for first, last in condition or ()]
    starts = sorted({0, *(first for first, _ in ranges), *(last + 1 for _, last in ranges)})
    if len(starts) > LENGTH_STEPS:
        raise Refused(f"ranges of packet lengths with {len(starts)} ends where at most {LENGTH_STEPS} fit: merge some")
    return [
        (start, _word(ranges is None or any(first <= start <= last for first, last in ranges) for ranges in conditions))
        for start in starts
    ]
