"""Loading an object of ``bpf/``: its programs into the kernel, its maps pinned so that they outlive this process.

    with load(generation / "tc.bpf.o", paths().bpffs / "tc" / MAPS_VERSION / pins.name("eth0")) as loaded:
        program = loaded.programs["tidegate_tc"]      # a descriptor, ours until the block ends
        slots = Slots(loaded.maps)                    # see slots.py

Maps that are pinned in the directory already are reused with all they hold; others are made and pinned. Without a
directory nothing is pinned: a private instance to try a policy on.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ctypes import sizeof
from dataclasses import dataclass
from pathlib import Path

from tidegate.bpf import libbpf
from tidegate.bpf.matcher import Slot
from tidegate.host.errors import Failed

MAPS_VERSION = "v3"
"""Changes with the layout of any map in ``bpf/``: a new program must never reuse what an old one understood."""


@dataclass(frozen=True)
class Loaded:
    """Descriptors by name; they belong to the loaded object and close with it."""

    maps: dict[str, int]
    programs: dict[str, int]


@contextmanager
def load(path: Path, directory: Path | None = None, programs: Collection[str] | None = None) -> Iterator[Loaded]:
    """Load the object at ``path``, its maps pinned in (and reused from) ``directory``.

    Args:
        path: The object file.
        directory: Where its maps are pinned; ``None`` for a private instance.
        programs: The names of those to load; all of them if ``None``.

    Raises:
        Failed: No such file, no libbpf, refused by the verifier (with its telling lines), or an object built from
            sources whose layout is not this library's.
    """
    if not path.is_file():
        raise Failed(f"{path} is missing: build it with script/build-bpf, or sync the file server")
    handle = libbpf.object_open(str(path))
    try:
        maps = libbpf.object_maps(handle)
        if directory is not None:
            for name, one in maps.items():
                if "." not in name:  # .rodata and its like are the compiler's, part of one program
                    libbpf.map_set_pin_path(one, str(directory / name))
        if programs is not None:
            libbpf.object_leave_out(handle, programs)
        libbpf.object_load(handle, str(path))
        loaded = Loaded(
            {name: libbpf.map_descriptor(one) for name, one in maps.items()}, libbpf.object_programs(handle)
        )
        check_layout(loaded.maps["slots"])
        yield loaded
    finally:
        libbpf.object_close(handle)


@contextmanager
def pinned_maps(directory: Path) -> Iterator[dict[str, int]]:
    """Descriptors of all maps pinned in ``directory``, by name; closed in the end. Empty if there is none."""
    descriptors: dict[str, int] = {}
    try:
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            if path.is_file():
                descriptors[path.name] = libbpf.pinned(path)
        if "slots" in descriptors:
            check_layout(descriptors["slots"])
        yield descriptors
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def check_layout(slots: int) -> None:
    """Raises ``Failed`` if the map of slots is not laid out as this library would write it."""
    found = libbpf.map_info(slots).value_size
    if found != sizeof(Slot):
        raise Failed(f"mixed versions: the object's slots have {found} bytes, this library writes {sizeof(Slot)}")
