#!/usr/bin/env python3
"""What it costs to balance a packet: from a VIP to a server, wrapped, in the kernel's test bench.

    script/bench balancing [--rounds 15] [--json]

Every figure is nanoseconds a packet of 64 bytes: the minimum and the median of shuffled rounds. The bench does not
give a program a fresh packet each time, so a small program in front takes the wrapping of the last turn off, writes a
random source ("flows": 100,000 of them) and calls the program under test. What that costs by itself is the line
"front": it takes off what a program that only makes room has put on. Needs root, clang and libbpf.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from string import Template
from typing import Any

from xdp import OBJECT, Case, compiled, desired, measure, packet

from tidegate.balancing import maps as balancing_maps
from tidegate.bpf import libbpf
from tidegate.bpf.loader import load
from tidegate.bpf.slots import Slots
from tidegate.xdp import attachment, policy

SERVERS = 100
VIP, OTHER = "192.0.2.10", "198.51.100.2"
OVERHEAD = {"ipip": 20, "gue": 40}

FRONT = Template("""
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }
next SEC(".maps");
SEC("xdp.frags") int front(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (end - data > 64 && bpf_xdp_adjust_head(ctx, $size))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 34 > end)
		return XDP_ABORTED;
	data[12] = 8;
	data[13] = 0;
	__u32 source = $flows ? bpf_get_prandom_u32() % 100000 : 7;
	data[27] = source >> 16;
	data[28] = source >> 8;
	data[29] = source;
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}
SEC("xdp.frags") int room(struct xdp_md *ctx) { return bpf_xdp_adjust_head(ctx, -$size) ? XDP_ABORTED : XDP_PASS; }
SEC("xdp.frags") int empty(struct xdp_md *ctx) { return XDP_PASS; }
char LICENSE[] SEC("license") = "GPL";
""")


def section(encapsulation: str) -> Any:
    """A hundred servers behind one VIP."""
    backends = [
        {"host": f"server{n}", "address": f"10.9.0.{n}", "weight": 100, "draining": False}
        for n in range(1, SERVERS + 1)
    ]
    service = {"name": "web", "vips": [VIP], "ports": [[17, 80]], "encapsulation": encapsulation, "affinity": "flow"}
    service |= {"backends": backends, "mtu": None, "check": None, "min_percent": 1}
    outer = {"ipv4": "172.16.0.0/16", "ipv6": None}
    return {"services": [service], "served": [], "outer": outer, "own": {"ipv4": "10.9.0.200"}}


def instance(stack: ExitStack, balancing: Any) -> int:
    """The filter of a private instance, with this in force."""
    loaded = stack.enter_context(load(OBJECT))
    attachment.set_stage(loaded.maps, loaded.programs[attachment.BALANCE])
    wanted, slots = desired(), Slots(loaded.maps)
    tables = policy.compile_tables(wanted, {}, ["lo"])
    slot = slots.prepare(tables, wanted["marker"], lambda slot: balancing_maps.fill(loaded.maps, slot, balancing, {}))
    slots.flip(slot, None)
    return loaded.programs[attachment.FILTER]


def front(stack: ExitStack, folder: Path, size: int, flows: int) -> tuple[dict[str, int], dict[str, int]]:
    """The maps and programs of the program in front."""
    source = FRONT.substitute(size=size, flows=flows)
    handle = libbpf.object_open(str(compiled(source, folder, f"front{size}-{flows}")))
    stack.callback(libbpf.object_close, handle)
    libbpf.object_load(handle, "front")
    maps = {name: libbpf.map_descriptor(one) for name, one in libbpf.object_maps(handle).items()}
    return maps, libbpf.object_programs(handle)


def cases(stack: ExitStack, folder: Path) -> dict[str, Case]:
    """Every program and packet to measure, each checked for what becomes of the packet first."""
    to_vip, to_other = packet(destination=VIP), packet(destination=OTHER)
    found: dict[str, Case] = {"pass, nothing balanced": (instance(stack, None), to_vip)}
    for encapsulation, size in OVERHEAD.items():
        program = instance(stack, section(encapsulation))
        _, frame = libbpf.test_output(program, to_vip)
        assert len(frame) == len(to_vip) + size, encapsulation
        found[f"pass, not for a VIP ({encapsulation})"] = (program, to_other)
        for flows, words in enumerate(("", ", flows")):
            for name, behind in (("front", None), ("VIP to server", program)):
                maps, programs = front(stack, folder, size, flows)
                libbpf.map_update(maps["next"], bytes(4), (behind or programs["room"]).to_bytes(4, sys.byteorder))
                found[f"{name}, {encapsulation}{words}"] = (programs["front"], to_vip)
                found["empty program"] = (programs["empty"], to_vip)
    return found


def inside(rounds: int) -> dict[str, tuple[int, float]]:
    """Measure, in the namespace."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        return measure(cases(stack, Path(folder)), rounds)


def in_a_namespace(rounds: int) -> dict[str, tuple[int, float]]:
    """A balancer's network: a link with a hundred servers on it; removed in the end."""
    name = f"tg-bench-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", "-n", name, *words], check=True)

    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        ip("address", "add", "10.9.0.200/24", "dev", "eth0")
        for device in ("lo", "eth0", "eth1"):
            ip("link", "set", device, "up")
        for n in range(1, SERVERS + 1):
            ip("neigh", "add", f"10.9.0.{n}", "lladdr", "02:00:00:00:09:09", "dev", "eth0", "nud", "permanent")
        enter = ["ip", "netns", "exec", name]
        subprocess.run([*enter, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        done = subprocess.run(
            [*enter, sys.executable, __file__, "--inside", "--rounds", str(rounds)], check=True, stdout=subprocess.PIPE
        )
        found: dict[str, tuple[int, float]] = json.loads(done.stdout)
        return found
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    figures = inside(asked.rounds) if asked.inside else in_a_namespace(asked.rounds)
    if asked.json or asked.inside:
        print(json.dumps(figures))
        return
    print(f"{'nanoseconds a packet':48} {'min':>6} {'median':>7}")
    for name, (least, middle) in figures.items():
        print(f"{name:48} {least:6d} {middle:7.0f}")


if __name__ == "__main__":
    main()
