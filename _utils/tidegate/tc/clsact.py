"""The hooks on a device's way out and in: clsact, where our filters have a place of their own beside those of others.

Attached through libbpf (``bpf_tc_attach``): the filter at our priority and handle is replaced in one step, so no packet
goes by unjudged, and it is read back as a program id instead of as text. Whoever else has filters there keeps
them, before and after ours; the clsact qdisc itself is removed only if Tidegate made it and nothing is left on it.
"""

from __future__ import annotations

import ctypes
import errno
from ctypes import byref, c_int, c_size_t, c_uint32
from enum import IntEnum
from pathlib import Path

from tidegate.bpf import pins
from tidegate.bpf.libbpf import BpfError, library
from tidegate.host.paths import paths
from tidegate.tc import command, show

PRIORITY = 0x1DE
HANDLE = 1
_REPLACE = 1


class Point(IntEnum):
    """``enum bpf_tc_attach_point``."""

    INGRESS = 1
    EGRESS = 2


class _Hook(ctypes.Structure):
    """``struct bpf_tc_hook`` of libbpf 1.0; newer ones only append to it."""

    _fields_ = (
        ("sz", c_size_t),
        ("ifindex", c_int),
        ("attach_point", c_int),
        ("parent", c_uint32),
        ("padding", c_uint32),
    )


class _Options(ctypes.Structure):
    """``struct bpf_tc_opts``."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
        ("padding", c_uint32),
    )


def exists(device: str) -> bool:
    """Whether the device has a clsact qdisc, whoever made it."""
    return any(qdisc.kind == "clsact" for qdisc in show.qdiscs(command.show("qdisc", "show")) if qdisc.device == device)


def ensure(device: str) -> None:
    """Give the device a clsact qdisc if it has none. It holds no packets: traffic does not notice."""
    if not exists(device):
        _note(device).mkdir(parents=True, exist_ok=True)
        command.batch([f"qdisc add dev {device} clsact"])


def release(device: str) -> None:
    """Remove the clsact qdisc if Tidegate made it, unless filters, of ours or others, are on it."""
    if not _note(device).is_dir():
        return
    if exists(device):
        if any(command.show("filter", "show", "dev", device, way).strip() for way in ("ingress", "egress")):
            return
        command.batch([f"qdisc del dev {device} clsact"])
    _note(device).rmdir()


def attach(ifindex: int, program: int, point: Point) -> None:
    """Put the program (a descriptor) at our place, in one step if another is there."""
    options = _options(prog_fd=program, flags=_REPLACE)
    _call(f"attach a program to interface {ifindex}", "bpf_tc_attach", ifindex, point, options)


def detach(ifindex: int, point: Point) -> None:
    """Take our filter away, if it is there."""
    if attached(ifindex, point) is not None:
        _call(f"detach the program from interface {ifindex}", "bpf_tc_detach", ifindex, point, _options())


def attached(ifindex: int, point: Point) -> int | None:
    """The id of the program at our place."""
    options = _options()
    try:
        _call(f"ask for the program of interface {ifindex}", "bpf_tc_query", ifindex, point, options)
    except BpfError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):  # no such filter, or no clsact at all
            return None
        raise
    return int(options.prog_id)


def _note(device: str) -> Path:
    """(empty) It was Tidegate that made the device's clsact qdisc."""
    return paths().bpffs / "clsact" / pins.name(device)


def _options(**fields: int) -> _Options:
    return _Options(sz=ctypes.sizeof(_Options), handle=HANDLE, priority=PRIORITY, **fields)


def _call(what: str, name: str, ifindex: int, point: Point, options: _Options) -> None:
    hook = _Hook(sz=ctypes.sizeof(_Hook), ifindex=ifindex, attach_point=point)
    result = int(getattr(library(), name)(byref(hook), byref(options)))
    if result < 0:
        raise BpfError(what, -result)
