"""libbpf by ctypes: the calls Tidegate needs, with errors as exceptions, and nothing else.

libbpf 1.0 to 1.5 (Debian 12 and 13) share this ABI: option structures carry their size, so an older library refuses
only fields it does not know that are not zero. Every function raises ``BpfError`` with the call, what it was about and
the kernel's reason. File descriptors are plain integers that the caller closes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from contextlib import suppress
from ctypes import byref, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from tidegate.bpf.abi import Batch, LinkCreate, LinkInfo, MapCreate, MapInfo, ProgramInfo, TestRun, XdpQuery
from tidegate.host.errors import Failed

MAP_TYPE_HASH = 1
MAP_TYPE_LRU_HASH = 9
MAP_TYPE_LPM_TRIE = 11
F_NO_PREALLOC = 1
ATTACH_XDP = 37
"""``BPF_XDP``, the attach type a program needs for a link that can be updated."""
XDP_GENERIC, XDP_NATIVE = 1 << 1, 1 << 2
"""``XDP_FLAGS_SKB_MODE`` and ``XDP_FLAGS_DRV_MODE``."""
_LOG_LINES = 6


class BpfError(Failed):
    """A call into libbpf or the kernel failed; ``errno`` says how, the text says what it was about."""

    def __init__(self, what: str, errno: int) -> None:
        super().__init__(f"{what}: {os.strerror(errno)}")
        self.errno = errno


_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_log: list[str] = []


def _keep(level: int, template: bytes, arguments: int | None) -> int:
    """libbpf's printer: keeps its warnings for the exception instead of writing them to stderr."""
    if level == 0:
        buffer = ctypes.create_string_buffer(64 * 1024)
        _vsnprintf(buffer, c_size_t(len(buffer)), template, arguments)
        _log.append(buffer.value.decode(errors="replace"))
    return 0


_print = _PRINT(_keep)
_vsnprintf = ctypes.CDLL(None).vsnprintf
_vsnprintf.argtypes = (c_char_p, c_size_t, c_char_p, c_void_p)
_loaded: list[ctypes.CDLL] = []


def library() -> ctypes.CDLL:
    """``libbpf.so.1``, loaded at first use; raises ``Failed`` if the host does not have it."""
    if not _loaded:
        try:
            lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise Failed("libbpf.so.1 is not on this host: install the package libbpf1") from error
        lib.libbpf_set_print.restype = c_void_p
        lib.libbpf_set_print(_print)
        for name, result, arguments in _PROTOTYPES:
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        _loaded.append(lib)
    return _loaded[0]


_PROTOTYPES: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("bpf_object__open_file", c_void_p, (c_char_p, c_void_p)),
    ("bpf_object__load", c_int, (c_void_p,)),
    ("bpf_object__close", None, (c_void_p,)),
    ("bpf_object__next_map", c_void_p, (c_void_p, c_void_p)),
    ("bpf_object__next_program", c_void_p, (c_void_p, c_void_p)),
    ("bpf_map__name", c_char_p, (c_void_p,)),
    ("bpf_map__fd", c_int, (c_void_p,)),
    ("bpf_map__set_pin_path", c_int, (c_void_p, c_char_p)),
    ("bpf_program__name", c_char_p, (c_void_p,)),
    ("bpf_program__fd", c_int, (c_void_p,)),
    ("bpf_program__set_autoload", c_int, (c_void_p, c_bool)),
    ("bpf_obj_get", c_int, (c_char_p,)),
    ("bpf_obj_pin", c_int, (c_int, c_char_p)),
    ("bpf_obj_get_info_by_fd", c_int, (c_int, c_void_p, c_void_p)),
    ("bpf_map_create", c_int, (c_int, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p)),
    ("bpf_map_get_fd_by_id", c_int, (c_uint32,)),
    ("bpf_map_update_elem", c_int, (c_int, c_char_p, c_char_p, c_uint64)),
    ("bpf_map_update_batch", c_int, (c_int, c_char_p, c_char_p, c_void_p, c_void_p)),
    ("bpf_map_lookup_elem", c_int, (c_int, c_char_p, c_char_p)),
    ("bpf_map_delete_elem", c_int, (c_int, c_char_p)),
    ("bpf_map_get_next_key", c_int, (c_int, c_char_p, c_char_p)),
    ("bpf_prog_get_fd_by_id", c_int, (c_uint32,)),
    ("bpf_prog_test_run_opts", c_int, (c_int, c_void_p)),
    ("bpf_link_create", c_int, (c_int, c_int, c_int, c_void_p)),
    ("bpf_link_update", c_int, (c_int, c_int, c_void_p)),
    ("bpf_link_detach", c_int, (c_int,)),
    ("bpf_xdp_query", c_int, (c_int, c_int, c_void_p)),
    ("libbpf_num_possible_cpus", c_int, ()),
)


