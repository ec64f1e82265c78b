"""Balancing in the kernel: filling a slot, and changing single buckets of one when a backend turns sick or well."""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Collection, Mapping

from tidegate.balancing import limits, tables, volumes
from tidegate.balancing.maglev import SIZE
from tidegate.balancing.section import Balancing
from tidegate.bpf import libbpf
from tidegate.host.errors import Failed

_ARRAY = 2
_MMAPABLE, _INNER_MAP = 1 << 10, 1 << 12


def fill(maps: Mapping[str, int], slot: int, section: Balancing | None, sick: Mapping[str, Collection[str]]) -> None:
    """Have a slot that is not in force hold a host's balancing.

    Args:
        maps: Descriptors by name.
        slot: Its number.
        section: ``None`` for none.
        sick: Service → hosts that are sick now.

    Raises:
        Refused: More than fits. The slot must not be put in force then.
        Failed: The kernel refused.
    """
    libbpf.map_update(maps["balancing"], _key(slot), bytes(tables.BALANCING.size))
    for key in libbpf.map_keys(maps["frontends"], tables.FRONTEND.size):
        if tables.FRONTEND.unpack(key)[3] == slot:
            libbpf.map_delete(maps["frontends"], key)
    libbpf.map_delete(maps["buckets"], _key(slot))
    if section is None:
        return
    counters = volumes.reserve(maps, tables.names(section))
    frontends = tables.frontends(section, slot, counters)
    first = slot * limits.MOST_ENTRIES
    found = enumerate(tables.backends(section, counters), first)
    libbpf.map_update_all(maps["backends"], {_key(number): value for number, value in found})
    if section["services"]:
        _new_buckets(maps, slot, section, sick)
    libbpf.map_update_all(maps["frontends"], frontends)
    libbpf.map_update(maps["balancing"], _key(slot), tables.balancing(section))


def _new_buckets(maps: Mapping[str, int], slot: int, section: Balancing, sick: Mapping[str, Collection[str]]) -> None:
    size = SIZE * len(section["services"])
    table = libbpf.map_create(_ARRAY, "buckets", 4, 8, size, _MMAPABLE | _INNER_MAP)
    try:
        _write(table, section, sick)
        libbpf.map_update(maps["buckets"], _key(slot), struct.pack("=I", table))
    finally:
        os.close(table)


def refresh(maps: Mapping[str, int], slot: int, section: Balancing, sick: Mapping[str, Collection[str]]) -> None:
    """Bring a slot's buckets up to date with who is sick: bucket by bucket, each by one store, while packets pass."""
    value = libbpf.map_lookup(maps["buckets"], _key(slot), 4)
    if value is None:
        raise Failed("the kernel has no buckets for the balancing in force")
    table = libbpf.map_by_id(struct.unpack("=I", value)[0])
    try:
        if libbpf.map_info(table).max_entries != SIZE * len(section["services"]):
            raise Failed("the kernel's buckets are not those of this generation")
        _write(table, section, sick)
    finally:
        os.close(table)


def _write(table: int, section: Balancing, sick: Mapping[str, Collection[str]]) -> None:
    words = array("Q")
    for service in section["services"]:
        words += tables.words(service, sick.get(service["name"], ()))
    size = len(words) * words.itemsize
    with (
        mmap.mmap(table, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE) as memory,
        memoryview(memory) as whole,
        whole[:size].cast("Q") as there,
    ):
        for number, word in enumerate(words):
            if there[number] != word:
                there[number] = word


def _key(number: int) -> bytes:
    return struct.pack("=I", number)
