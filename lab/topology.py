"""What the lab consists of: ``topology.yaml``, checked and turned into hosts and cables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from pathlib import Path
from typing import Any

import yaml

Interface = IPv4Interface | IPv6Interface
FILE = Path(__file__).with_name("topology.yaml")


@dataclass(frozen=True)
class Host:
    """One machine of the lab."""

    name: str
    role: str
    """``edge``, ``router``, ``customer``, ``master`` or ``client``."""
    asn: int | None = None
    bird: int | None = None
    """Major version of the BIRD that an edge runs."""

    @property
    def software(self) -> str:
        """What makes it what it is, for people."""
        speakers = {"edge": f"BIRD {self.bird}", "router": f"FRR AS{self.asn}", "customer": f"GoBGP AS{self.asn}"}
        return {**speakers, "master": "Salt", "client": "Prometheus"}[self.role]

    @property
    def image(self) -> str:
        """The target in ``image/Containerfile`` it boots from."""
        return f"edge-bird{self.bird}" if self.role == "edge" else self.role


@dataclass(frozen=True)
class End:
    """One end of a cable."""

    host: Host
    device: str
    addresses: tuple[Interface, ...]


@dataclass(frozen=True)
class Link:
    """A cable between two hosts."""

    ends: tuple[End, End]
    password: str | None = None

    def other(self, host: Host) -> End:
        """The end that is not at ``host``."""
        first, second = self.ends
        return second if first.host == host else first


@dataclass(frozen=True)
class Loopback:
    """A further address of a host, and the prefix that leads to it."""

    host: Host
    address: Interface
    prefix: str


@dataclass(frozen=True)
class Topology:
    """Hosts by name, cables in the order they are plugged."""

    asn: int
    vips: tuple[str, ...]
    hosts: dict[str, Host]
    links: tuple[Link, ...]
    loopbacks: tuple[Loopback, ...]

    @cached_property
    def edges(self) -> list[Host]:
        """The hosts that Tidegate manages."""
        return self.by_role("edge")

    @cached_property
    def minions(self) -> list[Host]:
        """The hosts that are Salt minions: the edges, and the client, which gates probe from."""
        return [host for host in self.hosts.values() if host.role in ("edge", "client")]

    def by_role(self, role: str) -> list[Host]:
        """Hosts of one role, in the order of the file."""
        return [host for host in self.hosts.values() if host.role == role]

    def host(self, name: str) -> Host:
        """A host by name.

        Raises:
            LookupError: there is none; the message lists those there are.
        """
        try:
            return self.hosts[name]
        except KeyError:
            raise LookupError(f"no host {name!r} in the lab; there are {', '.join(self.hosts)}") from None

    def links_of(self, host: Host) -> list[Link]:
        """The cables that end at a host."""
        return [link for link in self.links if any(end.host == host for end in link.ends)]

    def gateways(self, host: Host) -> list[Interface]:
        """The router's addresses, one per family, that a host which is no router sends everything to."""
        if host.role == "router":
            return []
        ends = [link.other(host) for link in self.links_of(host)]
        return [address for end in ends if end.host.role == "router" for address in end.addresses]

    def address(self, host: Host) -> str:
        """A host's first IPv4 address, without its length."""
        for link in self.links_of(host):
            for end in link.ends:
                if end.host == host:
                    return str(end.addresses[0].ip)
        raise LookupError(f"{host.name} has no cable")


def load(path: Path = FILE) -> Topology:
    """Read a topology file.

    Raises:
        ValueError: it is not one; the message says where.
    """
    raw: dict[str, Any] = yaml.safe_load(path.read_text())
    hosts = {name: Host(name=name, **fields) for name, fields in raw["hosts"].items()}
    cards = dict.fromkeys(hosts, 0)
    links = []
    for number, fields in enumerate(raw["links"]):
        ends = []
        for name in [key for key in fields if key in hosts]:
            addresses = tuple(ip_interface(text) for text in fields[name])
            ends.append(End(hosts[name], f"eth{cards[name]}", addresses))
            cards[name] += 1
        if len(ends) != 2:
            raise ValueError(f"{path}: links[{number}] must name two known hosts: {sorted(fields)}")
        links.append(Link((ends[0], ends[1]), fields.get("password")))
    loopbacks = [
        Loopback(hosts[name], ip_interface(address), str(ip_network(prefix)))
        for name, addresses in raw.get("loopbacks", {}).items()
        for address, prefix in addresses.items()
    ]
    return Topology(raw["asn"], tuple(raw["vips"]), hosts, tuple(links), tuple(loopbacks))
