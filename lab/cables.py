"""Cables: veth pairs from one container's network namespace straight into another's.

No bridge, no address and no firewall rule on the machine itself, and a native XDP program can sit on both ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping

from lab.topology import Host, Link, Topology

# The last thing plugged: lab-init in the container waits for it before it boots.
_READY = "link set dev lo alias cabled"
_SYSCTLS = {
    # A minion whose way to the master broke and came back tries again within seconds, not after a minute of back-off.
    **dict.fromkeys(("edge", "client"), ("net.ipv4.tcp_syn_retries=2", "net.ipv4.tcp_retries2=5")),
    "router": (
        *("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
        *("net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1"),
    ),
}
# What leaves the client is as on a wire, with its checksums: XDP wraps packets as they are.
_CARDS = {"client": ("tx", "off")}
_SYSCTLS_OF_ALL = ("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")


class CableError(Exception):
    """A cable could not be plugged; the message holds what ``ip`` said."""


def plug(topology: Topology, hosts: Iterable[Host], pids: Mapping[Host, int], *, fresh: Iterable[Host] = ()) -> None:
    """Plug every cable of ``hosts`` and let them boot.

    Args:
        topology: the whole lab.
        hosts: those that have just been started, so that their network namespaces are empty.
        pids: the first process of every running container.
        fresh: those that get an installer's default route.

    Raises:
        CableError: a command failed.
    """
    hosts, fresh = list(hosts), set(fresh)
    for host in hosts:
        _enter(pids[host], ["sysctl", "-qw", *_SYSCTLS_OF_ALL, *_SYSCTLS.get(host.role, ())])
    links = [
        link
        for link in topology.links
        if any(end.host in hosts for end in link.ends) and all(end.host in pids for end in link.ends)
    ]
    for link in links:
        _connect(link, pids)
    touched = {end.host: None for link in links for end in link.ends}
    for host in touched:
        _configure(topology, host, links, pids[host], default=host.role != "edge" or host in fresh)
    for host in hosts:
        _ip(pids[host], [_READY])


def is_plugged(pid: int) -> bool:
    """Whether ``plug`` has been here since the host was started."""
    return "alias cabled" in _run([*_nsenter(pid), "ip", "link", "show", "dev", "lo"])


def remove_installer_routes(pid: int, *, family: str) -> None:
    """Take away the default route that a fresh host came with; fine if it is gone."""
    _enter(pid, ["ip", family, "route", "flush", "default", "proto", "static", "metric", "4096"])


def _connect(link: Link, pids: Mapping[Host, int]) -> None:
    """Lay one cable; what is left of it at an end that stayed up is removed first."""
    for end in link.ends:
        subprocess.run(
            [*_nsenter(pids[end.host]), "ip", "link", "delete", "dev", end.device], capture_output=True, check=False
        )
    first, second = link.ends
    here = [first.device, "netns", str(pids[first.host])]
    there = [second.device, "netns", str(pids[second.host])]
    _run(["ip", "link", "add", *here, "type", "veth", "peer", "name", *there])


def _configure(topology: Topology, host: Host, links: Iterable[Link], pid: int, *, default: bool) -> None:
    """Addresses, then routes, on the ends of ``links`` at one host; and what its cards do."""
    links = list(links)
    lines = ["link set dev lo up"]
    for end in (end for link in links for end in link.ends if end.host == host):
        lines += [f"address replace {address} dev {end.device} nodad" for address in end.addresses]
        lines += [f"link set dev {end.device} up"]
    for loopback in topology.loopbacks:
        if loopback.host == host:
            lines.append(f"address replace {loopback.address} dev lo")
    if default:
        routes = "route replace default via {} proto static metric 4096"
        lines += [routes.format(gateway.ip) for gateway in topology.gateways(host)]
    _ip(pid, lines)
    for end in (end for link in links for end in link.ends if end.host == host and host.role in _CARDS):
        _enter(pid, ["ethtool", "-K", end.device, *_CARDS[host.role]])


def _ip(pid: int, lines: list[str]) -> None:
    _enter(pid, ["ip", "-batch", "-"], "\n".join(lines) + "\n")


def _enter(pid: int, command: list[str], text: str = "") -> None:
    _run([*_nsenter(pid), *command], text)


def _nsenter(pid: int) -> list[str]:
    # Not `ip netns exec`: that mounts another /sys and hides what is pinned in /sys/fs/bpf.
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CableError(f"{' '.join(command)}: {done.stderr.strip()}\n{text}")
    return done.stdout
