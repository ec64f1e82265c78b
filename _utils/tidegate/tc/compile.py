"""The ``tc`` section of one host's plan: one tree per interface, rates in bit/s, class ids that stay."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from tidegate.bpf.compile import matcher, ranges
from tidegate.bpf.section import Matcher
from tidegate.tc.section import ShapedInterface, TcSection, TrafficClass

if TYPE_CHECKING:
    from tidegate.policy import shaping
    from tidegate.policy.model import Policy

FIRST_MINOR, LAST_MINOR = 0x10, 0xFFFE
"""Class ids of policy classes; those below belong to the tree itself, 0xffff to the kernel."""


def compile_section(policy: Policy, host: str) -> TcSection:
    """What tc is to do on a host; hosts with the same trees share one section."""
    trees = tuple(
        (position, policy.fleet.hosts[host].interfaces[policy.shaping[position].interface].device)
        for position in policy.index.trees_of.get(host, ())
    )
    return policy.index.shared(("tc", trees), lambda: _section(policy, trees))


def _section(policy: Policy, trees: tuple[tuple[int, str], ...]) -> TcSection:
    interfaces = [_interface(policy, policy.shaping[position], device) for position, device in trees]
    return {"interfaces": sorted(interfaces, key=lambda interface: interface["name"])}


def _interface(policy: Policy, tree: shaping.Tree, device: str) -> ShapedInterface:
    rate = tree.rate_bits
    ids = minors(tree.classes)
    classes = sorted(tree.classes.items(), key=lambda item: (item[1].priority, item[0]))
    return {
        "name": tree.interface,
        "device": device,
        "rate": rate,
        "classes": [_class(policy, name, ids[name], class_, rate) for name, class_ in classes],
    }


def _class(policy: Policy, name: str, minor: int, class_: shaping.TrafficClass, rate: int) -> TrafficClass:
    return {
        "name": name,
        "minor": minor,
        "priority": class_.priority,
        "guarantee": class_.guarantee_bits(rate),
        "ceiling": class_.ceiling_bits(rate),
        "default": class_.default,
        "match": [entry for traffic in class_.match for entry in matchers(policy, traffic)],
    }


def matchers(policy: Policy, traffic: shaping.Traffic) -> list[Matcher]:
    """The matchers of one entry: ``port`` is either side's, so it takes two."""
    base = matcher(traffic, policy.index, traffic.dscp)
    if traffic.port is None:
        return [base]
    ports = ranges(traffic.port)
    return [{**base, "source_port": ports}, {**base, "destination_port": ports}]


def minors(names: Iterable[str]) -> dict[str, int]:
    """A class id for each name, from the name: adding a class leaves the others' alone, collisions apart.

    Names that hash alike take the next free id, in the names' order, so the outcome depends on the set alone.
    """
    span = LAST_MINOR - FIRST_MINOR + 1
    taken: dict[int, str] = {}
    for name in sorted(names):
        minor = int.from_bytes(sha256(name.encode()).digest()[:4], "big") % span
        while minor in taken:
            minor = (minor + 1) % span
        taken[minor] = name
    return {name: FIRST_MINOR + minor for minor, name in taken.items()}
