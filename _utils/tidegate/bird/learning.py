"""What decides about routes from neighbors, as the templates want it: shared functions, and each neighbor's calls.

The calls of one neighbor stand on one line: BIRD 2.0.12 parses long inline filters in quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from tidegate.bird import quote
from tidegate.bird.features import demand
from tidegate.bird.parse import Version
from tidegate.bird.quote import Syntax
from tidegate.bird.section import BirdSection, Family, Import, ImportPolicy, Neighbor
from tidegate.host.errors import Refused

LEARNED_FROM = {
    "provider": "FROM_PROVIDER",
    "peer": "FROM_PEER",
    "customer": "FROM_CUSTOMER",
    "rs": "FROM_RS",
    "rs-client": "FROM_RS_CLIENT",
}
"""Role → the mark on what is learned from it."""

CHECKS = tuple(ImportPolicy.__annotations__)
"""Every check; one that a policy leaves out checks nothing."""

DIGITS = {"ipv4": "4", "ipv6": "6"}


class Functions:
    """The functions that a section's neighbors need, each entered when the first one calls it."""

    def __init__(self, section: BirdSection, version: Version) -> None:
        self._section = section
        self._version = version
        self._policies: dict[Syntax, dict[str, Any]] = {}
        self._sets: dict[Syntax, dict[str, Any]] = {}
        self._links: dict[Syntax, dict[str, Any]] = {}

    @property
    def policies(self) -> list[dict[str, Any]]:
        """Import policies by their functions' names: ``suffix``, ``name``, ``digit`` and the checks."""
        return [self._policies[key] for key in sorted(self._policies)]

    @property
    def uses_aspa(self) -> bool:
        """Whether any policy looks at paths."""
        return any(policy["aspa"] for policy in self._policies.values())

    @property
    def sets(self) -> list[dict[str, Any]]:
        """Sets by their functions' names: ``function``, ``name``, ``kind`` and ``entries``."""
        return [self._sets[key] for key in sorted(self._sets)]

    @property
    def links(self) -> list[dict[str, Any]]:
        """Networks in which next hops may be: ``function`` and ``network``."""
        return [self._links[key] for key in sorted(self._links)]

    def learn(self, neighbor: Neighbor, family: Family) -> Syntax | None:
        """The calls that decide about routes of a family from a neighbor; none: nothing is accepted.

        Raises:
            Refused: A value is not what it has to be, or a policy or set is missing; the neighbor is named.
        """
        rules, role = neighbor["import_"], neighbor["role"]
        if rules["accept"] not in ("all", "default", "none") or role not in ("ibgp", *LEARNED_FROM):
            raise _refusal(neighbor, f"unknown import {rules['accept']!r} or role {role!r}")
        if rules["accept"] == "none":
            return None
        digit = DIGITS[family]
        policy = self._policy(neighbor, family)
        calls = [*self._checks(neighbor, policy, digit), *_settings(neighbor, rules)]
        if policy is not None:
            calls.append(f"tune_{policy['suffix']}()")
        if rules.get("last_choice"):
            calls.append("with_preference(0)")
        function = "learn_internal" if role == "ibgp" else "learn"
        suffix = "_default" if rules["accept"] == "default" else ""
        calls.append(f"{function}{suffix}{digit}({'' if role == 'ibgp' else LEARNED_FROM[role]})")
        # After learning, which takes away communities of our own namespace: the tags are some.
        calls += [f"{key}_{policy['suffix']}()" for key in ("rpki", "aspa") if policy and policy[key]]
        return Syntax(" && ".join(calls))

    def _policy(self, neighbor: Neighbor, family: Family) -> dict[str, Any] | None:
        rules, digit = neighbor["import_"], DIGITS[family]
        name = rules.get("policy") if family == neighbor["family"] else rules.get("other_policy")
        if name is None:
            return None
        checks: ImportPolicy | None = self._section.get("policies", {}).get(name)
        if checks is None:
            raise _refusal(neighbor, f"import.policy: the plan has no policy {name!r}")
        suffix = Syntax(f"{_symbol(name)}_{digit}")
        found: dict[str, Any] = {**dict.fromkeys(CHECKS), **checks, "name": name, "suffix": suffix}
        if found["aspa"]:
            path = f"traffic.routing.neighbors.{neighbor['name']}.import.aspa"
            if not demand("ASPA", self._version, path, bool(found["if_supported"])):
                found["aspa"] = None
        return self._policies.setdefault(suffix, {**found, "digit": Syntax(digit)})

    def _checks(self, neighbor: Neighbor, policy: Mapping[str, Any] | None, digit: str) -> list[str]:
        calls = []
        if policy is not None:
            calls.append(f"check_{policy['suffix']}({_safe(neighbor, 'asn', quote.number, neighbor['asn'], 1)})")
            if policy.get("next_hop") == "link":
                calls.append(f"{self._link(neighbor)}()")
        rules = neighbor["import_"]
        calls += [f"! {self._set(neighbor, 'refuse', name, 'hit', digit)}()" for name in rules.get("refuse", ())]
        if "prefixes" in rules:
            held = [f"{self._set(neighbor, 'prefixes', name, 'in', digit)}()" for name in rules["prefixes"]]
            if policy and policy["blackhole"]:
                # What is asked to be dropped may be any part of what the neighbor may announce.
                within = [f"{self._set(neighbor, 'prefixes', name, 'within', digit)}()" for name in rules["prefixes"]]
                held.append(f"is_blackhole_{policy['suffix']}() && ({' || '.join(within) or 'false'})")
            calls.append(f"({' || '.join(held) or 'false'})")
        elif policy and policy["blackhole"]:
            raise _refusal(neighbor, "import.blackhole: without prefixes nobody knows what is the neighbor's own")
        if "origins" in rules:
            held = [f"{self._set(neighbor, 'origins', name, 'from', digit)}()" for name in rules["origins"]]
            calls.append(f"({' || '.join(held) or 'false'})")
        return calls

    def _set(self, neighbor: Neighbor, field: str, name: str, kind: str, digit: str) -> Syntax:
        found = self._section.get("sets", {}).get(name)
        if found is None:
            raise _refusal(neighbor, f"import.{field}: the plan has no set {name!r}")
        family = "ipv4" if digit == "4" else "ipv6"
        function = Syntax(f"{kind}_{_symbol(name)}" + ("" if kind == "from" else f"_{digit}"))
        self._sets.setdefault(
            function,
            {"function": function, "name": name, "kind": kind, "prefixes": found[family], "asns": found["asns"]},  # type: ignore[literal-required]
        )
        return function

    def _link(self, neighbor: Neighbor) -> Syntax:
        network = neighbor.get("link")
        _safe(neighbor, "link", quote.prefix, network)
        function = Syntax(f"on_link_{sha256(str(network).encode()).hexdigest()[:8]}")
        self._links.setdefault(function, {"function": function, "network": network})
        return function


def _settings(neighbor: Neighbor, rules: Import) -> list[str]:
    calls = []
    if rules.get("local_pref") is not None:
        calls.append(f"with_preference({_safe(neighbor, 'import.local_pref', quote.number, rules['local_pref'])})")
    if rules.get("med") is not None:
        calls.append(f"with_med({_safe(neighbor, 'import.med', quote.number, rules['med'])})")
    return calls


def _symbol(name: str) -> str:
    """Part of a function's name: readable, and never the same for two names."""
    if not isinstance(name, str):
        raise Refused(f"BIRD: {name!r} is no name")
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:36]
    return f"{plain}_{sha256(name.encode()).hexdigest()[:6]}"


def _safe(neighbor: Neighbor, field: str, filter_: Callable[..., Syntax], *values: Any) -> Syntax:
    try:
        return filter_(*values)
    except (ValueError, TypeError) as error:
        raise _refusal(neighbor, f"{field}: {values[0]!r}: {error}") from None


def _refusal(neighbor: Neighbor, problem: str) -> Refused:
    return Refused(f"BIRD: neighbor {neighbor['name']!r}, {problem}")
