"""The management allow-list: flows that no rule may cut, whatever the policy says.

It stands outside the slots and is asked before every drop (``bpf/xdp.bpf.c``). It is derived, never configured: BGP
with the plan's neighbors, the Salt masters, and every SSH session that is open when a policy is put in force. While a
policy waits for its confirmation the list only grows; confirmed, it shrinks to what that policy needs.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from tidegate.bpf import libbpf
from tidegate.bpf.matcher import PORTS
from tidegate.xdp.desired import Masters
from tidegate.xdp.verdict import BGP, SSH, TCP

REMOTE, LOCAL = 0, 1
_KEY = struct.Struct("=16sHBB")
_ESTABLISHED = "01"
_BITS = PORTS // 8


class Peer(NamedTuple):
    """Packets of ``protocol`` from ``address``; ``port`` is their source (``REMOTE``) or destination (``LOCAL``)."""

    address: IPv4Address | IPv6Address
    protocol: int
    port: int
    side: int

    def __str__(self) -> str:
        whose = "their" if self.side == REMOTE else "our"
        return f"{self.address} protocol {self.protocol}, {whose} port {self.port}"


def peers(neighbors: Iterable[str], masters: Masters, ssh: Iterable[str]) -> set[Peer]:
    """The allow-list of a host: either side may open a BGP session; masters are called, SSH calls us."""
    wanted = {Peer(ip_address(address), TCP, BGP, side) for address in neighbors for side in (REMOTE, LOCAL)}
    wanted |= {Peer(ip_address(address), TCP, port, REMOTE) for address in masters.addresses for port in masters.ports}
    return wanted | {Peer(ip_address(address), TCP, SSH, LOCAL) for address in ssh}


def ssh_peers(proc: Path = Path("/proc/thread-self/net")) -> list[str]:
    """From where SSH sessions to this host are open now."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        path = proc / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _, local, remote, state = line.split()[:4]
            if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == SSH:
                found.add(_proc_address(remote.rpartition(":")[0]))
    return sorted(found)


def _proc_address(text: str) -> str:
    """The kernel prints addresses as native 32-bit words; IPv4 on a v6 socket comes mapped."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def add(maps: Mapping[str, int], wanted: Iterable[Peer]) -> None:
    """Let these through from now on, besides those that get through already."""
    for peer in wanted:
        libbpf.map_update(maps["management"], _pack(peer), b"\1")
    _write_ports(maps, listed(maps))


def prune(maps: Mapping[str, int], wanted: Iterable[Peer]) -> None:
    """Let these through and no others."""
    wanted = set(wanted)
    add(maps, wanted)
    for peer in listed(maps) - wanted:
        libbpf.map_delete(maps["management"], _pack(peer))
    _write_ports(maps, wanted)


def listed(maps: Mapping[str, int]) -> set[Peer]:
    """The allow-list as the kernel has it."""
    return {_unpack(key) for key in libbpf.map_keys(maps["management"], _KEY.size)}


def _write_ports(maps: Mapping[str, int], listed_peers: Iterable[Peer]) -> None:
    """Bit n of the set: port n is worth a look-up. 64-bit words in native order."""
    words = [0] * (PORTS // 64)
    for peer in listed_peers:
        words[peer.port // 64] |= 1 << peer.port % 64
    with mmap.mmap(maps["management_ports"], _BITS) as memory:
        memory[:_BITS] = struct.pack(f"={len(words)}Q", *words)


def _pack(peer: Peer) -> bytes:
    address = peer.address
    packed = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return _KEY.pack(packed, peer.port, peer.protocol, peer.side)


def _unpack(key: bytes) -> Peer:
    packed, port, protocol, side = _KEY.unpack(key)
    address = IPv6Address(packed)
    return Peer(address.ipv4_mapped or address, protocol, port, side)
