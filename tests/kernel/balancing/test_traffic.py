"""Real TCP: client, router, balancer and two servers in namespaces; answers come from the servers directly."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidegate.balancing import maps as balancing_maps
from tidegate.bpf import libbpf
from tidegate.bpf.loader import load, pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.xdp import attachment, live, render
from tidegate.xdp.desired import read

from ..conftest import Namespace
from .planned import backend, service

VIP, VIP6 = "192.0.2.10", "2001:db8:100::10"
ADDRESSES = {"balancer": 100, "server1": 1, "server2": 2}
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17

ECHO = """
import socket, sys, threading
def serve(connection):
    with connection:
        while connection.recv(4096):
            connection.sendall(sys.argv[1].encode())
listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@dataclass
class Site:
    """The namespaces by name, and how a host is given a plan."""

    hosts: dict[str, Namespace]
    client: Namespace
    state: Path
    bpffs: Path
    objects: Path
    monkeypatch: pytest.MonkeyPatch

    @contextlib.contextmanager
    def on(self, host: str) -> Iterator[None]:
        self.monkeypatch.setenv("TIDEGATE_BPFFS", str(self.bpffs / host))
        self.monkeypatch.setenv("TIDEGATE_STATE", str(self.state / host))
        self.monkeypatch.setenv("TIDEGATE_RUN", str(self.state / host))
        with self.hosts[host].entered():
            yield

    def plan(self, host: str, **balancing: Any) -> Path:
        """A generation of a host."""
        number = ADDRESSES[host]
        own = {"ipv4": f"10.9.0.{number}", "ipv6": f"2001:db8:9::{number}"}
        outer = {"ipv4": None, "ipv6": None}
        return self._generation(host, balancing={"services": [], "served": [], "outer": outer, "own": own, **balancing})

    def idle(self, host: str) -> Path:
        """A generation that filters and does not balance."""
        return self._generation(host)

    def _generation(self, host: str, **more: Any) -> Path:
        section: Any = {
            "interfaces": [{"name": "uplink", "device": "eth0", "mode": "native"}],
            "rules": [],
            "management": {"neighbors": []},
            **more,
        }
        text = render.render(section)["xdp.json"]
        directory = self.state / host / "generations" / json.loads(text)["marker"]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "xdp.json").write_text(text)
        shutil.copy(self.objects / "xdp.bpf.o", directory)
        return directory

    def apply(self, host: str, **balancing: Any) -> Path:
        generation = self.plan(host, **balancing)
        with self.on(host):
            assert live.problems(generation) == []
            live.apply(generation, None)
            assert live.diff(generation) == []
        return generation

    def balance(self, **changed: Any) -> Path:
        return self.apply("balancer", services=[service(backends=servers(), **changed)])

    def connect(self, address: str = VIP) -> socket.socket:
        with self.client.entered():
            return socket.create_connection((address, 80), timeout=5)


def servers(**draining: bool) -> list[dict[str, Any]]:
    return [backend(f"server{n}", f"10.9.0.{n}", draining=draining.get(f"server{n}", False)) for n in (1, 2)]


def says(connection: socket.socket) -> str:
    connection.sendall(b"who?")
    return connection.recv(100).decode()


def no_offload(host: Namespace, device: str = "eth0") -> None:
    """XDP sees packets as they are on a wire: with their checksums."""
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
        fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP8x", device.encode(), ctypes.addressof(value)))


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


@pytest.mark.parametrize("encapsulation", ["gue", "ipip"])
def test_connections_reach_all_servers_over_both_families(site: Site, encapsulation: str) -> None:
    site.balance(encapsulation=encapsulation)
    for address in (VIP, VIP6):
        found: Counter[str] = Counter()
        for _ in range(12):
            with site.connect(address) as connection:
                found[says(connection)] += 1
                assert says(connection) in found
        assert set(found) == {"server1", "server2"}
    with site.on("balancer"):
        counted = live.balanced()
        assert counted["web"].packets == counted["web/server1"].packets + counted["web/server2"].packets > 48


