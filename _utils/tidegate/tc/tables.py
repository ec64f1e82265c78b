"""What the classifier holds beyond ``bpf/matcher.py``; mirrors ``bpf/class.h``. Pure but for ``fill``.

A part of the tree with addresses of its own (a customer) is a group: its prefixes lead to its number, and for each of
the entries that it asks it names a class. Ten thousand customers with the same services need no more entries than one.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import c_uint8, c_uint32, c_uint64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tidegate.bpf import libbpf
from tidegate.bpf.matcher import MAX_ENTRIES
from tidegate.bpf.prefixes import parse_prefix
from tidegate.host.errors import Refused
from tidegate.tc.queues import above, lower
from tidegate.tc.tree import Entry, Group

KEYS = ("vlan", "fwmark", "cgroup")
"""``enum key_kind``, in order."""
MAX_KEYS = 2048
"""Values of VLANs, marks and cgroups in one tree: two trees fit into the map."""
HOST, PREFIX, DSCP, QUEUES = (1 << 8, 1 << 9), (1 << 10, 1 << 11), 1 << 12, 1 << 13
"""``enum choice_uses``: for each side, to whom and from whom."""
_SIDES = ("to", "source")
_INSIDE = 8
_GROUP = struct.Struct(f"=QII{_INSIDE}I")
"""``struct group``, with its first classes inside."""
_ARRAY = 2
_F_INNER_MAP = 1 << 12
_CGROUPS = Path("/sys/fs/cgroup")


class Choice(ctypes.Structure):
    """``struct choice``."""

    _fields_ = (
        ("apart", c_uint64),
        ("any", c_uint64 * len(KEYS)),
        ("uses", c_uint32),
        ("fallback_dscp", c_uint32),
        ("dscp", c_uint8 * MAX_ENTRIES),
    )


@dataclass(frozen=True)
class Extras:
    """What one slot holds; ``hosts`` and ``prefixes`` lead, by end (``to4``), from addresses to ``struct group``."""

    choice: Choice
    keys: dict[tuple[int, int], int] = field(default_factory=dict)
    hosts: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    prefixes: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    classes: tuple[int, ...] = ()


class Marked(Protocol):
    """A class, as far as it is looked at here."""

    @property
    def minor(self) -> int:
        """Its id."""

    @property
    def set_dscp(self) -> int | None:
        """What its packets leave with."""


class Chosen(Protocol):
    """What packets choose from: a tree, or a policer."""

    @property
    def classes(self) -> Sequence[Marked]:
        """Its classes."""

    @property
    def entries(self) -> Sequence[Entry]:
        """What is asked, in order."""

    @property
    def groups(self) -> Sequence[Group]:
        """Its customers."""

    @property
    def default(self) -> int:
        """The minor of the class that takes the rest."""


def extras(tree: Chosen, cgroup: Callable[[str], int] | None = None, queued: bool = False) -> Extras:
    """What the tree's customers, keys and marks need.

    Args:
        tree: The tree.
        cgroup: The kernel's number of a cgroup by its path; ``cgroup_id`` unless given.
        queued: Whether a packet goes by its class's queue.

    Raises:
        Refused: too many keys, a cgroup that is not there, a prefix that is none.
    """
    keys, choice = _keys(tree, cgroup or cgroup_id)
    marks = {each.minor: each.set_dscp + 1 for each in tree.classes if each.set_dscp is not None}
    choice.apart = sum(1 << place for place, entry in enumerate(tree.entries) if not entry.minor)
    choice.fallback_dscp = marks.get(tree.default, 0)
    for place, entry in enumerate(tree.entries):
        choice.dscp[place] = marks.get(entry.minor, 0)
    groups, classes = _groups(tree.groups, marks)
    hosts, prefixes = _addresses(tree.groups, groups)
    choice.uses |= (DSCP if marks else 0) | (QUEUES if queued else 0)
    for side, name in enumerate(_SIDES):
        ends = {f"{name}4", f"{name}6"}
        choice.uses |= HOST[side] if hosts.keys() & ends else 0
        choice.uses |= PREFIX[side] if prefixes.keys() & ends else 0
    return Extras(choice, keys, hosts, prefixes, classes)


def fill(maps: Mapping[str, int], number: int, wanted: Extras) -> None:
    """Write them into the slot ``number``, which must not be in force."""
    index = struct.pack("=I", number)
    for key in libbpf.map_keys(maps["keys"], 16):
        if key[:4] == index:
            libbpf.map_delete(maps["keys"], key)
    for (kind, value), word in wanted.keys.items():
        libbpf.map_update(maps["keys"], struct.pack("=IIQ", number, kind, value), struct.pack("=Q", word))
    for side in _SIDES:
        for family, size in ((4, 4), (6, 16)):
            end = f"{side}{family}"
            _inner(
                maps,
                f"customer_{end}_host",
                index,
                (libbpf.MAP_TYPE_HASH, 4 + size, _GROUP.size, 0),
                wanted.hosts.get(end, {}),
            )
            shape = (libbpf.MAP_TYPE_LPM_TRIE, 4 + size, _GROUP.size, libbpf.F_NO_PREALLOC)
            _inner(maps, f"customer_{end}", index, shape, wanted.prefixes.get(end, {}))
    packed = [struct.pack("=I", each) for each in wanted.classes]
    _inner(maps, "group_class", index, (_ARRAY, 4, 4, _F_INNER_MAP), _numbered(packed))
    libbpf.map_update(maps["choices"], index, bytes(wanted.choice))


def cgroup_id(path: str) -> int:
    """The kernel's number of a cgroup: the inode of its directory (``kernfs``).

    Raises:
        Refused: there is no such cgroup, or no version 2 hierarchy.
    """
    for root in (_CGROUPS, _CGROUPS / "unified"):
        if (root / "cgroup.controllers").exists() and (place := root / path.lstrip("/")).is_dir():
            return place.stat().st_ino
    raise Refused(f"cgroup {path} is not there (version 2): start what runs in it first, or take the class's match out")


def _keys(tree: Chosen, cgroup: Callable[[str], int]) -> tuple[dict[tuple[int, int], int], Choice]:
    choice, found = Choice(), dict[tuple[int, int], int]()
    for kind, name in enumerate(KEYS):
        conditions = [_values(entry.match.get(name), cgroup) for entry in tree.entries]
        any_word = _word(condition is None for condition in conditions)
        choice.any[kind] = any_word
        for value in {value for condition in conditions for value in condition or ()}:
            found[kind, value] = any_word | _word(value in (condition or ()) for condition in conditions)
        if any(condition is not None for condition in conditions):
            choice.uses |= 1 << kind
    if len(found) > MAX_KEYS:
        raise Refused(f"{len(found)} VLANs, marks and cgroups where at most {MAX_KEYS} fit")
    return found, choice


def _values(condition: object, cgroup: Callable[[str], int]) -> list[int] | None:
    if condition is None:
        return None
    return [cgroup(condition)] if isinstance(condition, str) else list(condition)  # type: ignore[call-overload]


def _addresses(
    groups: Sequence[Group], values: Sequence[bytes]
) -> tuple[dict[str, dict[bytes, bytes]], dict[str, dict[bytes, bytes]]]:
    hosts: dict[str, dict[bytes, bytes]] = {}
    prefixes: dict[str, dict[bytes, bytes]] = {}
    for group, value in zip(groups, values, strict=True):
        for name, texts in (("to", group.destination), ("source", group.source)):
            for text in texts:
                size, network, length = parse_prefix(text)
                tables = hosts if length == size * 8 else prefixes
                table = tables.setdefault(f"{name}{4 if size == 4 else 6}", {})
                table[struct.pack("=I", length) + network.to_bytes(size, "big")] = value
    return hosts, prefixes


def _groups(groups: Sequence[Group], marks: Mapping[int, int]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    found: list[bytes] = []
    classes: list[int] = []
    for group in groups:
        word = sum(1 << place for place, _ in group.classes)
        own = [_packed(minor, marks) for _, minor in group.classes]
        inside = [*own[:_INSIDE], *[0] * (_INSIDE - len(own))]
        found.append(_GROUP.pack(word, _packed(group.default, marks), len(classes), *inside))
        classes += own if len(own) > _INSIDE else []
    return tuple(found), tuple(classes)


def _packed(minor: int, marks: Mapping[int, int]) -> int:
    return lower(minor) | marks.get(minor, 0) << 16 | above(minor) << 24


def _numbered(values: Sequence[bytes]) -> dict[bytes, bytes]:
    return {struct.pack("=I", number): value for number, value in enumerate(values)}


def _inner(
    maps: Mapping[str, int], name: str, index: bytes, shape: tuple[int, int, int, int], elements: dict[bytes, bytes]
) -> None:
    """Put a new inner map with these elements into a slot; none if there are none."""
    if not elements:
        libbpf.map_delete(maps[name], index)
        return
    kind, key_size, value_size, flags = shape
    inner = libbpf.map_create(kind, name[:15], key_size, value_size, len(elements), flags)
    try:
        libbpf.map_update_all(inner, elements)
        libbpf.map_update(maps[name], index, struct.pack("=I", inner))
    finally:
        os.close(inner)


def _word(bits: Iterable[bool]) -> int:
    return sum(1 << number for number, bit in enumerate(bits) if bit)
