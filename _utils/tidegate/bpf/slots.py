"""The two slots of a policy and the word that says which one is in force (``bpf/match.h`` has the other side).

    slots = Slots(maps)                       # descriptors by name, from loader.load or loader.pinned_maps
    number = slots.prepare(tables, marker)    # the idle slot, filled (or found filled) with that policy
    slots.flip(number, timeout=120)           # in force now; the kernel goes back by itself 120 s from now
    slots.confirm(marker)                     # ... unless confirmed

Every step may be repeated after a crash at any point: a slot's marker is written last, so a slot that has one is whole.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_uint64, sizeof

from tidegate.bpf import libbpf
from tidegate.bpf.matcher import PORTS, PREFIX_TABLES, Slot, Tables
from tidegate.bpf.patch import Patch, patch
from tidegate.bpf.prefixes import Conditions
from tidegate.host.errors import Failed

_PORT_BYTES = PORTS * sizeof(c_uint64)
_MEMBARRIER = {"x86_64": 324, "aarch64": 283, "riscv64": 283, "s390x": 356, "ppc64le": 365}
_MEMBARRIER_GLOBAL = 1
_GRACE_SLEEP = 0.25
NANOSECONDS = 10**9
_ROOM = 16
"""Prefixes for which a table has room beside an eighth of those that it holds: the next policy may have more."""


class Slots:
    """The slots in a set of maps, which stay open as long as the memory mapped here; markers are 16 hex digits."""

    def __init__(self, maps: Mapping[str, int]) -> None:
        self._maps = maps
        self._config = c_uint64.from_buffer(_mapped(maps["config"], sizeof(c_uint64)))
        self._slots = (Slot * 2).from_buffer(_mapped(maps["slots"], 2 * sizeof(Slot)))

    def now(self) -> tuple[int, float | None]:
        """The slot in force, and for how many more seconds (``None``: for good), by the program's own rule."""
        value, clock = self._config.value, time.monotonic_ns()
        number, deadline = value & 1, value >> 1
        if deadline and clock >= deadline:
            return 1 - number, None
        return number, (deadline - clock) / NANOSECONDS if deadline else None

    @property
    def in_force(self) -> int:
        """The slot that judges packets at this moment."""
        return self.now()[0]

    @property
    def pending(self) -> float | None:
        """Seconds until the kernel goes back to the other slot by itself; ``None`` if it will not (or has)."""
        return self.now()[1]

    def marker(self, number: int) -> str | None:
        """What a slot holds, ``None`` if it was never filled or not to the end."""
        value = int(self._slots[number].marker)
        return f"{value:016x}" if value else None

    def actions(self, number: int) -> list[tuple[int, int]]:
        """Value and counter of each entry of a slot."""
        slot = self._slots[number]
        return [(action.value, action.counter) for action in slot.action[: int(slot.entries).bit_length()]]

    def prepare(
        self,
        tables: Tables,
        marker: str,
        beside: Callable[[int], None] | None = None,
        former: Callable[[str], Mapping[str, Conditions] | None] | None = None,
    ) -> int:
        """Have a slot hold this policy without putting it in force; return its number.

        The slot in force and the idle one are looked at first, so that a repeat, or the way back, costs nothing. If an
        unconfirmed policy is in force, it is taken back before its way back is overwritten. ``beside`` fills what else
        belongs to a slot, given its number, before the marker makes it whole. ``former`` tells the prefixes, by side,
        that a marker was made of, or ``None`` if it does not know; where the idle slot's are known, only what differs
        is written.
        """
        wanted = Slot.from_buffer_copy(tables.slot)
        wanted.marker = int(marker, 16)
        for number in (self.in_force, 1 - self.in_force):
            if bytes(self._slots[number]) == bytes(wanted):  # a marker alone knows nothing of interface indexes
                return number
        self.settle()
        idle = 1 - self.in_force
        self._fill(idle, tables, marker, beside, former)
        return idle

    def holds(self, tables: Tables, marker: str) -> bool:
        """Whether the slot in force is just this policy, the numbers of interfaces in it too."""
        wanted = Slot.from_buffer_copy(tables.slot)
        wanted.marker = int(marker, 16)
        return bytes(self._slots[self.in_force]) == bytes(wanted)

    def flip(self, number: int, timeout: float | None) -> None:
        """Put a slot in force by one store; with ``timeout`` (seconds) until then only, unless confirmed.

        The way back must lead to what was in force for good. So the timeout counts for nothing if this slot is in force
        for good already, or if it is itself the way back from an unconfirmed one.
        """
        in_force, pending = self.now()
        way_back_is_confirmed = (number == in_force) == (pending is not None)
        if timeout is not None and way_back_is_confirmed:
            self._store(number, time.monotonic_ns() + int(timeout * NANOSECONDS))
        else:
            self._store(number, 0)

    def confirm(self, marker: str) -> bool:
        """Keep that policy in force for good; false, and nothing done, if it is not in force (any more)."""
        in_force = self.in_force
        if self.marker(in_force) != marker:
            return False
        self._store(in_force, 0)
        return True

    def settle(self) -> None:
        """Take back an unconfirmed policy now; a deadline that has passed is written down as such."""
        in_force, pending = self.now()
        self._store(in_force if pending is None else 1 - in_force, 0)

    def _store(self, number: int, deadline: int) -> None:
        self._config.value = deadline << 1 | number  # ctypes stores an aligned 64-bit field by one instruction

    def _fill(
        self,
        number: int,
        tables: Tables,
        marker: str,
        beside: Callable[[int], None] | None,
        former: Callable[[str], Mapping[str, Conditions] | None] | None,
    ) -> None:
        if int(marker, 16) == 0:
            raise Failed("a marker of zeros means an empty slot")
        with ThreadPoolExecutor(max_workers=1) as beside_us:
            waiting = beside_us.submit(grace)  # no program may still read what this slot held before the last flip
            held = self.marker(number)
            before = former(held) if former and held else None
            patches = _patches(before, tables) if before else None
            waiting.result()
        slot = self._slots[number]
        slot.marker = 0
        if patches is None or not all(self._patched(number, each) for each in patches):
            self._fill_all_addresses(number, tables)
        self._fill_ports("source_port", number, tables.source_port)
        self._fill_ports("destination_port", number, tables.destination_port)
        if tables.limits is not None:
            libbpf.map_update(self._maps["limits"], struct.pack("=I", number), tables.limits)
        if beside is not None:
            beside(number)
        self._slots[number] = tables.slot
        slot.marker = int(marker, 16)

    def _patched(self, number: int, patch: Patch) -> bool:
        """Write into a slot's tables what differs; false where one is not there, or has no room."""
        for table in patch.written.keys() | patch.removed.keys():
            identifier = libbpf.map_lookup(self._maps[table], struct.pack("=I", number), 4)
            if identifier is None:
                return False
            inner = libbpf.map_by_id(struct.unpack("=I", identifier)[0])
            try:
                for key in patch.removed.get(table, ()):
                    libbpf.map_delete(inner, key)
                for key, word in patch.written.get(table, {}).items():
                    libbpf.map_update(inner, key, word)
            except libbpf.BpfError:
                return False
            finally:
                os.close(inner)
        return True

    def _fill_all_addresses(self, number: int, tables: Tables) -> None:
        for table, size in PREFIX_TABLES.items():
            tries, hosts = (libbpf.MAP_TYPE_LPM_TRIE, libbpf.F_NO_PREALLOC), (libbpf.MAP_TYPE_HASH, 0)
            self._fill_addresses(table, number, size, tries, tables.prefixes.get(table))
            self._fill_addresses(f"{table}_host", number, size, hosts, tables.prefixes.get(f"{table}_host"))

    def _fill_addresses(
        self, table: str, number: int, address_size: int, shape: tuple[int, int], words: dict[bytes, bytes] | None
    ) -> None:
        """Put a new inner table into a slot, of that kind and with those flags; none if it would be empty."""
        key = struct.pack("=I", number)
        if not words:
            libbpf.map_delete(self._maps[table], key)
            return
        kind, flags = shape
        room = len(words) + len(words) // 8 + _ROOM
        inner = libbpf.map_create(kind, table[:15], 4 + address_size, 8, room, flags)
        try:
            libbpf.map_update_all(inner, words)
            libbpf.map_update(self._maps[table], key, struct.pack("=I", inner))
        finally:
            os.close(inner)

    def _fill_ports(self, table: str, number: int, words: bytes | None) -> None:
        if words is None:
            return  # nobody asks: `uses` says so
        with _mapped(self._maps[table], 2 * _PORT_BYTES) as memory:
            memory[number * _PORT_BYTES : (number + 1) * _PORT_BYTES] = words


def _patches(before: Mapping[str, Conditions], tables: Tables) -> list[Patch] | None:
    """What differs on each side, ``None`` if the tables of some are to be made anew."""
    found = []
    for side, after in tables.addresses.items():
        one = None if len(before[side]) != len(after) else patch(before[side], after, side, tables.any_word(side))
        if one is None:
            return None
        found.append(one)
    return found


def grace() -> None:
    """Wait until no BPF program that runs now is still running (an RCU grace period)."""
    number = _MEMBARRIER.get(platform.machine())
    if number is None or ctypes.CDLL(None).syscall(number, _MEMBARRIER_GLOBAL, 0, 0):
        time.sleep(_GRACE_SLEEP)


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    return mmap.mmap(descriptor, whole)
