"""Rate limits in the kernel's terms; ``bpf/limit.h`` has the other side."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping, Sequence
from ctypes import c_uint8
from typing import Any

from tidegate.bpf import libbpf
from tidegate.bpf.buckets import Pace, pace
from tidegate.bpf.matcher import MAX_ENTRIES
from tidegate.xdp.section import Limit, Rule

TRACKED = 65536
"""Addresses that have a bucket, unless the policy says otherwise."""
BYTES_TRACKED = 128
"""Kernel memory of one bucket in the table of the least recently used, rounded up."""
_PER = {"rule": 0, "source": 1, "destination": 2}
_KEY, _BUCKET = 20, 8
_ZERO = struct.pack("=I", 0)


class KernelLimit(ctypes.Structure):
    """``struct limit``."""

    _fields_ = (
        ("pace", Pace),
        ("mask4", c_uint8 * 4),
        ("mask6", c_uint8 * 16),
        ("per", c_uint8),
        ("counts_bytes", c_uint8),
        ("reserved", c_uint8 * 2),
    )


class Limits(ctypes.Structure):
    """``struct limits``: one for each entry of a slot."""

    _fields_ = (("limit", KernelLimit * MAX_ENTRIES),)


def table(rules: Sequence[Rule]) -> bytes | None:
    """The limits of a policy's rules, in their order; ``None`` if no rule has one."""
    if not any("limit" in rule for rule in rules):
        return None
    limits = Limits()
    for number, rule in enumerate(rules):
        if "limit" in rule:
            limits.limit[number] = in_kernel(rule["limit"])
    return bytes(limits)


def in_kernel(limit: Limit) -> KernelLimit:
    """One limit; what is stated in bits is counted in bytes."""
    in_bits = limit["unit"] == "bits"
    units = 8 if in_bits else 1
    return KernelLimit(
        pace=pace(limit["rate"] / units, limit["burst"] // units),
        mask4=(c_uint8 * 4)(*_mask(limit["lengths"][0], 4)),
        mask6=(c_uint8 * 16)(*_mask(limit["lengths"][1], 16)),
        per=_PER[limit["per"]],
        counts_bytes=in_bits,
    )


def _mask(length: int, size: int) -> bytes:
    spare = size * 8 - length
    return ((1 << size * 8) - 1 >> spare << spare).to_bytes(size, "big")


def wants_table(rules: Sequence[Rule]) -> bool:
    """Whether some rule keeps a bucket for each address."""
    return any("limit" in rule and rule["limit"]["per"] != "rule" for rule in rules)


def ensure_table(maps: Mapping[str, int], tracked: int) -> None:
    """Have a table for that many addresses; one of another size starts anew, all its buckets full.

    Buckets outlive flips, new programs and this process.
    """
    current = libbpf.map_lookup(maps["address_buckets"], _ZERO, 4)
    if current is not None and _size(struct.unpack("=I", current)[0]) == tracked:
        return
    made = libbpf.map_create(libbpf.MAP_TYPE_LRU_HASH, "address_buckets", _KEY, _BUCKET, tracked, 0)
    try:
        libbpf.map_update(maps["address_buckets"], _ZERO, struct.pack("=I", made))
    finally:
        os.close(made)


def forget(maps: Mapping[str, int], counter: int) -> None:
    """Fill the bucket of a counter that gets another rule. Those of addresses are left to grow old."""
    libbpf.map_update(maps["rule_buckets"], struct.pack("=I", counter), bytes(_BUCKET))


def _size(identifier: int) -> int:
    descriptor = libbpf.map_by_id(identifier)
    try:
        info: Any = libbpf.map_info(descriptor)
        return int(info.max_entries)
    finally:
        os.close(descriptor)
