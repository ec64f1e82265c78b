#!/usr/bin/env python3
"""What a packet costs in the filter, beside Debian's xdp-filter, in the kernel's test bench; and what loading costs.

    script/bench xdp [--rounds 15] [--json]

Every figure is nanoseconds a packet of 64 bytes: the minimum and the median of shuffled rounds. "flows" sends 100,000
flows: a small program in front writes a random source into each packet and calls the program under test; what it costs
by itself is the line "empty program, flows". Needs root, clang, libbpf and, for the peer, the package xdp-tools.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_int, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from tidegate.bpf import libbpf
from tidegate.bpf.loader import Loaded, load
from tidegate.bpf.slots import Slots
from tidegate.xdp import limits, policy

ROOT = Path(__file__).parents[1]
OBJECT = ROOT / "salt" / "traffic" / "bpf" / "xdp.bpf.o"
PEERS = (Path("/usr/lib/bpf"), Path(f"/usr/lib/{os.uname().machine}-linux-gnu/bpf"))
PROGRAM_ARRAY = 3
REPEAT = 200_000
MARKER = "1" * 16
ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))

IN_FRONT = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }
next SEC(".maps");
SEC("SECTION") int front(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 source = bpf_get_prandom_u32() % 100000;
	if (data + 34 > end)
		return XDP_ABORTED;
	source = source * 2 + (data[29] & 1);
	data[27] = source >> 16;
	data[28] = source >> 8;
	data[29] = source;
	bpf_tail_call(ctx, &next, 0);
	return XDP_PASS;
}
SEC("SECTION") int empty(struct xdp_md *ctx) { return XDP_PASS; }
char LICENSE[] SEC("license") = "GPL";
"""


def packet(source: str = "11.0.0.1", port: int = 80, destination: str = "198.51.100.2") -> bytes:
    """64 bytes of UDP."""
    octets = bytes(int(octet) for address in (source, destination) for octet in address.split("."))
    head = struct.pack("!BBHHHBBH", 0x45, 0, 50, 0, 0, 64, 17, 0) + octets
    return bytes(12) + b"\x08\x00" + head + struct.pack("!HHHH", 4711, port, 30, 0) + bytes(22)


def rule(action: str, **fields: Any) -> dict[str, Any]:
    """One rule on ``lo``."""
    return {"name": f"{action} {sorted(fields)}", "action": action, "devices": ["lo"], **ANY, **fields}


def hundred_thousand() -> list[str]:
    """Every even address of 10.0.0.0 to 10.3.13.62: what is odd is looked for to the end, and not found."""
    return [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(0, 200_000, 2)]


def desired(*rules: dict[str, Any]) -> Any:
    """A generation's content with these rules."""
    interfaces = [{"name": "lo", "device": "lo", "mode": "native"}]
    return {"marker": MARKER, "interfaces": interfaces, "rules": list(rules), "management": {"neighbors": []}}


def use(loaded: Loaded, *rules: dict[str, Any]) -> None:
    """Put rules in force in a private instance."""
    wanted = desired(*rules)
    limits.ensure_table(loaded.maps, limits.TRACKED)
    slots = Slots(loaded.maps)
    counters = {one["name"]: number for number, one in enumerate(rules)}
    slots.flip(slots.prepare(policy.compile_tables(wanted, counters, ["lo"]), MARKER), None)


def limit(per: str) -> dict[str, Any]:
    """A limit that nothing exceeds."""
    return {"rate": 10**9, "unit": "packets", "burst": 10**9, "per": per, "lengths": [32, 128]}


INSIDE, OUTSIDE = "10.0.7.8", "10.0.7.9"


