"""The waves of a rollout: which host gets a release when. Pure: the same policy always makes the same waves.

How hosts are chosen, and why so, is in ``docs/waves.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.policy.waves import DEFAULT_WAVES, WaveRule
from tidegate.rollout.baseline import baselines
from tidegate.rollout.choice import Left, choose, host_per_value

if TYPE_CHECKING:
    from tidegate.policy.index import Index
    from tidegate.policy.model import Policy

UNITS = {"host": ("host", "hosts"), "pop": ("PoP", "PoPs"), "region": ("region", "regions")}
LABELS = {"class": "class", "region": "region", "pop": "PoP", "role": "role"}


@dataclass(frozen=True)
class Wave:
    """One wave.

    Attributes:
        name: As in the policy.
        hosts: Its hosts, sorted by name.
        baseline: Each of its hosts → hosts of later waves to compare it with: same class, same role, the same PoP if
            possible, else the region, else the fleet. Empty for a host that has none.
        why: How its hosts were chosen, in words.
    """

    name: str
    hosts: tuple[str, ...]
    baseline: Mapping[str, tuple[str, ...]]
    why: str


def assign(policy: Policy, among: Collection[str] | None = None, rules: Sequence[WaveRule] | None = None) -> list[Wave]:
    """The waves of a fleet, in order; each host is in one.

    Of a policy that passed `tidegate check` no wave is empty, and none of its hosts is left out. A last wave for "the
    rest" is left out while there is no rest, and a policy without ``rollout`` has the waves of `DEFAULT_WAVES` that
    have hosts.

    Args:
        policy: The fleet, and how waves choose.
        among: The hosts that change, where that is not all of them: shares are of these, the first wave has one of
            every class among these, waves without hosts are left out, and whoever does not change is a baseline.
        rules: How waves choose, instead of how the policy's usual ones do.
    """
    everyone = policy.index.everyone
    usual = rules is None
    rules = rules_of(policy) if rules is None else rules
    if among is None:
        chosen, still = assigned(policy.index, rules), frozenset[str]()
    else:
        chosen, still = _of_some(policy.index, rules, everyone & set(among)), everyone - set(among)
    optional = among is not None or (usual and policy.rollout is None)
    kept = [
        position for position, hosts in enumerate(chosen) if hosts or not (optional or rules[position].takes_the_rest)
    ]
    behind = baselines([*(chosen[position] for position in kept), sorted(still)], policy.index.labels)
    return [
        Wave(rules[position].name, chosen[position], baseline, in_words(rules[position]))
        for position, baseline in zip(kept, behind[: len(kept)], strict=True)
    ]


def rules_of(policy: Policy) -> tuple[WaveRule, ...]:
    """How the waves choose: as the policy says, or as is sensible for most fleets."""
    return policy.rollout.waves if policy.rollout is not None else DEFAULT_WAVES


def assigned(index: Index, rules: Sequence[WaveRule], among: Set[str] | None = None) -> list[tuple[str, ...]]:
    """The hosts of each wave, sorted; also of waves that get none."""
    among = index.everyone if among is None else among
    still = index.everyone - among
    left = set(among)
    named = {host for rule in rules for host in rule.hosts or ()}
    waves = []
    for position, rule in enumerate(rules):
        state = Left(index, left, left - named, among, still)
        hosts = choose(rule, state)
        if position == 0 and still:
            hosts = hosts | _missing_classes(hosts, state)
        waves.append(tuple(sorted(hosts)))
        left -= hosts
    return waves


def _of_some(index: Index, rules: Sequence[WaveRule], among: Set[str]) -> list[tuple[str, ...]]:
    """The same of a part of the fleet; whom no wave would take is in the last."""
    waves = assigned(index, rules, among)
    missing = among - {host for hosts in waves for host in hosts}
    if missing:
        # Counts and shares that cover a fleet need not cover every part of it.
        waves[-1] = tuple(sorted({*waves[-1], *missing}))
    return waves


def _missing_classes(first: Set[str], left: Left) -> Set[str]:
    """One host of every class that the first wave would not have: its rule was written for the whole fleet."""
    labels = left.index.labels
    tried = {labels[host]["class"] for host in first}
    missing = {host for host in left.every if labels[host]["class"] not in tried}
    # Hosts that a later wave names keep it, where their class has others.
    free = {labels[host]["class"] for host in missing & left.free}
    return host_per_value(
        "class", {host for host in missing if host in left.free or labels[host]["class"] not in free}, left
    )


def in_words(rule: WaveRule) -> str:
    """How a wave chooses: ``one host of every class``, ``50 % of all hosts``."""
    one, many = UNITS[rule.unit]
    among = f" of {rule.match}" if rule.match is not None and not rule.match.everything else ""
    if rule.hosts is not None:
        return "named in the policy"
    if rule.one_per is not None:
        return f"one {one} of every {LABELS[rule.one_per]}" + (f", among {rule.match}" if among else "")
    if rule.percent is not None:
        return f"up to {rule.percent} % of " + (f"the {many}{among}" if among else f"all {many}")
    if rule.count is not None:
        return f"{rule.count} more {one if rule.count == 1 else many}{among}"
    return f"all that are left{among}"
