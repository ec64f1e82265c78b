"""A release never costs a host its way home: its sessions get through the filter, and one still leads out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tidegate.bird.section import BirdSection, Neighbor, families
from tidegate.release.delta.space import merged, span, within
from tidegate.release.rules.rule import Case, Objection, Rule
from tidegate.xdp.section import Rule as FilterRule
from tidegate.xdp.section import XdpSection
from tidegate.xdp.verdict import BGP, EPHEMERAL, ICMPV6, TCP, management_packets, verdict

DISCOVERY = ("fe80::1", "fe80::2", "ff02::1")
"""The addresses of neighbor discovery besides the session's own, as ``management_packets`` has them."""


def management_reachable(case: Case) -> Iterator[Objection]:
    """No rule drops BGP or neighbor discovery, and no host loses the last session that brings it routes out."""
    yield from _dropped(case)
    yield from _homeless(case)


def _dropped(case: Case) -> Iterator[Objection]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    suspects: dict[int, list[Suspect]] = {}
    for host, plan in case.plans.items():
        section: BirdSection | None = plan.document["bird"]
        filters: XdpSection = plan.document["xdp"]
        rules = filters["rules"]
        # Hosts share their rules, and the plans keep them alive: an id stays one list's.
        if id(rules) not in suspects:
            suspects[id(rules)] = [Suspect(rule) for rule in rules if rule["action"] == "drop"]
        if section is None or not suspects[id(rules)]:
            continue
        for neighbor in section["neighbors"]:
            for device in _devices(neighbor, filters):
                if any(suspect.may_drop(neighbor, device) for suspect in suspects[id(rules)]):
                    for rule, flow in _verdicts(filters, neighbor, device):
                        found[rule, flow].add(host)
    by_rule: dict[str, tuple[list[str], set[str]]] = defaultdict(lambda: ([], set()))
    for (rule, flow), hosts in sorted(found.items()):
        by_rule[rule][0].append(flow)
        by_rule[rule][1].update(hosts)
    for rule, (flows, hosts) in by_rule.items():
        more = f" and {len(flows) - 1} other flows like it" if len(flows) > 1 else ""
        yield Objection(f"rule '{rule}' would drop {flows[0]}{more}", sorted(hosts))


def _devices(neighbor: Neighbor, filters: XdpSection) -> list[str]:
    """The filtered devices on which a neighbor's packets arrive: any of them if the neighbor is further away."""
    filtered = [interface["device"] for interface in filters["interfaces"]]
    return [one for one in filtered if neighbor["device"] in (None, one)]


def _verdicts(filters: XdpSection, neighbor: Neighbor, device: str) -> Iterator[tuple[str, str]]:
    """(rule, flow) for every packet of a session that is dropped."""
    # BIRD finds its own link-local address; any will do here.
    own = neighbor["local"] or DISCOVERY[0]
    only: Any = {
        "interfaces": [interface for interface in filters["interfaces"] if interface["device"] == device],
        "management": {"neighbors": [neighbor["address"]]},
    }
    length = 128 if neighbor["family"] == "ipv6" else 32
    for flow in management_packets(only, {device: [f"{own}/{length}"]}):
        action, rule = verdict(filters, flow.packet)
        if action == "drop" and rule is not None:
            yield rule, flow.name


class Suspect:
    """A drop rule, made quick to acquit: thousands of hosts have it, and hardly any rule is near their sessions."""

    def __init__(self, rule: FilterRule) -> None:
        self._devices = frozenset(rule["devices"])
        self._tcp = rule["protocol"] in (None, TCP) and any(
            _in(rule["source_port"], source) and _in(rule["destination_port"], destination)
            for source, destination in ((BGP, EPHEMERAL), (EPHEMERAL, BGP))
        )
        self._icmp = rule["protocol"] in (None, ICMPV6) and rule["source_port"] is None is rule["destination_port"]
        self._any_source = rule["source"] is None
        self._source = {family: merged(rule["source"] or (), family) for family in (4, 6)}

    def may_drop(self, neighbor: Neighbor, device: str) -> bool:
        """Whether the rule could match a packet of a session; no means that it cannot."""
        v6 = neighbor["family"] == "ipv6"
        if device not in self._devices or not (self._tcp or (self._icmp and v6)):
            return False
        if self._any_source:
            return True
        near = (neighbor["address"], *(DISCOVERY if v6 and self._icmp else ()))
        return any(within(span(address), self._source[6 if v6 else 4]) for address in near)


def _in(ranges: list[list[int]] | None, port: int) -> bool:
    return ranges is None or any(first <= port <= last for first, last in ranges)


def _homeless(case: Case) -> Iterator[Objection]:
    found: dict[str, list[str]] = defaultdict(list)
    for host, earlier in case.earlier.items():
        plan = case.plans.get(host)
        if plan is None or plan.document["digest"] == earlier.document["digest"]:
            continue
        for family in sorted(_ways_home(earlier.document["bird"]) - _ways_home(plan.document["bird"])):
            found[family].append(host)
    for family, hosts in sorted(found.items()):
        reason = f"no {family} session accepts a default or all routes any longer: the last way home is lost"
        yield Objection(reason, sorted(hosts))


def _ways_home(section: BirdSection | None) -> set[str]:
    """The families in which some session brings a host routes to everywhere."""
    if section is None:
        return set()
    return {
        family
        for neighbor in section["neighbors"]
        for family in families(neighbor)
        if _leads(section, neighbor, family)
    }


def _leads(section: BirdSection, neighbor: Neighbor, family: str) -> bool:
    """Whether a session brings routes to everywhere: the default route, or all there are without being a customer's.

    What a customer or a route server's client may announce, or what sets hold, is not everywhere; a peer's routes
    without a default are not either.
    """
    rules = neighbor["import_"]
    if rules["accept"] == "default":
        return True
    if rules["accept"] != "all" or rules.get("prefixes") is not None or "vrf" in neighbor:
        return False
    name = rules.get("policy") if family == neighbor["family"] else rules.get("other_policy")
    refused = bool(section.get("policies", {}).get(name or "", {}).get("default_route"))
    # Providers and our own routers have the whole table, default route or not.
    return not refused or neighbor["role"] in ("provider", "ibgp")


RULES = (
    Rule(
        "management-reachable",
        "The filter lets every session of a host through, and a host that had a way home keeps one.",
        "Facebook 2021-10-04: routers withdrew the way to themselves, and nobody could reach them to undo it.",
        False,
        management_reachable,
    ),
)
