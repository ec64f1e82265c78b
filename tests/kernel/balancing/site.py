"""Client, router, balancer and two servers in namespaces, and what a host of them is given to run."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import shutil
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidegate.xdp import live, render

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

    def plan(self, host: str, rules: Sequence[Any] = (), **balancing: Any) -> Path:
        """A generation of a host."""
        number = ADDRESSES[host]
        own = {"ipv4": f"10.9.0.{number}", "ipv6": f"2001:db8:9::{number}"}
        outer = {"ipv4": None, "ipv6": None}
        return self._generation(
            host, rules, balancing={"services": [], "served": [], "outer": outer, "own": own, **balancing}
        )

    def idle(self, host: str) -> Path:
        """A generation that filters and does not balance."""
        return self._generation(host)

    def _generation(self, host: str, rules: Sequence[Any] = (), **more: Any) -> Path:
        section: Any = {
            "interfaces": [{"name": "uplink", "device": "eth0", "mode": "native"}],
            "rules": list(rules),
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
