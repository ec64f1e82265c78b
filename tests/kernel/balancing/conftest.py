"""A balancer to try packets on: the program on single frames, in a namespace with routes and neighbors."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tidegate.balancing import maps as balancing_maps
from tidegate.balancing import volumes
from tidegate.balancing.section import Balancing
from tidegate.bpf import libbpf
from tidegate.bpf.abi import TestRun
from tidegate.bpf.loader import Loaded, load
from tidegate.bpf.slots import Slots
from tidegate.xdp import attachment, counters, live, policy

from ..conftest import Namespace
from ..conftest import run as run_command
from .frames import HOST, SERVER
from .site import ADDRESSES, ECHO, VIP, VIP6, Site, no_offload

VERDICTS = {0: "aborted", 1: "drop", 2: "pass", 3: "tx", 4: "redirect"}
ROOM = 256


@dataclass
class Bench:
    """A private instance of the program. Frames come in on ``lo`` of the namespace and leave by its ``eth0``."""

    loaded: Loaded
    slots: Slots
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def use(self, section: Balancing | None, *rules: Any, sick: dict[str, set[str]] | None = None) -> int:
        """Put a policy in force."""
        slot = self.prepare(section, *rules, sick=sick)
        self.slots.flip(slot, timeout=None)
        return slot

    def prepare(self, section: Balancing | None, *rules: Any, sick: dict[str, set[str]] | None = None) -> int:
        desired: Any = {
            "marker": f"{next(self.numbers):016x}",
            "interfaces": [{"name": "lo", "device": "lo", "mode": "native"}],
            "rules": list(rules),
            "management": {"neighbors": []},
        }
        reserved = counters.reserve(self.loaded.maps, self.slots, dict.fromkeys(rule["name"] for rule in rules))
        tables = policy.compile_tables(desired, reserved, ["lo"])
        return self.slots.prepare(
            tables,
            desired["marker"],
            lambda slot: balancing_maps.fill(self.loaded.maps, slot, section, sick or {}),
        )

    def run(self, frame: bytes) -> tuple[str, bytes]:
        """The verdict, and the frame as it leaves."""
        return run(self.loaded.programs["tidegate_filter"], frame)

    def fates(self) -> dict[str, int]:
        return {name: found.packets for name, found in volumes.fates(self.loaded.maps).items() if found.packets}


def run(program: int, frame: bytes, repeat: int = 1) -> tuple[str, bytes]:
    data, out = ctypes.create_string_buffer(frame, len(frame)), ctypes.create_string_buffer(len(frame) + ROOM)
    options = TestRun(
        data_in=ctypes.addressof(data),
        data_size_in=len(frame),
        data_out=ctypes.addressof(out),
        data_size_out=len(out),
        repeat=repeat,
    )
    result = libbpf.library().bpf_prog_test_run_opts(program, ctypes.byref(options))
    assert result == 0, f"test run: {result}"
    return VERDICTS[options.retval], out.raw[: options.data_size_out]


@pytest.fixture(scope="module")
def balancer(objects: Path) -> Iterator[Bench]:
    """The balancer 10.9.0.100 (MAC 02:…:01) on a link with its servers (all of them 02:…:09:09)."""
    here = Namespace(f"tg-{os.getpid()}-balancer")
    run_command("ip", "netns", "add", here.name)
    try:
        here.run("ip", "link", "add", "eth0", "address", HOST.hex(":"), "type", "veth", "peer", "name", "eth1")
        here.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        here.run("ip", "address", "add", "10.9.0.100/24", "dev", "eth0")
        here.run("ip", "address", "add", "2001:db8:9::100/64", "dev", "eth0", "nodad")
        for device in ("lo", "eth0", "eth1"):
            here.run("ip", "link", "set", device, "up")
        for number in range(1, 10):
            for address in (f"10.9.0.{number}", f"2001:db8:9::{number}"):
                mac = SERVER.hex(":")
                here.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")
        with here.entered(), load(objects / "xdp.bpf.o") as loaded:
            attachment.set_stage(loaded.maps, loaded.programs[attachment.BALANCE])
            yield Bench(loaded, Slots(loaded.maps))
    finally:
        run_command("ip", "netns", "delete", here.name, check=False)


@pytest.fixture
def bench(balancer: Bench) -> Bench:
    """It, as if nothing had come by yet."""
    for number in range(len(volumes.FATES)):
        empty = bytes(16 * libbpf.possible_cpus())
        libbpf.map_update(balancer.loaded.maps["fates"], number.to_bytes(4, "little"), empty)
    return balancer


@pytest.fixture
def site(namespace, machine: Path, objects: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """client 203.0.113.7 ─ router ─ bridge 10.9.0.0/24 ─ balancer, server1, server2."""
    router, client = namespace(), namespace()
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    router.run("ip", "link", "add", "br0", "type", "bridge")
    router.run("ip", "address", "add", "10.9.0.254/24", "dev", "br0")
    router.run("ip", "address", "add", "2001:db8:9::254/64", "dev", "br0", "nodad")
    router.run("ip", "link", "set", "br0", "up")
    hosts = {}
    for name, number in ADDRESSES.items():
        hosts[name] = host = namespace()
        router.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        router.run("ip", "link", "set", name, "master", "br0", "up")
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        host.run("ip", "address", "add", f"10.9.0.{number}/24", "dev", "eth0")
        host.run("ip", "address", "add", f"2001:db8:9::{number}/64", "dev", "eth0", "nodad")
        host.run("ip", "link", "set", "eth0", "up")
        host.run("ip", "route", "add", "default", "via", "10.9.0.254", "advmss", "1400")
        host.run("ip", "-6", "route", "add", "default", "via", "2001:db8:9::254", "advmss", "1380")
        no_offload(host)
    router.run("ip", "link", "add", "client", "type", "veth", "peer", "name", "eth0", "netns", client.name)
    for end, text, text6 in (
        (router, "203.0.113.254", "2001:db8:f00::254"),
        (client, "203.0.113.7", "2001:db8:f00::7"),
    ):
        device = "client" if end is router else "eth0"
        end.run("ip", "address", "add", f"{text}/24", "dev", device)
        end.run("ip", "address", "add", f"{text6}/64", "dev", device, "nodad")
        end.run("ip", "link", "set", device, "up")
    client.run("ip", "route", "add", "default", "via", "203.0.113.254")
    client.run("ip", "-6", "route", "add", "default", "via", "2001:db8:f00::254")
    router.run("ip", "route", "add", f"{VIP}/32", "via", "10.9.0.100")
    router.run("ip", "-6", "route", "add", f"{VIP6}/128", "via", "2001:db8:9::100")
    no_offload(client)
    no_offload(router, "client")
    for host in hosts.values():  # the neighbors that a balancer's health checks would keep known
        for number in ADDRESSES.values():
            host.run("ping", "-c1", "-w2", f"10.9.0.{number}", check=False)
    site = Site(hosts, client, machine / "state", machine / "bpf", objects, monkeypatch)
    with contextlib.ExitStack() as stack:
        # What a veth sends by XDP arrives only at an end that has a program, too.
        passing = stack.enter_context(load(objects / "xdp.bpf.o")).programs["preflight"]
        for name in ADDRESSES:
            with router.entered():
                link = libbpf.link_xdp(passing, socket.if_nametoindex(name), libbpf.XDP_NATIVE)
            stack.callback(os.close, link)
        for name in ("server1", "server2"):
            process = subprocess.Popen(
                hosts[name].command(sys.executable, "-c", ECHO, name), stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            number = ADDRESSES[name]
            site.apply(
                name, served=[{"name": "web", "vips": [VIP, VIP6], "ports": [[6, 80]], "address": f"10.9.0.{number}"}]
            )
        try:
            yield site
        finally:
            for name in ADDRESSES:
                with site.on(name):
                    live.remove()