def scenarios() -> dict[str, tuple[list[dict[str, Any]], bytes, int]]:
    """Name → rules, packet, expected verdict."""
    many = hundred_thousand()
    pairs = [f"{each.partition('/')[0]}/31" for each in many]
    port = rule("drop", protocol=17, destination_port=[[9, 9]])
    return {
        "pass, no rules": ([], packet(), 2),
        "pass, one rule on a port": ([port], packet(), 2),
        "drop by port": ([port], packet(port=9), 1),
        "drop by source, 100k addresses": ([rule("drop", source=many)], packet(INSIDE), 1),
        "pass, 100k addresses": ([rule("drop", source=many)], packet(OUTSIDE), 2),
        "drop by source, 100k networks": ([rule("drop", source=pairs)], packet(INSIDE), 1),
        "pass, count-only": ([rule("count-only", protocol=17)], packet(), 2),
        "pass, mark": ([rule("mark", protocol=17, mark=8)], packet(), 2),
        "pass, limit of the rule": ([rule("limit", protocol=17, limit=limit("rule"))], packet(), 2),
        "pass, limit per source": ([rule("limit", protocol=17, limit=limit("source"))], packet(), 2),
        "pass, flags types parts lengths": (
            [
                rule("drop", protocol=6, tcp_flags=[[0, 255]]),
                rule("drop", protocol=1, icmp_types=[5]),
                rule("drop", fragment=["later"]),
                rule("drop", length=[[0, 20], [9000, 65535]]),
            ],
            packet(),
            2,
        ),
    }


def peer(stack: ExitStack) -> int | None:
    """xdp-filter's program with all features that drops what is listed; its maps are its own."""
    found = next((path for one in PEERS if (path := one / "xdpfilt_alw_all.o").exists()), None)
    if found is None:
        return None
    handle = libbpf.object_open(str(found))
    stack.callback(libbpf.object_close, handle)
    resize = libbpf.library().bpf_map__set_max_entries
    resize.argtypes, resize.restype = (c_void_p, c_uint32), c_int
    resize(libbpf.object_maps(handle)["filter_ipv4"], 100_000)
    for one in libbpf.object_maps(handle).values():
        libbpf.library().bpf_map__set_pin_path(one, None)  # it would pin them where xdp-filter itself looks
    libbpf.object_load(handle, str(found))
    maps = {name: libbpf.map_descriptor(one) for name, one in libbpf.object_maps(handle).items()}
    cpus = libbpf.possible_cpus()
    for address in range(0, 200_000, 2):
        key = struct.pack("!I", 0x0A000000 + address)
        libbpf.map_update(maps["filter_ipv4"], key, struct.pack("=Q", 1 << 0) * cpus)
    libbpf.map_update(maps["filter_ports"], struct.pack("=I", socket_order(9)), struct.pack("=Q", 0b1111) * cpus)
    return next(iter(libbpf.object_programs(handle).values()))


def socket_order(port: int) -> int:
    """A port as a packet has it, as a native number."""
    return int.from_bytes(struct.pack("!H", port), "little")


def compiled(text: str, folder: Path, name: str) -> Path:
    """The object that clang makes of a program's text."""
    clang = next(path for one in ("clang", "clang-19", "clang-14") if (path := shutil.which(one)))
    source, target = folder / f"{name}.bpf.c", folder / f"{name}.bpf.o"
    source.write_text(text)
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    subprocess.run([clang, "-target", "bpf", "-O2", "-g", include, "-c", source, "-o", target], check=True)
    return target


def fronts(stack: ExitStack, folder: Path, section: str) -> tuple[Callable[[int], int], int]:
    """A function that puts the varying program in front of another, and the empty program."""

    def opened() -> tuple[dict[str, int], dict[str, int]]:
        handle = libbpf.object_open(str(compiled(IN_FRONT.replace("SECTION", section), folder, section)))
        stack.callback(libbpf.object_close, handle)
        libbpf.object_load(handle, section)
        maps = {name: libbpf.map_descriptor(one) for name, one in libbpf.object_maps(handle).items()}
        return maps, libbpf.object_programs(handle)

    def before(program: int) -> int:
        maps, programs = opened()
        libbpf.map_update(maps["next"], bytes(4), struct.pack("=I", program))
        return programs["front"]

    return before, opened()[1]["empty"]


Case = tuple[int, bytes]


