"""Operations and what hosts said, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.release.operations import Operation
from tidegate.rollout.applying import Applied
from tidegate.rollout.operating import in_words
from tidegate.rollout.words import hosts, seconds

MOST_HOSTS = 20
"""Hosts that have a line; those that did well are only counted."""


def table(operations: Sequence[Operation], now: datetime) -> RenderableType:
    """A line for each."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("id", "kind", "what", "how", "who", "since (UTC)"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("ends")
    grid.add_column("why", overflow="fold")
    for one in operations:
        cells = (str(one.id), one.kind, in_words(one.target), _how(one), one.who, f"{one.created_at:%Y-%m-%d %H:%M}")
        grid.add_row(*map(Text, cells), _ends(one, now), Text(one.why))
    return grid


def _how(one: Operation) -> str:
    times = f" {one.settings['times']} times" if one.settings.get("times") else ""
    return f"{one.settings.get('how', one.settings.get('drift', one.settings.get('weight', '')))}{times}"


def _ends(one: Operation, now: datetime) -> Text:
    if one.ended_at:
        return Text(f"ended by {one.ended_by}", style="dim")
    if one.until is None:
        return Text("when somebody ends it", style="yellow")
    left = (one.until - now).total_seconds()
    return Text(f"in {seconds(left)}") if left > 0 else Text("expired", style="dim")


def applied(outcomes: Mapping[str, Applied]) -> RenderableType:
    """What became of hosts: those that did not do well by name."""
    return Group(*_applied(outcomes))


def _applied(outcomes: Mapping[str, Applied]) -> Iterator[RenderableType]:
    good = sum(one.good for one in outcomes.values())
    yield Text(f"{hosts(good)} of {len(outcomes):,} {'runs' if good == 1 else 'run'} what they are served.")
    bad = [(host, one) for host, one in outcomes.items() if not one.good]
    for host, one in bad[:MOST_HOSTS]:
        yield (
            Text(f"  {host}  ")
            .append(one.outcome, style="magenta" if one.outcome == "unknown" else "red")
            .append(f"  {one.reason}")
        )
    if len(bad) > MOST_HOSTS:
        yield Text(f"  and {len(bad) - MOST_HOSTS} more: --json has them all", style="dim")
