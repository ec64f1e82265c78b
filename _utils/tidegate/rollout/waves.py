"""The waves of a rollout: which host gets a release when. Pure: the same policy always makes the same waves.

How hosts are chosen, and why so, is in ``docs/waves.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.policy.rollout import DEFAULT_WAVES, WaveRule
from tidegate.rollout.baseline import baselines
from tidegate.rollout.choice import Left, choose

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


def assign(policy: Policy) -> list[Wave]:
    """The waves of a fleet, in order; each host is in one.

    Of a policy that passed `tidegate check` no wave is empty, and none of its hosts is left out. A last wave for "the
    rest" is left out while there is no rest, and a policy without ``rollout`` has the waves of `DEFAULT_WAVES` that
    have hosts.
    """
    rules = rules_of(policy)
    chosen = assigned(policy.index, rules)
    kept = [
        position
        for position, hosts in enumerate(chosen)
        if hosts or not (policy.rollout is None or rules[position].takes_the_rest)
    ]
    behind = baselines([chosen[position] for position in kept], policy.index.labels)
    return [
        Wave(rules[position].name, chosen[position], baseline, in_words(rules[position]))
        for position, baseline in zip(kept, behind, strict=True)
    ]


def rules_of(policy: Policy) -> tuple[WaveRule, ...]:
    """How the waves choose: as the policy says, or as is sensible for most fleets."""
    return policy.rollout.waves if policy.rollout is not None else DEFAULT_WAVES


def assigned(index: Index, rules: Sequence[WaveRule]) -> list[tuple[str, ...]]:
    """The hosts of each wave, sorted; also of waves that get none."""
    left = set(index.everyone)
    named = {host for rule in rules for host in rule.hosts or ()}
    waves = []
    for rule in rules:
        hosts = choose(rule, Left(index, left, left - named))
        waves.append(tuple(sorted(hosts)))
        left -= hosts
    return waves


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
