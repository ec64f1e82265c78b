"""Counters of services and their backends. They belong to names and survive flips, programs and restarts."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tidegate.balancing import limits
from tidegate.balancing.tables import BACKEND
from tidegate.bpf import libbpf
from tidegate.host.errors import Failed

COUNTERS = 4096
NAME_LENGTH = 112
FATES = ("sent", "kept", "arrived", "handed_on", "no_backend", "no_route", "unresolved", "too_big")
"""``enum fate``: what became of packets that balancing looked at; see docs/balancing.md."""
_VOLUME = struct.Struct("=QQ")


class Volume(NamedTuple):
    """How much, over all CPUs, since the counter was first used."""

    packets: int
    bytes: int


def reserve(maps: Mapping[str, int], wanted: Iterable[str]) -> dict[str, int]:
    """A counter for each name: its old one if it has one, else a free one, set to zero.

    Names that no plan speaks of keep theirs until there is no other left: the other slot may still count by them.
    """
    kept = names(maps)
    asked = list(dict.fromkeys(wanted))
    used = set(kept.values())
    free = [number for number in range(COUNTERS) if number not in used]
    free += [number for name, number in kept.items() if name not in asked and number not in _in_use(maps)]
    free.reverse()
    reserved: dict[str, int] = {}
    for name in asked:
        if name not in kept:
            if not free:
                raise Failed(f"no counter is left for {name!r}")
            kept[name] = free.pop()
            libbpf.map_update(maps["balanced"], _key(kept[name]), bytes(_VOLUME.size * libbpf.possible_cpus()))
            libbpf.map_update(maps["balanced_names"], _key(kept[name]), name.encode().ljust(NAME_LENGTH, b"\0"))
        reserved[name] = kept[name]
    return reserved


def _in_use(maps: Mapping[str, int]) -> set[int]:
    values = (
        libbpf.map_lookup(maps["backends"], _key(number), BACKEND.size) for number in range(2 * limits.MOST_ENTRIES)
    )
    return {BACKEND.unpack(value)[1] for value in values if value}


def names(maps: Mapping[str, int]) -> dict[str, int]:
    """Counters by name, as the kernel has them; they are taken in order, so the first without a name is the end."""
    found: dict[str, int] = {}
    for number in range(COUNTERS):
        value = libbpf.map_lookup(maps["balanced_names"], _key(number), NAME_LENGTH) or b""
        name = value.rstrip(b"\0").decode(errors="replace")
        if not name:
            break
        found[name] = number
    return found


def of(maps: Mapping[str, int], wanted: Iterable[str]) -> dict[str, Volume]:
    """What has been counted under these names."""
    kept = names(maps)
    return {name: read(maps["balanced"], kept[name]) for name in wanted if name in kept}


def fates(maps: Mapping[str, int]) -> dict[str, Volume]:
    """What became of packets that balancing looked at."""
    return {name: read(maps["fates"], number) for number, name in enumerate(FATES)}


def read(table: int, number: int) -> Volume:
    """One counter, summed over the CPUs."""
    value = libbpf.map_lookup(table, _key(number), _VOLUME.size * libbpf.possible_cpus()) or b""
    each = list(_VOLUME.iter_unpack(value))
    return Volume(sum(packets for packets, _ in each), sum(size for _, size in each))


def _key(number: int) -> bytes:
    return struct.pack("=I", number)
