"""What is accepted from neighbors, as the plan has it: alike rules once, under a name that follows their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address
from json import dumps
from typing import TYPE_CHECKING, Any, cast

from tidegate.bird.section import Bound, Family, Import, ImportPolicy, Neighbor, RouteSet, Tuning

if TYPE_CHECKING:
    from tidegate.policy import importing
    from tidegate.policy.model import Policy

REJECTS = ("bogon_prefixes", "bogon_asns", "private_asns", "transit_free_asns", "default_route")
"""Kinds of routes that a policy rejects or accepts."""


def imported(
    policy: Policy, name: str, families: Iterable[Family], validated: bool
) -> tuple[Import, dict[str, ImportPolicy]]:
    """What is accepted from a neighbor, and the checks its routes must pass, by name; none where there is no check.

    ``families``: those of its routes, that of its address first. ``validated``: the host has an RPKI cache to ask.
    """
    assert policy.routing is not None
    neighbor = policy.index.neighbors[name]
    rules = policy.routing.rules(neighbor)
    if not validated:
        rules |= {"rpki": "ignore", "aspa": "ignore"}
    elif rules["rpki"] is None and neighbor.role != "ibgp":
        rules["rpki"] = "reject-invalid"
    if rules["next_hop"] == "neighbor" and ip_address(neighbor.address).is_link_local:
        # The next hop that is told may be a global address of the same machine: what counts is where packets go.
        rules["next_hop"] = "gateway"
    found: Import = {"accept": rules["accept"]}
    policies = {}
    for family in families if rules["accept"] != "none" else ():
        checks = _policy(policy, neighbor.role, rules, family)
        if checks is not None:
            title = policy_name(checks)
            policies[title] = checks
            found["policy" if (":" in neighbor.address) == (family == "ipv6") else "other_policy"] = title
    if rules["local_pref"] is not None:
        found["local_pref"] = rules["local_pref"]
    if rules["med"] is not None:
        found["med"] = rules["med"]
    if rules["max_prefix"] is not None:
        found["max_prefix"] = bound(rules["max_prefix"])
    if rules["max_received"] is not None:
        found["max_received"] = bound(rules["max_received"])
    for key in ("prefixes", "origins", "refuse"):
        if rules[key]:
            found[key] = sorted(set(rules[key]))
    return found, policies


def bound(stated: importing.MaxPrefix | None) -> Bound | None:
    """A bound on routes, as the plan has it."""
    return {"limit": stated.limit, "action": stated.action} if stated else None


def policy_name(checks: ImportPolicy) -> str:
    """``peer-1f0c2a9b``: rules of another content have another name."""
    text = dumps(checks, sort_keys=True, separators=(",", ":"))
    return f"{checks['role']}-{sha256(text.encode()).hexdigest()[:8]}"


def _policy(policy: Policy, role: str, rules: Mapping[str, Any], family: Family) -> ImportPolicy | None:
    """The checks in the plan's shape, or ``None`` where there is nothing to check or to change."""
    lengths = rules[f"{family}_length"]
    blackhole = rules["blackhole"]
    found: dict[str, Any] = {kind: True for kind in REJECTS if rules[kind] == "reject"}
    if rules["accept"] == "default":
        found.pop("default_route", None)
    found |= {key: True for key in ("first_as", "graceful_shutdown") if rules[key]}
    if rules["next_hop"] != "any":
        found["next_hop"] = rules["next_hop"]
    if lengths is not None:
        found["length"] = [lengths.min, lengths.max]
    if rules["max_path_length"] is not None:
        found["max_path_length"] = rules["max_path_length"]
    if blackhole is not None:
        allowed = getattr(blackhole, f"{family}_length")
        found["blackhole"] = {"communities": sorted(set(blackhole.communities)), "length": [allowed.min, allowed.max]}
    for key in ("rpki", "aspa"):
        if rules[key] not in (None, "ignore"):
            unknown = rules["rpki_unknown"] if key == "rpki" else None
            found[key] = {"invalid": rules[key].removesuffix("-invalid"), "unknown": unknown or "accept"}
    if rules["if_supported"] and "aspa" in found:
        found["if_supported"] = True
    if rules["by_community"]:
        found["tuning"] = [_tuning(one) for one in rules["by_community"]]
    if found.get("transit_free_asns"):
        assert policy.routing is not None
        found["transit_free_asns"] = sorted(set(policy.routing.transit_free))
    return cast("ImportPolicy", {"role": role, **found}) if found else None


def _tuning(one: importing.Adjustment) -> Tuning:
    return {
        "community": one.community,
        "large_community": one.large_community,
        "local_pref": one.local_pref,
        "med": one.med,
    }


def sets_of(policy: Policy, neighbors: Iterable[Neighbor]) -> dict[str, RouteSet]:
    """The sets that neighbors' imports name."""
    names = {
        name
        for neighbor in neighbors
        for key in ("prefixes", "origins", "refuse")
        for name in neighbor["import_"].get(key, ())  # type: ignore[attr-defined]
    }
    return {name: _set(policy, name) for name in sorted(names)}


def _set(policy: Policy, name: str) -> RouteSet:
    return policy.index.shared(("bird.set", name), lambda: _entries(policy, name))


def _entries(policy: Policy, name: str) -> RouteSet:
    assert policy.routing is not None
    entry = policy.routing.sets[name]
    prefixes = sorted(set(entry.prefixes or ()))
    return {
        "ipv4": [prefix for prefix in prefixes if ":" not in prefix],
        "ipv6": [prefix for prefix in prefixes if ":" in prefix],
        "asns": sorted(set(entry.asns or ())),
    }