def _call(what: str, name: str, *arguments: Any) -> int:
    """Call and check. libbpf 1.x returns a negative errno; the thin wrappers of bpf.h do too."""
    result = int(getattr(library(), name)(*arguments))
    if result < 0:
        raise BpfError(what, -result)
    return result


# Objects ------------------------------------------------------------------------------------------------------------


def object_open(path: str) -> int:
    """Parse an object file; the handle goes to ``object_close`` in the end."""
    _log.clear()
    handle = library().bpf_object__open_file(path.encode(), None)
    if not handle:
        raise BpfError(_with_log(f"{path} is not a BPF object that libbpf can open"), ctypes.get_errno())
    return int(handle)


def object_load(handle: int, path: str) -> None:
    """Create the maps (or reuse what is pinned at their paths) and load the programs."""
    _log.clear()
    result = int(library().bpf_object__load(handle))
    if result < 0:
        raise BpfError(_with_log(f"the kernel refuses {path}"), -result)


def object_close(handle: int) -> None:
    """Close the object and the descriptors it owns; what is pinned or attached lives on."""
    library().bpf_object__close(handle)


def object_maps(handle: int) -> dict[str, int]:
    """Handles of the object's maps by name."""
    return _walk(handle, "bpf_object__next_map", "bpf_map__name")


def object_programs(handle: int) -> dict[str, int]:
    """Descriptors of the loaded object's programs by name."""
    descriptors = {name: int(library().bpf_program__fd(program)) for name, program in _programs(handle).items()}
    return {name: descriptor for name, descriptor in descriptors.items() if descriptor >= 0}


def object_leave_out(handle: int, kept: Collection[str]) -> None:
    """Have ``object_load`` load the programs with these names, and no others."""
    for name, program in _programs(handle).items():
        if name not in kept:
            _call(f"leave out the program {name}", "bpf_program__set_autoload", program, False)


def _programs(handle: int) -> dict[str, int]:
    return _walk(handle, "bpf_object__next_program", "bpf_program__name")


def map_descriptor(handle: int) -> int:
    """The descriptor of a loaded object's map; owned by the object."""
    return int(library().bpf_map__fd(handle))


def map_set_pin_path(handle: int, path: str) -> None:
    """Where ``object_load`` finds the map, or pins it if it is not there yet."""
    _call(f"pin path {path}", "bpf_map__set_pin_path", handle, path.encode())


def _walk(handle: int, following: str, name: str) -> dict[str, int]:
    lib = library()
    found: dict[str, int] = {}
    item = getattr(lib, following)(handle, None)
    while item:
        found[getattr(lib, name)(item).decode()] = int(item)
        item = getattr(lib, following)(handle, item)
    return found


def _with_log(what: str) -> str:
    """The failure with the verifier's telling lines: the end of its log holds the refused instruction and why."""
    lines = [line.strip() for text in _log for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("libbpf: -- ", "processed ", "; "))]
    return "\n    ".join([what, *telling[-_LOG_LINES:]]) + "\n" if telling else what


# Pins ---------------------------------------------------------------------------------------------------------------


def pinned(path: os.PathLike[str]) -> int:
    """A descriptor of what is pinned at ``path``."""
    return _call(f"open the pin {path}", "bpf_obj_get", os.fspath(path).encode())


def pin(descriptor: int, path: os.PathLike[str]) -> None:
    """Pin a map, program or link; ``path`` must be free."""
    _call(f"pin {path}", "bpf_obj_pin", descriptor, os.fspath(path).encode())


# Maps ---------------------------------------------------------------------------------------------------------------


def map_create(kind: int, name: str, key_size: int, value_size: int, max_entries: int, flags: int) -> int:
    """A new map."""
    options = MapCreate(map_flags=flags)
    what = f"create the map {name} with {max_entries} entries"
    return _call(what, "bpf_map_create", kind, name.encode(), key_size, value_size, max_entries, byref(options))


def map_by_id(identifier: int) -> int:
    """A descriptor of the map with that id."""
    return _call(f"open map {identifier}", "bpf_map_get_fd_by_id", identifier)


def map_info(descriptor: int) -> MapInfo:
    """What the kernel says about a map."""
    info = MapInfo()
    _info(descriptor, info)
    return info


def map_update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set one element."""
    _call("write a map element", "bpf_map_update_elem", descriptor, key, value, 0)


def map_update_all(descriptor: int, elements: dict[bytes, bytes]) -> None:
    """Set many elements in one call; one by one where the kernel has no batch for the map's type."""
    if not elements:
        return
    count = c_uint32(len(elements))
    keys, values = b"".join(elements), b"".join(elements.values())
    options = Batch()
    try:
        what = f"write {len(elements)} map elements"
        _call(what, "bpf_map_update_batch", descriptor, keys, values, byref(count), byref(options))
    except BpfError as error:
        if error.errno not in (95, 524, 22):  # EOPNOTSUPP, ENOTSUPP, EINVAL: the kernel knows no such batch
            raise
        for key, value in elements.items():
            map_update(descriptor, key, value)


