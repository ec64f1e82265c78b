"""What it costs to find a packet's class."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from planting.policy import OBJECT, tree
from planting.seclusion import run
from tidegate.bpf import libbpf
from tidegate.bpf.loader import load as load_object
from tidegate.bpf.slots import Slots
from tidegate.tc import classifier, tables
from tidegate.tc.tree import plant

EMPTY = '#include <linux/bpf.h>\n__attribute__((section("tc"), used)) int empty(void *skb) { return -1; }\n'
RUNS = 1_000_000


def classifying(folder: Path) -> dict[str, int | None]:
    """Nanoseconds a packet, the least of five runs of a million, in the kernel's own test bench."""
    source, empty = folder / "empty.c", folder / "empty.o"
    source.write_text(EMPTY)
    clang = shutil.which("clang") or str(next(iter(sorted(Path("/usr/bin").glob("clang-[0-9]*"))), ""))
    run(
        clang,
        "-target",
        "bpf",
        "-O2",
        "-g",
        f"-I/usr/include/{os.uname().machine}-linux-gnu",
        "-c",
        str(source),
        "-o",
        str(empty),
    )
    handle = libbpf.object_open(str(empty))
    libbpf.object_load(handle, str(empty))
    found: dict[str, int | None] = {"an empty program": _cost(libbpf.object_programs(handle)["empty"], 0)}
    libbpf.object_close(handle)
    for customers, queues in ((3, 0), (25, 0), (250, 0), (2500, 0), (2500, 8)):
        planted = plant(tree(customers, queues=queues))
        with load_object(OBJECT) as loaded:
            slots = Slots(loaded.maps)
            beside = tables.extras(planted, queued=bool(queues))
            fill = lambda number, maps=loaded.maps, beside=beside: tables.fill(maps, number, beside)  # noqa: E731
            slots.flip(slots.prepare(classifier.table(planted), planted.marker, fill), None)
            name = f"{customers * 4 + 2} classes" + (f" in {queues} queues" if queues else "")
            found[name] = _cost(loaded.programs[classifier.PROGRAM], customers - 1)
    return found


def _cost(program: int, customer: int) -> int:
    address = bytes([10, customer >> 16, customer >> 8 & 255, customer & 255])
    ip = bytes([0x45, 46 << 2, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1]) + address
    frame = b"\2" * 12 + b"\x08\x00" + ip + b"\x04\xd2\x01\xbb" + bytes(36)
    return min(libbpf.test_run(program, frame, RUNS)[1] for _ in range(5))