def test_a_draining_server_keeps_its_connections_and_gets_no_new_ones(site: Site) -> None:
    site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(24)]
        before = [says(connection) for connection in old]
        assert set(before) == {"server1", "server2"}
        site.apply("balancer", services=[service(backends=servers(server1=True))])
        assert [says(connection) for connection in old] == before
        fresh = [stack.enter_context(site.connect()) for _ in range(12)]
        assert {says(connection) for connection in fresh} == {"server2"}
        with site.on("server2"):
            assert live.fates()["handed_on"].packets > 0
        # Undone: the drained server gets flows again, and what server2 took meanwhile stays there.
        site.balance()
        assert [says(connection) for connection in old] == before
        assert {says(connection) for connection in fresh} == {"server2"}


def test_a_sick_server_gets_nothing_and_nobody_else_s_connections_move(site: Site) -> None:
    generation = site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(24)]
        before = [says(connection) for connection in old]
        with site.on("balancer"), pinned_maps(attachment.maps_directory()) as maps:
            section = read(generation)["balancing"]
            balancing_maps.refresh(maps, Slots(maps).in_force, section, {"web": {"server1"}})
        kept = [one for one, name in zip(old, before, strict=True) if name == "server2"]
        assert {says(connection) for connection in kept} == {"server2"}
        assert {says(stack.enter_context(site.connect())) for _ in range(12)} == {"server2"}


def test_flips_lose_no_packet_of_a_connection(site: Site) -> None:
    site.balance()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(site.connect()) for _ in range(8)]
        before = [says(connection) for connection in old]
        with site.on("balancer"), pinned_maps(attachment.maps_directory()) as maps:
            slots = Slots(maps)
            other = site.plan("balancer", services=[service(backends=servers(), min_percent=2)])
            live.apply(other, None)
            for _ in range(300):
                slots.flip(1 - slots.in_force, timeout=None)
                for connection in old[:2]:
                    says(connection)
        assert [says(connection) for connection in old] == before


def test_a_host_begins_and_ends_to_balance_without_a_gap(site: Site) -> None:
    """Only who balances has the balancer loaded; the filter in front of it is not touched when that changes."""

    def there() -> tuple[set[str], int]:
        found = (site.bpffs / "balancer" / "xdp" / "programs").glob("*")
        return {path.name.split("-")[1] for path in found}, attachment.attachments()["eth0"].program

    idle = site.idle("balancer")
    with site.on("balancer"):
        live.apply(idle, None)
        kinds, before = there()
        assert kinds == {"filter", "preflight"}
    busy = site.balance()
    with site.connect() as connection, site.on("balancer"):
        assert there() == ({"filter", "preflight", "balance"}, before)
        first = says(connection)
        assert live.diff(idle) == ["- balance web: 192.0.2.10, 2001:db8:100::10 tcp/80, udp/53 over 2 backends"]
        live.apply(idle, 60)
        assert there() == ({"filter", "preflight", "balance"}, before), "the way back is kept until it is confirmed"
        live.apply(busy, None)
        assert says(connection) == first
        live.apply(idle, None)
        assert there() == ({"filter", "preflight"}, before)


def test_a_change_of_backends_alone_is_a_difference_and_told(site: Site) -> None:
    site.balance()
    fewer = site.plan("balancer", services=[service(backends=servers()[:1])])
    with site.on("balancer"):
        assert live.diff(fewer) == ["~ balance web: -server2"]
        live.apply(fewer, None)
        assert live.diff(fewer) == []


def test_removal_leaves_neither_vips_nor_programs(site: Site) -> None:
    with site.on("server1"):
        assert VIP in site.hosts["server1"].run("ip", "route", "show", "table", "local")
        live.remove()
        assert VIP not in site.hosts["server1"].run("ip", "route", "show", "table", "local")
        assert attachment.attachments() == {}


def test_a_host_that_does_not_forward_is_refused_with_the_way_out(site: Site) -> None:
    site.hosts["balancer"].run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    generation = site.plan("balancer", services=[service(backends=servers())])
    with site.on("balancer"):
        (problem,) = live.problems(generation)
    assert "net.ipv4.conf.eth0.forwarding=1" in problem


def test_an_interface_too_narrow_for_the_wrapping_is_refused(site: Site) -> None:
    site.hosts["balancer"].run("ip", "link", "set", "eth0", "mtu", "1300")
    generation = site.plan("balancer", services=[service(backends=servers())])
    with site.on("balancer"):
        (problem,) = live.problems(generation)
    assert "MTU 1300, too small" in problem and "1320" in problem
