"""The ``tc`` section of one host's plan: one tree per interface, rates in bit/s, class ids that stay."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from tidegate.bpf.compile import matcher, ranges
from tidegate.tc.ifb import ifb_of
from tidegate.tc.queues import MOST, queue_of
from tidegate.tc.section import FIRST_MINOR, LAST_MINOR, ClassMatcher, Leaf, ShapedInterface, TcSection, TrafficClass
from tidegate.tc.tree import MAJOR, ROOT

if TYPE_CHECKING:
    from tidegate.policy import shaping
    from tidegate.policy.model import Policy

ALONE, QUEUED = range(MAJOR, MAJOR + 1), range(ROOT, MAJOR + MOST)
"""Handles of our own qdiscs: one tree's, and all that trees in queues may have."""
Names = tuple[str, ...]
Devices = tuple[tuple[str, str], ...]


def compile_section(policy: Policy, host: str) -> TcSection:
    """What tc is to do on a host; hosts with the same trees share one section."""
    here = policy.fleet.hosts[host]
    trees = tuple(
        (
            position,
            here.interfaces[policy.shaping[position].interface].device,
            policy.index.shaping_rate(policy.shaping[position], here.class_),
            _named_devices(policy, policy.shaping[position], host),
        )
        for position in policy.index.trees_of.get(host, ())
    )
    return policy.index.shared(("tc", trees), lambda: _section(policy, trees))


def _named_devices(policy: Policy, tree: shaping.Tree, host: str) -> Devices:
    """Name and device of the interfaces that classes name, for hosts may call their devices otherwise."""
    interfaces = policy.fleet.hosts[host].interfaces
    return tuple((name, interfaces[name].device) for name in _sources(policy, tree))


def _sources(policy: Policy, tree: shaping.Tree) -> Names:
    """The interfaces by which packets come in that classes of a tree ask for."""

    def named() -> Names:
        entries = (traffic for _, class_ in policy.index.shaping_classes(tree) for traffic in class_.match)
        return tuple(sorted({name for traffic in entries for name in traffic.from_interface or ()}))

    return policy.index.shared(("shaping-sources", tree.profile or id(tree)), named)


def _section(policy: Policy, trees: tuple[tuple[int, str, int, Devices], ...]) -> TcSection:
    interfaces = [
        _interface(policy, policy.shaping[position], device, rate, dict(named))
        for position, device, rate, named in trees
    ]
    return {"interfaces": sorted(interfaces, key=lambda interface: interface["name"])}


def _interface(policy: Policy, tree: shaping.Tree, device: str, rate: int, named: dict[str, str]) -> ShapedInterface:
    classes = policy.index.shaping_classes(tree)
    ids = minors(("/".join(names) for names, _ in classes), QUEUED if tree.queues else ALONE)
    rates: dict[Names, tuple[int, int]] = {(): (rate, rate)}
    found: list[TrafficClass] = []
    apart: set[Names] = set()  # what stands in a customer is not the tree's default, but the customer's
    for names, class_ in classes:
        if class_.choosy or names[:-1] in apart:
            apart.add(names)
        whole, most = rates[names[:-1]]
        rates[names] = class_.guarantee_bits(whole), class_.ceiling_bits(most)
        found.append(_class(policy, names, ids, class_, rates[names], names in apart, named))
    interface: ShapedInterface = {"name": tree.interface, "device": device, "rate": rate, "classes": found}
    if tree.direction == "in":
        policed = tree.method == "police"
        on = device if policed else ifb_of(device)
        interface.update({"name": f"{tree.interface} in", "device": on, "ingress": device})
        if policed:
            interface["policed"] = True
    if tree.adopt:
        interface["adopt"] = True
    if tree.queues:
        interface["queues"] = tree.queues
        for each in found:
            if "parent" not in each:
                each["queue"] = queue_of(each["name"], tree.queues)
    return interface


def _class(
    policy: Policy,
    names: Names,
    ids: dict[str, int],
    class_: shaping.TrafficClass,
    rates: tuple[int, int],
    apart: bool,
    named: dict[str, str],
) -> TrafficClass:
    name = "/".join(names)
    made: TrafficClass = {
        "name": name,
        "minor": ids[name],
        "priority": class_.priority,
        "guarantee": rates[0],
        "ceiling": rates[1],
        "default": class_.default and not apart,
        "match": [entry for traffic in class_.match for entry in matchers(policy, traffic, named)],
    }
    if len(names) > 1:
        made["parent"] = ids["/".join(names[:-1])]
    if class_.classes:
        made["inner"] = True
    if class_.choosy:
        made["fallback"] = ids["/".join((*names, *_default(class_)))]
    if class_.burst is not None:
        made["burst_us"] = microseconds(class_.burst)
    if class_.set_dscp is not None:
        made["set_dscp"] = class_.set_dscp
    if class_.leaf is not None:
        made["leaf"] = cast("Leaf", {key: value for key, value in class_.leaf if value is not None})
    return made


def _default(class_: shaping.TrafficClass) -> Names:
    """The names that lead from a class to the default one inside it; none where there is none."""
    for name, inside in class_.classes.items():
        if not inside.classes and inside.default:
            return (name,)
        if inside.classes and not inside.match and (below := _default(inside)):
            return (name, *below)
    return ()


def microseconds(time: str) -> int:
    """``5ms`` in microseconds."""
    for unit, scale in (("us", 1), ("ms", 1_000), ("s", 1_000_000)):
        if time.endswith(unit):
            return int(time.removesuffix(unit)) * scale
    raise ValueError(f"not a time: {time!r}")


def matchers(policy: Policy, traffic: shaping.Traffic, devices: dict[str, str]) -> list[ClassMatcher]:
    """The matchers of one entry: ``port`` is either side's, so it takes two; ``devices`` are interfaces by name."""
    base = cast("ClassMatcher", matcher(traffic, policy.index, traffic.dscp))
    if traffic.vlan is not None:
        base["vlan"] = sorted(set(traffic.vlan))
    if traffic.fwmark is not None:
        base["fwmark"] = sorted(set(traffic.fwmark))
    if traffic.cgroup is not None:
        base["cgroup"] = traffic.cgroup
    if traffic.from_interface is not None:
        base["from_devices"] = sorted({devices[name] for name in traffic.from_interface})
    if traffic.port is None:
        return [base]
    ports = ranges(traffic.port)
    return [{**base, "source_port": ports}, {**base, "destination_port": ports}]


def minors(names: Iterable[str], handles: range = ALONE) -> dict[str, int]:
    """A class id for each name, from the name: adding a class leaves the others' alone, collisions apart.

    Names that hash alike take the next free id, in the names' order, so the outcome depends on the set alone. A leaf's
    qdisc is called like its class, so the ``handles`` of our own qdiscs are nobody's id.
    """
    span = LAST_MINOR - FIRST_MINOR + 1
    taken: dict[int, str] = {}
    for name in sorted(names):
        minor = int.from_bytes(sha256(name.encode()).digest()[:4], "big") % span
        while minor in taken or FIRST_MINOR + minor in handles:
            minor = (minor + 1) % span
        taken[minor] = name
    return {name: FIRST_MINOR + minor for minor, name in taken.items()}