def cases(stack: ExitStack, folder: Path) -> dict[str, Case]:
    """Every program and packet to measure, each checked for its verdict first."""
    found: dict[str, Case] = {}
    ours_front, empty = fronts(stack, folder, "xdp.frags")
    found["empty program"] = (empty, packet())
    found["empty program, flows"] = (ours_front(empty), packet())
    for name, (rules, frame, expected) in scenarios().items():
        loaded = stack.enter_context(load(OBJECT))
        use(loaded, *rules)
        program = loaded.programs["tidegate_filter"]
        assert libbpf.test_run(program, frame)[0] == expected, name
        found[name] = (program, frame)
        found[f"{name}, flows"] = (ours_front(program), frame)
    other = peer(stack)
    if other is not None:
        their_front, bare = fronts(stack, folder, "xdp")
        for name, frame, expected in (
            ("pass", packet(OUTSIDE), 2),
            ("drop by source", packet(INSIDE), 1),
            ("drop by port", packet(port=9), 1),
        ):
            assert libbpf.test_run(other, frame)[0] == expected, name
            found[f"xdp-filter {name}"] = (other, frame)
            found[f"xdp-filter {name}, flows"] = (their_front(other), frame)
        found["empty program before xdp-filter, flows"] = (their_front(bare), packet())
    return found


def measure(todo: dict[str, Case], rounds: int) -> dict[str, tuple[int, float]]:
    """The minimum and the median of each case's rounds, in nanoseconds."""
    figures: dict[str, list[int]] = {name: [] for name in todo}
    order = list(todo)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            program, frame = todo[name]
            figures[name].append(libbpf.test_run(program, frame, repeat=REPEAT)[1])
    return {name: (min(some), statistics.median(some)) for name, some in figures.items()}


def addresses(count: int) -> list[str]:
    """So many addresses in full length, one behind the other."""
    return [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(count)]


def networks(count: int) -> list[str]:
    """So many networks of 16 addresses, one behind the other; a million fill 10.0.0.0/8."""
    return [f"10.{n >> 12}.{n >> 4 & 255}.{(n & 15) << 4}/28" for n in range(count)]


def loading(folder: Path) -> dict[str, float]:
    """Seconds from a generation's prefixes as text to a policy in force: tables, maps, and the flip; best of three.

    A change reads the generation that the idle slot was filled from, too, and finds what differs by itself.
    """
    found: dict[str, float] = {}
    for noun, made in (("addresses", addresses), ("networks", networks)):
        for count in (100_000, 1_000_000):
            prefixes = made(count)
            with load(OBJECT) as loaded:
                slots = Slots(loaded.maps)
                found[f"load and flip {count:,} {noun}"] = min(flipped(slots, prefixes, folder, {}) for _ in range(3))
                if count == 100_000:
                    known: dict[str, Path] = {}
                    changes = [[*prefixes[: 10 * n], *prefixes[10 * n + 10 :]] for n in (10, 200, 5_000, 7_000, 9_000)]
                    times = [flipped(slots, some, folder, known) for some in changes]
                    found[f"change 10 of 100,000 {noun}"] = min(times[2:])
    return found


def flipped(slots: Slots, prefixes: list[str], folder: Path, known: dict[str, Path]) -> float:
    """Seconds to put a rule on these prefixes in force; ``known`` has the generation of each marker so far."""
    marker = f"{time.monotonic_ns():016x}"
    wanted = desired(rule("drop", source=prefixes))
    path = folder / f"{marker}.json"
    path.write_text(json.dumps(wanted))

    def former(held: str) -> Any:
        return policy.addresses(json.loads(known[held].read_text())) if held in known else None

    start = time.perf_counter()
    tables = policy.compile_tables(wanted, {f"drop {['source']}": 0}, ["lo"])
    slots.flip(slots.prepare(tables, marker, None, former), None)
    spent = time.perf_counter() - start
    known[marker] = path
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        figures = measure(cases(stack, Path(folder)), asked.rounds)
        times = loading(Path(folder))
    if asked.json:
        print(json.dumps({"nanoseconds": figures, "seconds": times}, indent=1))
        return
    print(f"{'nanoseconds a packet':48} {'min':>6} {'median':>7}")
    for name, (least, middle) in figures.items():
        print(f"{name:48} {least:6d} {middle:7.0f}")
    for name, seconds in times.items():
        print(f"{name:48} {seconds * 1000:6.0f} ms")


if __name__ == "__main__":
    main()
