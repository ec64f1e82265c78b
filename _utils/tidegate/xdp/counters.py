"""Counters of rules. A rule keeps its counter as long as a slot names it: through flips, new programs and restarts.

The names are in a pinned map beside the counters, so the kernel knows by itself what it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tidegate.bpf import libbpf
from tidegate.bpf.slots import Slots
from tidegate.host.errors import Failed
from tidegate.xdp import limits

COUNTERS = 256
NAME_LENGTH = 64
TOTALS = ("passed", "dropped", "hidden", "exempted")
"""``enum total``: all packets that met a policy; of the dropped, those that hid their transport header; of the passed,
those that a rule would have dropped if they were not management."""

_TALLY = struct.Struct("=QQ")
_RULE_TALLY = struct.Struct("=QQQQ")


class Tally(NamedTuple):
    """How much, over all CPUs, since the counter was first used."""

    packets: int
    bytes: int


class RuleTally(NamedTuple):
    """What a rule matched, over all CPUs, since its counter was first used; of that what was past its limit."""

    packets: int
    bytes: int
    over_packets: int
    over_bytes: int


def reserve(maps: Mapping[str, int], slots: Slots, rules: Iterable[str]) -> dict[str, int]:
    """A counter for each rule by name: its old one if it has one, else one that neither slot uses, set to zero."""
    wanted = list(dict.fromkeys(rules))
    kept = names(maps)
    in_use = {counter for number in (0, 1) for _, counter in slots.actions(number)}
    in_use |= {kept[name] for name in wanted if name in kept}
    free = (counter for counter in range(COUNTERS) if counter not in in_use)
    reserved: dict[str, int] = {}
    for name in wanted:
        if name in kept:
            reserved[name] = kept[name]
            continue
        counter = next(free, None)
        if counter is None:
            raise Failed(f"no counter is left for rule {name!r}")
        _set_name(maps, counter, "")
        libbpf.map_update(maps["counters"], _key(counter), bytes(_RULE_TALLY.size * libbpf.possible_cpus()))
        limits.forget(maps, counter)
        _set_name(maps, counter, name)
        reserved[name] = counter
    return reserved


def names(maps: Mapping[str, int]) -> dict[str, int]:
    """Rules' counters by the rule's name, as the kernel has them."""
    found: dict[str, int] = {}
    for counter in range(COUNTERS):
        value = libbpf.map_lookup(maps["counter_names"], _key(counter), NAME_LENGTH) or b""
        if name := value.rstrip(b"\0").decode(errors="replace"):
            found[name] = counter
    return found


def of_rules(maps: Mapping[str, int], slots: Slots) -> dict[str, RuleTally]:
    """What each rule in force has matched, in the rules' order."""
    by_counter = {counter: name for name, counter in names(maps).items()}
    in_order = dict.fromkeys(counter for _, counter in slots.actions(slots.in_force))
    return {by_counter.get(counter, f"#{counter}"): of_rule(maps, counter) for counter in in_order}


def totals(maps: Mapping[str, int]) -> dict[str, Tally]:
    """What became of all packets while there was a policy."""
    return {name: Tally(*_read(maps["totals"], number, _TALLY)) for number, name in enumerate(TOTALS)}


def of_rule(maps: Mapping[str, int], counter: int) -> RuleTally:
    """One rule's counter."""
    return RuleTally(*_read(maps["counters"], counter, _RULE_TALLY))


def _read(table: int, number: int, layout: struct.Struct) -> list[int]:
    """The fields of one element, each summed over the CPUs."""
    value = libbpf.map_lookup(table, _key(number), layout.size * libbpf.possible_cpus()) or bytes(layout.size)
    return [sum(field) for field in zip(*layout.iter_unpack(value), strict=True)]


def _set_name(maps: Mapping[str, int], counter: int, name: str) -> None:
    libbpf.map_update(maps["counter_names"], _key(counter), name.encode().ljust(NAME_LENGTH, b"\0"))


def _key(number: int) -> bytes:
    return struct.pack("=I", number)