def map_lookup(descriptor: int, key: bytes, value_size: int) -> bytes | None:
    """One element, or ``None``. ``value_size`` is that of all CPUs together for a per-CPU map."""
    value = ctypes.create_string_buffer(value_size)
    try:
        _call("read a map element", "bpf_map_lookup_elem", descriptor, key, value)
    except BpfError as error:
        if error.errno == 2:
            return None
        raise
    return value.raw


def map_delete(descriptor: int, key: bytes) -> bool:
    """Remove one element; whether it was there."""
    try:
        _call("remove a map element", "bpf_map_delete_elem", descriptor, key)
    except BpfError as error:
        if error.errno == 2:
            return False
        raise
    return True


def map_keys(descriptor: int, key_size: int) -> list[bytes]:
    """All keys, as they were at some moment during the call."""
    keys: list[bytes] = []
    key: bytes | None = None
    following = ctypes.create_string_buffer(key_size)
    with suppress(BpfError):  # ENOENT is the end
        while True:
            _call("walk a map", "bpf_map_get_next_key", descriptor, key, following)
            key = following.raw
            keys.append(key)
    return keys


def possible_cpus() -> int:
    """How many values an element of a per-CPU map has."""
    return _call("count CPUs", "libbpf_num_possible_cpus")


# Programs and links -------------------------------------------------------------------------------------------------


def program_info(descriptor: int) -> ProgramInfo:
    """What the kernel says about a program."""
    info = ProgramInfo()
    _info(descriptor, info)
    return info


def program_by_id(identifier: int) -> int:
    """A descriptor of the program with that id."""
    return _call(f"open program {identifier}", "bpf_prog_get_fd_by_id", identifier)


def test_run(descriptor: int, packet: bytes, repeat: int = 1) -> tuple[int, int]:
    """Run a program on a packet in the kernel's test bench: its return value, and nanoseconds a run (the average)."""
    data = ctypes.create_string_buffer(packet, len(packet))
    options = TestRun(data_in=ctypes.addressof(data), data_size_in=len(packet), repeat=repeat)
    _call("run a program on a packet", "bpf_prog_test_run_opts", descriptor, byref(options))
    return options.retval, options.duration


def test_output(descriptor: int, packet: bytes) -> tuple[int, bytes]:
    """Run a program on a packet once: its return value, and the packet as it left it (up to 256 bytes longer)."""
    data = ctypes.create_string_buffer(packet, len(packet))
    out = ctypes.create_string_buffer(len(packet) + 256)
    options = TestRun(
        data_in=ctypes.addressof(data),
        data_size_in=len(packet),
        data_out=ctypes.addressof(out),
        data_size_out=len(out),
        repeat=1,
    )
    _call("run a program on a packet", "bpf_prog_test_run_opts", descriptor, byref(options))
    return options.retval, out.raw[: options.data_size_out]


def link_xdp(program: int, ifindex: int, mode: int) -> int:
    """Attach a program to a device; the link detaches it when its last descriptor and pin are gone."""
    options = LinkCreate(flags=mode)
    what = f"attach XDP to interface {ifindex}"
    return _call(what, "bpf_link_create", program, ifindex, ATTACH_XDP, byref(options))


def link_update(link: int, program: int) -> None:
    """Replace a link's program in one step: no packet passes unfiltered."""
    _call("replace the program of a link", "bpf_link_update", link, program, None)


def link_detach(link: int) -> None:
    """Detach now, whoever else holds the link."""
    _call("detach a link", "bpf_link_detach", link)


def link_info(descriptor: int) -> LinkInfo:
    """What the kernel says about a link."""
    info = LinkInfo()
    _info(descriptor, info)
    return info


def xdp_attached(ifindex: int) -> dict[str, int]:
    """Ids of the programs on a device: ``native``, ``generic``, ``offloaded``; none is left out."""
    options = XdpQuery()
    _call(f"ask what XDP runs on interface {ifindex}", "bpf_xdp_query", ifindex, 0, byref(options))
    found = {"native": options.drv_prog_id, "generic": options.skb_prog_id, "offloaded": options.hw_prog_id}
    return {mode: identifier for mode, identifier in found.items() if identifier}


def _info(descriptor: int, info: ctypes.Structure) -> None:
    length = c_uint32(ctypes.sizeof(info))
    _call("ask about a BPF object", "bpf_obj_get_info_by_fd", descriptor, byref(info), byref(length))
