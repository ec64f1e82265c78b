"""Where the filter is attached: one pinned link per interface, which survives this process.

Replacing a link's program leaves no packet unfiltered.

    BPFFS/xdp/VERSION/MAP       the maps, named after their layout's version
    BPFFS/xdp/programs/DIGEST-* the programs of the object file with that digest
    BPFFS/xdp/link-DEVICE       the attachment
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tidegate.bpf import libbpf, pins
from tidegate.bpf.libbpf import BpfError
from tidegate.bpf.loader import MAPS_VERSION, load, pinned_maps
from tidegate.host.device import index as device_index
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.xdp import device as devices

FILTER, PREFLIGHT, BALANCE = "tidegate_filter", "preflight", "balance_packet"
MODES = {"native": libbpf.XDP_NATIVE, "generic": libbpf.XDP_GENERIC}
_LINK = "link-"
_FIRST = struct.pack("=I", 0)


@dataclass(frozen=True)
class Attachment:
    """One pinned link: the interface it was made for and the program it runs.

    ``ifindex`` is 0 if the interface has gone since; ``mode`` is ``None`` if our program is not what runs there.
    """

    device: str
    ifindex: int
    program: int
    mode: str | None


@dataclass(frozen=True)
class Programs:
    """Descriptors of the programs of one object that whoever asks for them uses itself."""

    filter: int
    preflight: int


def needed(balances: bool) -> dict[str, str]:
    """The programs of an object that a host loads: the name each is pinned with → its name in the object.

    Who does not balance loads no balancer: what is not there costs nothing and has no faults.
    """
    return {"filter": FILTER, "preflight": PREFLIGHT, **({"balance": BALANCE} if balances else {})}


def root() -> Path:
    """Everything of ours in the BPF file system."""
    return paths().bpffs / "xdp"


def maps_directory() -> Path:
    """The pinned maps."""
    return root() / MAPS_VERSION


def _programs_directory() -> Path:
    return root() / "programs"


def digest(object_file: Path) -> str:
    """The name under which an object's programs are pinned: 16 hex digits of its content's SHA-256."""
    try:
        return hashlib.sha256(object_file.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise Failed(f"{object_file} cannot be read ({error.strerror}): stage the generation again") from None


@contextmanager
def programs(object_file: Path, *, balances: bool) -> Iterator[Programs]:
    """The programs of a generation's object, loaded and pinned with their maps unless they are already."""
    directory, name = _programs_directory(), digest(object_file)
    wanted = {directory / f"{name}-{kind}": program for kind, program in needed(balances).items()}
    _load(object_file, {path: program for path, program in wanted.items() if not path.exists()})
    descriptors: dict[str, int] = {}
    try:
        for path, program in wanted.items():
            descriptors[program] = libbpf.pinned(path)
        if balances:
            with pinned_maps(maps_directory()) as maps:
                # This object's may not be the last one that was loaded: the filter goes on to its own.
                set_stage(maps, descriptors[BALANCE])
        yield Programs(descriptors[FILTER], descriptors[PREFLIGHT])
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _load(object_file: Path, missing: Mapping[Path, str]) -> None:
    """Load the programs that are not pinned yet; they share the pinned maps with those that are."""
    if not missing:
        return
    pins.ensure(_programs_directory(), paths().bpffs)
    pins.ensure(maps_directory(), paths().bpffs)
    with load(object_file, maps_directory(), set(missing.values())) as loaded:
        for path, program in missing.items():
            libbpf.pin(loaded.programs[program], path)


def set_stage(maps: Mapping[str, int], program: int) -> None:
    """Have the filter go on to this program with what it passes (a tail call, ``bpf/balance.h``)."""
    libbpf.map_update(maps["stages"], _FIRST, struct.pack("=I", program))


def program_id(object_file: Path) -> int | None:
    """The id of the filter that was loaded from a generation's object; ``None`` if it is not loaded."""
    path = _programs_directory() / f"{digest(object_file)}-filter"
    if not path.exists():
        return None
    descriptor = libbpf.pinned(path)
    try:
        return int(libbpf.program_info(descriptor).id)
    finally:
        os.close(descriptor)


def prune_programs(object_file: Path, *, balances: bool) -> None:
    """Let go of programs that other objects brought, or that are not needed any more; one that is still attached lives
    on until it is not."""
    name = digest(object_file)
    kept = {f"{name}-{kind}" for kind in needed(balances)}
    for path in sorted(_programs_directory().glob("*-*")):
        if path.name not in kept:
            path.unlink()
    if not balances:
        with pinned_maps(maps_directory()) as maps:
            libbpf.map_delete(maps["stages"], _FIRST)


def prune_maps() -> None:
    """Let go of the maps of other layouts, left by another version: no program of ours reads them any more."""
    for directory in sorted(root().glob("v*")):
        if directory.is_dir() and directory != maps_directory():
            pins.remove(directory)


def attachments() -> dict[str, Attachment]:
    """Every link of ours, by device."""
    found: dict[str, Attachment] = {}
    for path in sorted(root().glob(f"{_LINK}*")):
        device = pins.device(path.name.removeprefix(_LINK))
        link = libbpf.pinned(path)
        try:
            info = libbpf.link_info(link)
        finally:
            os.close(link)
        found[device] = Attachment(device, info.ifindex, info.prog_id, _mode(info.ifindex, info.prog_id))
    return found


def _mode(ifindex: int, program: int) -> str | None:
    """In which mode the program runs there. An index of another namespace's interface is none of ours."""
    with suppress(BpfError):
        return next((mode for mode, one in libbpf.xdp_attached(ifindex).items() if one == program), None)
    return None


def foreign(device: str, ifindex: int) -> str | None:
    """A program on the interface that is not ours, in words; ``None`` if there is none."""
    ours = attachments().get(device)
    for mode, program in libbpf.xdp_attached(ifindex).items():
        if ours is None or ours.ifindex != ifindex or ours.program != program:
            return f"{devices.program_name(program)} (id {program}, {mode})"
    return None


def attach(device: str, mode: str, program: int) -> None:
    """Have an interface run a program in a mode: attached, replaced in place, or left alone if it is so already.

    A change of mode detaches first: the kernel knows no other way, and packets pass unfiltered in between.

    Raises:
        Failed: No such interface; the driver or somebody else's program refuses.
    """
    ifindex = device_index(device)
    if ifindex is None:
        raise Failed(f"interface {device} is not on this host")
    current = attachments().get(device)
    if current is not None and current.ifindex == ifindex and current.mode == mode:
        _replace(device, current, program)
        return
    detach(device)
    try:
        link = libbpf.link_xdp(program, ifindex, MODES[mode])
    except BpfError as error:
        raise Failed(f"{device} does not take an XDP program in {mode} mode: {os.strerror(error.errno)}") from error
    try:
        libbpf.pin(link, _link_path(device))
    finally:
        os.close(link)


def _replace(device: str, current: Attachment, program: int) -> None:
    if current.program == libbpf.program_info(program).id:
        return
    link = libbpf.pinned(_link_path(device))
    try:
        libbpf.link_update(link, program)
    finally:
        os.close(link)


def detach(device: str) -> None:
    """Take our program off an interface; nothing happens if it is not there."""
    path = _link_path(device)
    if not path.exists():
        return
    link = libbpf.pinned(path)
    try:
        with suppress(BpfError):  # its interface is gone, and the attachment with it
            libbpf.link_detach(link)
    finally:
        os.close(link)
    path.unlink()


def _link_path(device: str) -> Path:
    return root() / f"{_LINK}{pins.name(device)}"
