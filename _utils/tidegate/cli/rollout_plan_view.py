"""A planned rollout for people and programs: only hosts that change, in waves, and what each wave does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.cli import delta_view
from tidegate.release.delta import Delta
from tidegate.release.release import SHORT
from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.errors import some
from tidegate.rollout.proposal import Proposal
from tidegate.rollout.words import hosts, seconds

MOST_NAMES = 4
"""Names in one cell; more are counted instead."""

NOTHING = "None of its plans differs from what the hosts have."


def as_dict(proposal: Proposal) -> dict[str, Any]:
    """The brief and every wave's delta, as plain data."""
    brief = proposal.brief
    return {
        "release": proposal.release.id,
        "hosts": len(brief.hosts),
        "unchanged": len(brief.unchanged),
        "gone": list(proposal.gone),
        "waves": [
            {
                "name": wave.name,
                "hosts": list(wave.hosts),
                "baseline": {host: list(others) for host, others in wave.baseline.items()},
                "soak": wave.soak,
                "gates": list(wave.gates),
                "delta": proposal.deltas[wave.name].as_dict(),
            }
            for wave in brief.waves
        ],
        "brief": brief.as_dict(),
    }


def page(proposal: Proposal) -> RenderableType:
    """The waves, the limits that hold, and wave by wave what happens in the network."""
    return Group(*_head(proposal), *_body(proposal))


def _head(proposal: Proposal) -> Iterator[RenderableType]:
    brief = proposal.brief
    head = Text(f"Release {proposal.release.short}", style="bold")
    counts = f"{_changes(len(brief.hosts))}, {len(brief.unchanged):,} stay as they are"
    head.append(f"  {counts}", style="not bold")
    yield head
    if proposal.release.note:
        yield Text(proposal.release.note, style="dim")
    if brief.strategy == "emergency":
        yield Text("Emergency: the policy's fewer waves and shorter soaks.", style="yellow")
    if brief.override_freeze:
        yield Text("It goes on in a freeze.", style="yellow")
    if proposal.gone:
        told = f"{some(proposal.gone)} {'is' if len(proposal.gone) == 1 else 'are'} not in this release: nobody touches"
        yield Text(f"{told} {'it' if len(proposal.gone) == 1 else 'them'}.", style="yellow")


def _body(proposal: Proposal) -> Iterator[RenderableType]:
    if not proposal.brief.waves:
        yield Text(NOTHING)
        return
    yield Text()
    yield _table(proposal)
    yield Text()
    yield from _limits(proposal.brief)
    for wave in proposal.brief.waves:
        yield Text()
        yield Text(f"What wave {wave.name} changes", style="bold cyan")
        yield from _delta(proposal.deltas[wave.name])


def _table(proposal: Proposal) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("", justify="right")
    grid.add_column("wave", overflow="fold", style="cyan")
    for name in ("hosts", "so far"):
        grid.add_column(name, justify="right", no_wrap=True)
    for name in ("PoPs", "classes", "soak", "gates", "which"):
        grid.add_column(name, overflow="fold")
    reached, total = 0, len(proposal.brief.hosts)
    for position, wave in enumerate(proposal.brief.waves, 1):
        reached += len(wave.hosts)
        grid.add_row(
            str(position),
            Text(wave.name),
            f"{len(wave.hosts):,}",
            f"{100 * reached // total} %",
            _cell(proposal, wave, "pop"),
            _cell(proposal, wave, "class"),
            seconds(wave.soak) if wave.soak else "one look",
            ", ".join(wave.gates),
            "\n".join(wave.hosts) if len(wave.hosts) <= MOST_NAMES else "…",
        )
    return grid


def _cell(proposal: Proposal, wave: PlannedWave, label: str) -> str:
    names = sorted({proposal.labels[host][label] for host in wave.hosts})
    return ", ".join(names) if len(names) <= MOST_NAMES else str(len(names))


def _limits(brief: Brief) -> Iterator[RenderableType]:
    budget, breaker = brief.budget, brief.breaker
    lines = [f"Stops when more than {hosts(budget.failed)} failed, or more than {budget.unknown} did not answer."]
    if breaker.most is not None:
        lines.append(f"Withdraws at most {breaker.most} announcements within {seconds(breaker.within)}.")
    for floor in brief.floors:
        lines.append(f"Keeps {floor.service} up in at least {floor.min_pops} PoPs.")
    after = {"pause": "people decide", "wave": "its wave goes back", "all": "every wave goes back"}
    lines.append(f"When it stops, {after[brief.on_failure]}.")
    yield from (Text(line) for line in lines)


def _delta(change: Delta) -> Iterator[RenderableType]:
    """What a wave does; of hosts that had nothing, everything is new, and only its sum says something."""
    if change.hosts.changed.places or not change.hosts.comes.places:
        yield delta_view.view(change)
        return
    sums: Counter[str] = Counter()
    for what in change.by_pop.values():
        sums.update({name: count for name, count in what.items() if not name.startswith("hosts")})
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(sums.items())) or "nothing on the network"
    yield Text(f"The first release of {some(change.hosts.comes.hosts)}: {told}")


def _changes(count: int) -> str:
    return f"{hosts(count)} {'changes' if count == 1 else 'change'}"


def question(proposal: Proposal) -> str:
    """What somebody is asked before it starts."""
    brief = proposal.brief
    waves = f"{len(brief.waves)} wave{'' if len(brief.waves) == 1 else 's'}"
    taking = f", taking over from rollout {proposal.request.supersede}" if proposal.request.supersede else ""
    return f"Roll release {brief.release[:SHORT]} out to {hosts(len(brief.hosts))} in {waves}{taking}?"
