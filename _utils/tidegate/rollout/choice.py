"""Which hosts one wave takes from those that are left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.policy.waves import Unit, WaveRule
from tidegate.rollout.baseline import Labels, Remaining
from tidegate.rollout.order import rank, spread

if TYPE_CHECKING:
    from tidegate.policy.index import Index

AROUND: dict[Unit, str] = {"host": "pop", "pop": "region", "region": ""}
"""What each unit is a part of; regions are parts of the one fleet."""


@dataclass(frozen=True)
class Left:
    """The hosts that no wave has yet.

    Attributes:
        index: The fleet.
        every: All of them.
        free: Those of them that no wave names: a host named in ``hosts`` waits for that wave.
        among: The hosts that the waves are of; shares are of these.
        still: Hosts that no wave takes, because nothing changes for them; they stay to be compared with.
    """

    index: Index
    every: Set[str]
    free: Set[str]
    among: Set[str]
    still: Set[str] = frozenset()


def choose(rule: WaveRule, left: Left) -> Set[str]:
    """The hosts of one wave."""
    if rule.hosts is not None:
        return left.every & set(rule.hosts)
    whole = left.index.select(rule.match) & left.among if rule.match is not None else left.among
    if rule.one_per is not None and rule.unit == "host":
        return host_per_value(rule.one_per, whole & left.free, left)
    if rule.one_per is not None:
        return _unit_per_value(rule.one_per, rule.unit, whole & left.free, left)
    if rule.ways:
        return _share(rule, whole, left)
    return whole & left.free


def host_per_value(label: str, hosts: Set[str], left: Left) -> set[str]:
    """One host of every value, such that a comparable one stays behind, as near as possible.

    Values with few hosts choose first: those with many can still make way.
    """
    labels = left.index.labels
    remaining = Remaining(left.every | left.still, labels)
    chosen = set()
    of_value = _grouped(hosts, label, left)
    for value in sorted(of_value, key=lambda value: (len(of_value[value]), value)):
        host = min(of_value[value], key=lambda host: (remaining.distance(host), rank(host)))
        remaining.take(host)
        chosen.add(host)
    return chosen


def _unit_per_value(label: str, unit: Unit, hosts: Set[str], left: Left) -> set[str]:
    """Whole units until every value has one; a PoP with hosts of two classes counts for both."""
    labels = left.index.labels
    of_unit = _grouped(hosts, unit, left)
    chosen: set[str] = set()
    of_value = _grouped(hosts, label, left)
    for value in sorted(of_value):
        units = {labels[host][unit] for host in of_value[value]}
        if units.isdisjoint(chosen):
            chosen.add(min(units, key=rank))
    return {host for name in chosen for host in of_unit[name]}


def _share(rule: WaveRule, whole: Set[str], left: Left) -> set[str]:
    """A number of hosts or units: so many more, or as many as are missing to a share of the whole."""
    units = _grouped(whole, rule.unit, left)
    done = [name for name, hosts in units.items() if left.every.isdisjoint(hosts)]
    free = {name: left.free & set(hosts) for name, hosts in units.items()}
    around = {name: _surroundings(left.index.labels[hosts[0]], rule.unit) for name, hosts in units.items()}
    order = spread((name for name, hosts in free.items() if hosts), done, around)
    wanted = rule.count or share(rule.percent or 0, len(units)) - len(done)
    return {host for name in order[: max(wanted, 0)] for host in free[name]}


def share(percent: int, whole: int) -> int:
    """So many percent of a number, rounded up: one percent of ten hosts is one host, not none."""
    return -(-percent * whole // 100)


def _grouped(hosts: Iterable[str], label: str, left: Left) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        found[left.index.labels[host][label]].append(host)
    return found


def _surroundings(labels: Labels, unit: Unit) -> str:
    return labels.get(AROUND[unit], "")
