"""IP addresses and prefixes in a policy: checked once, kept as canonical text, compared as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from tidegate.policy.errors import unlike


def prefix(text: str) -> str:
    """A prefix, or a single address, in its canonical spelling.

    Raises:
        PydanticCustomError: It is none, or has host bits set.
    """
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        loose = ip_interface(text)
    except ValueError:
        raise unlike("an IPv4 or IPv6 prefix such as 192.0.2.0/24") from None
    raise unlike("a prefix without host bits", f"Did you mean {loose.network}, or {loose.ip}/{loose.max_prefixlen}?")


def _address(text: str) -> str:
    if ip_link_local(text):
        raise unlike("an address that is not link-local", "Give its global address on the link.")
    return _other(text)


@lru_cache(maxsize=65536)  # checks and compilation ask it of every session, and again for every host
def ip_link_local(text: str) -> bool:
    """Whether a text is a link-local address of either family."""
    try:
        return ip_address(text).is_link_local
    except ValueError:
        return False


def _neighbor(text: str) -> str:
    if ip_link_local(text) and ":" not in text:
        raise unlike("an address that is not link-local, or an IPv6 one", "Give the neighbor's address on the link.")
    return _other(text)


def _other(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        hint = "An address stands for one machine: leave the prefix length out." if "/" in text else ""
        raise unlike("an IPv4 or IPv6 address", hint) from None
    if address.is_multicast or address.is_unspecified or address.is_loopback or "%" in text:
        raise unlike("the address of one other machine")
    return str(address)


def _interface(text: str) -> str:
    if "/" not in text:
        raise unlike("an address with its prefix length", f"For example {text}/24, {text}/31 or {text}/64.")
    try:
        interface = ip_interface(text)
    except ValueError:
        raise unlike("an address with its prefix length, such as 198.51.100.1/31") from None
    network = interface.network
    if interface.version == 4 and network.prefixlen < 31 and interface.ip in (network[0], network[-1]):
        raise unlike("the host's own address", f"{interface.ip} is the network or broadcast address of {network}.")
    if interface.ip.is_multicast or interface.ip.is_unspecified or interface.ip.is_loopback:
        raise unlike("a unicast address of this host")
    return interface.with_prefixlen


def _router_id(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        address = ip_address("0.0.0.0")
    if address.version != 4 or int(address) == 0:
        raise unlike("a router id in the form of an IPv4 address, not 0.0.0.0 (RFC 4271, section 4.2)")
    return str(address)


Prefix = Annotated[
    str,
    AfterValidator(prefix),
    WithJsonSchema(
        {
            "type": "string",
            "description": "An IPv4 or IPv6 prefix, host bits zero.",
            "pattern": "^[0-9a-fA-F:.]+(/[0-9]+)?$",
        }
    ),
]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F:.]+$"})]
NeighborAddress = Annotated[
    str, AfterValidator(_neighbor), WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F:.]+$"})
]
InterfaceAddress = Annotated[
    str, AfterValidator(_interface), WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F:.]+/[0-9]+$"})
]
RouterId = Annotated[str, AfterValidator(_router_id), WithJsonSchema({"type": "string", "format": "ipv4"})]


def family(text: str) -> int:
    """4 or 6, of any canonical address or prefix."""
    return 6 if ":" in text else 4


@lru_cache(maxsize=1 << 17)
def number(address: str) -> int:
    """A canonical address as an integer. The C library's parser: several times as quick as ``ipaddress``."""
    return int.from_bytes(inet_pton(AF_INET6 if ":" in address else AF_INET, address), "big")


@lru_cache(maxsize=1 << 17)
def span(text: str) -> tuple[int, int]:
    """The first and last address of a prefix, or of the network an interface's address is in, as integers."""
    address, _, length = text.partition("/")
    hosts = (1 << (128 if ":" in address else 32) - int(length)) - 1
    return number(address) & ~hosts, number(address) | hosts


def on_link(own: str, address: str) -> bool:
    """Whether an address is on the network that an interface's address (``own``) is in."""
    if family(own) != family(address):
        return False
    first, last = span(own)
    return first <= number(address) <= last


def contributing(aggregate: str, prefixes: Iterable[str]) -> list[str]:
    """The prefixes that are inside an aggregate and longer than it, sorted."""
    first, last = span(aggregate)
    inside = [one for one in prefixes if family(one) == family(aggregate) and one != aggregate]
    return sorted(one for one in inside if first <= span(one)[0] and span(one)[1] <= last)


def bare(own: str) -> str:
    """An interface's address without its prefix length."""
    return own.partition("/")[0]
