"""The BPF file system: where maps, programs and links outlive the process that made them."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from tidegate.host.errors import Failed

_CAP_SYS_ADMIN = 21


def name(device: str) -> str:
    """A device's name as a pin may be called: the BPF file system reserves dots (``eth0.100``)."""
    return device.replace("%", "%25").replace(".", "%2E")


def device(pin: str) -> str:
    """The device that ``name`` gave this pin's name to."""
    return pin.replace("%2E", ".").replace("%25", "%")


def mount_point(directory: Path) -> Path | None:
    """The BPF file system that ``directory`` is or would be on, or ``None`` if it is on another file system."""
    mounts: dict[Path, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        mounts[Path(fields.split()[4])] = source.split()[0]  # a later line covers an earlier one
    covering = next(path for path in (directory, *directory.parents) if path in mounts)
    return covering if mounts[covering] == "bpf" else None


def may_mount() -> bool:
    """Whether this process may mount a file system (CAP_SYS_ADMIN)."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return bool(int(status["CapEff"], 16) >> _CAP_SYS_ADMIN & 1)


def ensure(directory: Path, root: Path) -> None:
    """Make ``directory``; mount the BPF file system on the parent of ``root`` where there is none yet.

    Raises:
        Failed: It is not there and this process may not mount it.
    """
    if mount_point(root) is None:
        root.parent.mkdir(parents=True, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"bpf", os.fsencode(root.parent), b"bpf", 0, b"mode=0700"):
            reason = os.strerror(ctypes.get_errno())
            raise Failed(
                f"there is no BPF file system on {root.parent} and it cannot be mounted ({reason}): "
                f"run mount -t bpf bpf {root.parent}"
            )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove(directory: Path) -> None:
    """Take away a directory of pins and all below it; what nothing else holds is freed by the kernel."""
    if not directory.is_dir():
        return
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    directory.rmdir()
