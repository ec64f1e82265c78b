"""The waves of a rollout as a page for people, and as data for programs: one truth for both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.policy.model import Policy
from tidegate.rollout.waves import Wave

MOST_NAMES = 4
"""Names in one cell of the table; more are counted instead."""
MOST_CANARIES = 20
"""Hosts of the first wave that are shown one by one."""
MOST_BASELINE = 3

Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Plan:
    """What is shown.

    Attributes:
        waves: The waves, in order.
        labels: Host → its labels.
        by_default: Whether the policy says nothing about waves.
    """

    waves: Sequence[Wave]
    labels: Labels
    by_default: bool

    @classmethod
    def of(cls, policy: Policy, waves: Sequence[Wave]) -> Plan:
        """The plan of a policy."""
        return cls(waves, policy.index.labels, policy.rollout is None)

    def values(self, wave: Wave, label: str) -> list[str]:
        """The values that a label has in a wave, sorted."""
        return sorted({self.labels[host][label] for host in wave.hosts})

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data; ``baseline`` has every host of the wave."""
        return {
            "hosts": len(self.labels),
            "default": self.by_default,
            "waves": [
                {
                    "name": wave.name,
                    "why": wave.why,
                    "hosts": list(wave.hosts),
                    "regions": self.values(wave, "region"),
                    "pops": self.values(wave, "pop"),
                    "classes": self.values(wave, "class"),
                    "baseline": {host: list(hosts) for host, hosts in wave.baseline.items()},
                }
                for wave in self.waves
            ],
        }


def page(plan: Plan) -> RenderableType:
    """The waves as a table, and the first wave's hosts with those they are compared with."""
    return Group(_head(plan), Text(), _table(plan), *_note(plan), Text(), *_canaries(plan))


def _head(plan: Plan) -> Text:
    pops = {labels["pop"] for labels in plan.labels.values()}
    counts = f"{_count(len(plan.labels), 'host')} in {_count(len(pops), 'PoP')}, {_count(len(plan.waves), 'wave')}"
    head = Text(f"Rollout  {counts}", style="bold")
    if plan.by_default:
        head.append("\nThese are the default waves: the policy has no traffic.rollout.", style="not bold yellow")
    return head


def _table(plan: Plan) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("", justify="right")
    grid.add_column("wave", overflow="fold", style="cyan")
    grid.add_column("takes", overflow="fold")
    grid.add_column("hosts", justify="right", no_wrap=True)
    grid.add_column("so far", justify="right", no_wrap=True)
    for name in ("PoPs", "classes", "which"):
        grid.add_column(name, overflow="fold")
    reached = 0
    for position, wave in enumerate(plan.waves, 1):
        reached += len(wave.hosts)
        grid.add_row(
            str(position),
            wave.name,
            wave.why,
            str(len(wave.hosts)),
            _percent(reached, len(plan.labels)),
            _cell(plan.values(wave, "pop")),
            _cell(plan.values(wave, "class")),
            "\n".join(wave.hosts) if len(wave.hosts) <= MOST_NAMES else "…",
        )
    return grid


def _note(plan: Plan) -> Iterator[RenderableType]:
    if any(len(wave.hosts) > MOST_NAMES for wave in plan.waves):
        yield Text("… more than fit here: tidegate rollout plan --json names them", style="dim")


def _canaries(plan: Plan) -> Iterator[RenderableType]:
    if not plan.waves:
        return
    first = plan.waves[0]
    yield Text(f"What the hosts of '{first.name}' are compared with", style="bold")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("host", "PoP", "class", "baseline: hosts of later waves, same class and role"):
        grid.add_column(column, overflow="fold")
    for host in first.hosts[:MOST_CANARIES]:
        labels = plan.labels[host]
        grid.add_row(host, labels["pop"], labels["class"], _baseline(plan.labels, host, first.baseline[host]))
    yield grid
    if len(first.hosts) > MOST_CANARIES:
        yield Text(f"and {len(first.hosts) - MOST_CANARIES} more: --json has them all", style="dim")


def _baseline(labels: Labels, host: str, hosts: Sequence[str]) -> Text:
    own = labels[host]
    if not hosts:
        return Text(f"no baseline: no other {own['class']} {own['role']} stays behind", style="yellow")
    there = labels[hosts[0]]
    near = next((label for label in ("pop", "region") if own[label] == there[label]), "fleet")
    where = {"pop": "same PoP", "region": "same region, other PoP", "fleet": "other region"}[near]
    more = f" and {len(hosts) - MOST_BASELINE} more" if len(hosts) > MOST_BASELINE else ""
    return Text(f"{', '.join(hosts[:MOST_BASELINE])}{more}").append(f" ({where})", style="dim")


def _cell(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else str(len(names))


def _percent(part: int, whole: int) -> str:
    """Rounded down, so that 100 % means all."""
    return f"{100 * part // whole} %" if whole else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
