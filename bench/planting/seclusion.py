"""A place of the process's own to measure in."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NEWNET, NEWNS, PRIVATE = 0x40000000, 0x00020000, (1 << 18) | (1 << 14)


@contextmanager
def seclusion() -> Iterator[Path]:
    """A network namespace with eth0, mounts of its own with a BPF file system, and a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNET | NEWNS) or libc.mount(b"none", b"/", None, PRIVATE, None):
        sys.exit("bench/shaping.py: needs root, for a network namespace of its own")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bpf").mkdir()
        (folder / "sys").mkdir()
        libc.mount(b"bpf", os.fsencode(folder / "bpf"), b"bpf", 0, None)
        libc.mount(b"sysfs", os.fsencode(folder / "sys"), b"sysfs", 0, None)
        os.environ |= {"TIDEGATE_BPFFS": str(folder / "bpf" / "tidegate"), "TIDEGATE_STATE": str(folder)}
        os.environ["TIDEGATE_SYS"] = str(folder / "sys")
        run("ip", "link", "add", "eth0", "numtxqueues", "8", "type", "veth", "peer", "name", "peer0")
        run("ip", "link", "set", "eth0", "up")
        try:
            yield folder
        finally:
            for mounted in ("bpf", "sys"):
                libc.umount2(os.fsencode(folder / mounted), 2)


def run(*words: str) -> None:
    """A command that must succeed."""
    subprocess.run(words, check=True, capture_output=True)


def seconds(act: Callable[[], object]) -> float:
    """How long it takes, on the wall's clock."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin
