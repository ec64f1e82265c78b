"""The filter as a model: slow, obvious, and the judge of the fast one in ``bpf/xdp.bpf.c``.

``check`` asks it whether a rule would cut a host off, the pre-flight asks it which packets must survive, and the
kernel tests hold the BPF program against it packet by packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Literal

from tidegate.bpf.section import Matcher, PortRange
from tidegate.xdp.section import XdpSection

Action = Literal["allow", "drop", "pass"]
VERDICTS: dict[str, Action] = {"allow": "allow", "drop": "drop"}
"""The actions that decide."""

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
BGP, SSH = 179, 22
SALT_MASTER = (4505, 4506)
EPHEMERAL = 49152
"""The other end's port in a synthetic flow: the first of the dynamic ports (RFC 6335, section 6)."""


@dataclass(frozen=True)
class Packet:
    """What the filter looks at. Ports are ``None`` where the protocol has none.

    ``fragment`` is a fragment other than the first: it carries no ports, whatever its protocol; ``first`` is the first
    of several. ``length`` is the IP packet's as its header tells it; ``None`` is unknown and may be any.
    """

    device: str
    src: str
    dst: str
    protocol: int
    sport: int | None = None
    dport: int | None = None
    dscp: int = 0
    fragment: bool = False
    first: bool = False
    tcp_flags: int = 0x10
    icmp_type: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class Flow:
    """A packet that must reach the host, and what it is in words: ``BGP from 198.51.100.0 (port 179)``."""

    name: str
    packet: Packet


def verdict(section: XdpSection, packet: Packet) -> tuple[Action, str | None]:
    """What the rules say about a packet, and the rule that says it.

    The first rule that matches and allows or drops decides; a packet that none decides passes, as does every packet
    on an interface that is not filtered. Limits are not part of the model: within them nothing is dropped. Nor is the
    management allow-list: it stands before the rules, so that a rule which needs it to be harmless is still seen as the
    mistake it is.
    """
    if all(interface["device"] != packet.device for interface in section["interfaces"]):
        return "pass", None
    for rule in section["rules"]:
        if rule["action"] in VERDICTS and packet.device in rule["devices"] and matches(rule, packet):
            return VERDICTS[rule["action"]], rule["name"]
    return "pass", None


def matches(matcher: Matcher, packet: Packet) -> bool:
    """Whether all conditions of a matcher hold: ``None`` holds for any packet, an empty list for none."""
    carries_ports = not packet.fragment
    return (
        matcher["protocol"] in (None, packet.protocol)
        and _in_ranges(matcher["source_port"], packet.sport if carries_ports else None)
        and _in_ranges(matcher["destination_port"], packet.dport if carries_ports else None)
        and _within(matcher["source"], packet.src)
        and _within(matcher["destination"], packet.dst)
        and (matcher["dscp"] is None or packet.dscp in matcher["dscp"])
        and _further(matcher, packet)
    )


def _further(matcher: Matcher, packet: Packet) -> bool:
    flags, types = matcher.get("tcp_flags"), matcher.get("icmp_types")
    parts, lengths = matcher.get("fragment"), matcher.get("length")
    part = "later" if packet.fragment else "first" if packet.first else "whole"
    shows = not packet.fragment
    return (
        (flags is None or (shows and packet.protocol == TCP and any(packet.tcp_flags & m == v for v, m in flags)))
        and (types is None or (shows and packet.protocol in (ICMP, ICMPV6) and packet.icmp_type in types))
        and (parts is None or part in parts)
        and (lengths is None or (packet.length is None and lengths != []) or _in_ranges(lengths, packet.length))
    )


def _within(prefixes: list[str] | None, address: str) -> bool:
    return prefixes is None or any(_address(address) in _network(prefix) for prefix in prefixes)


def _in_ranges(ranges: list[PortRange] | None, port: int | None) -> bool:
    if ranges is None:
        return True
    return port is not None and any(first <= port <= last for first, last in ranges)


def management_packets(
    section: XdpSection,
    addresses: Mapping[str, Sequence[str]],
    *,
    masters: Iterable[str] = (),
    master_ports: Sequence[int] = SALT_MASTER,
    ssh_peers: Iterable[str] = (),
) -> list[Flow]:
    """The packets without which the host loses its sessions or its operators, as they arrive on its interfaces.

    Args:
        section: Names the filtered interfaces and the BGP neighbors.
        addresses: The host's own addresses per device, with their prefix lengths: ``{"eth0": ["198.51.100.1/31"]}``.
        masters: Addresses of the Salt masters.
        master_ports: Where they publish and where they take returns.
        ssh_peers: Addresses from which someone is logged in.

    Returns:
        BGP in both directions of opening, neighbour discovery (RFC 4861) on every filtered device that speaks IPv6,
        replies of the Salt masters and SSH. A neighbor on a connected network is expected on that device alone,
        everyone else on every filtered device.
    """
    devices = [interface["device"] for interface in section["interfaces"]]
    own = {device: [ip_interface(text) for text in addresses.get(device, ())] for device in devices}
    local = {device: [interface.ip for interface in interfaces] for device, interfaces in own.items()}
    flows: list[Flow] = []
    for peer in section["management"]["neighbors"]:
        connected = [
            device for device in devices if any(_address(peer) in interface.network for interface in own[device])
        ]
        for device in connected or devices:
            flows += _tcp(f"BGP from {peer} (their port 179)", device, local[device], peer, sport=BGP, dport=EPHEMERAL)
            flows += _tcp(f"BGP from {peer} (our port 179)", device, local[device], peer, sport=EPHEMERAL, dport=BGP)
    for device in devices:
        flows += _neighbor_discovery(device, local[device])
        for master in masters:
            for port in master_ports:
                name = f"Salt master {master} (its port {port})"
                flows += _tcp(name, device, local[device], master, sport=port, dport=EPHEMERAL)
        for peer in ssh_peers:
            flows += _tcp(f"SSH from {peer}", device, local[device], peer, sport=EPHEMERAL, dport=SSH)
    return flows


def _tcp(
    name: str, device: str, local: Iterable[IPv4Address | IPv6Address], peer: str, *, sport: int, dport: int
) -> Iterator[Flow]:
    version = _address(peer).version
    for address in local:
        if address.version == version:
            yield Flow(name, Packet(device, peer, str(address), TCP, sport, dport, dscp=48))


def _neighbor_discovery(device: str, local: Iterable[IPv4Address | IPv6Address]) -> Iterator[Flow]:
    own = [address for address in local if address.version == 6]
    if not own:
        return
    yield Flow("neighbour discovery (advertisement)", Packet(device, "fe80::1", "fe80::2", ICMPV6))
    yield Flow("neighbour discovery (router advertisement)", Packet(device, "fe80::1", "ff02::1", ICMPV6))
    for address in own:
        solicited = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF)
        yield Flow("neighbour discovery (solicitation)", Packet(device, "fe80::1", str(solicited), ICMPV6))
        yield Flow("neighbour discovery (reachability)", Packet(device, "fe80::1", str(address), ICMPV6))


@lru_cache(maxsize=65536)
def _network(prefix: str) -> IPv4Network | IPv6Network:
    return ip_network(prefix)


@lru_cache(maxsize=65536)
def _address(text: str) -> IPv4Address | IPv6Address:
    return ip_address(text)
