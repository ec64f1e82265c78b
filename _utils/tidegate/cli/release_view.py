"""Releases for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.cli import bird_view, tc_view, xdp_view
from tidegate.host.plan import Plan
from tidegate.release.release import SHORT, Release
from tidegate.release.textdiff import Difference

MOST_HOSTS = 3
"""Hosts that are named above a diff they share; the others are counted."""

MOST_PLACES = 8
"""Places that are named with a finding."""

STYLES = {"+": "green", "-": "red", "@": "cyan"}


def table(releases: Sequence[Release]) -> RenderableType:
    """A line for each release."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("release", "created (UTC)", "who", "hosts"):
        grid.add_column(column, no_wrap=True, justify="right" if column == "hosts" else "left")
    grid.add_column("note", overflow="fold")
    grid.add_column("waived", overflow="fold")
    for release in releases:
        waived = ", ".join(waiver.rule for waiver in release.waivers)
        cells = (release.short, f"{release.created_at:%Y-%m-%d %H:%M}", release.who, str(release.hosts), release.note)
        grid.add_row(*map(Text, cells), Text(waived, style="yellow"))
    return grid


def page(release: Release) -> RenderableType:
    """One release: who, when, why, and what it was allowed to break."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    rows = [
        ("created", f"{release.created_at:%Y-%m-%d %H:%M:%S} UTC by {release.who}"),
        ("note", release.note),
        ("hosts", str(release.hosts)),
        ("against", release.against[:SHORT] if release.against else "nothing: there was no release before it"),
        ("policy", release.policy_digest),
    ]
    for name, value in rows:
        if value:
            grid.add_row(name, Text(value))
    return Group(Text(f"Release {release.id}", style="bold"), grid, *_waivers(release))


def _waivers(release: Release) -> Iterator[RenderableType]:
    for waiver in release.waivers:
        yield Text()
        yield Text(f"waived {waiver.rule}", style="yellow").append(f"  because {waiver.because}", style="default")
        yield from (_finding(found) for found in waiver.findings)


def findings(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Findings, by rule."""
    lines: list[Text] = []
    for rule in sorted({str(finding["rule"]) for finding in found}):
        lines.append(Text(rule, style="bold red"))
        lines += [_finding(finding) for finding in found if finding["rule"] == rule]
    return Group(*lines)


def _finding(finding: Mapping[str, Any]) -> Text:
    text = Text(f"  {finding['reason']}")
    if where := finding["where"]:
        text.append(f"\n    {_several(where, MOST_PLACES)}", style="dim")
    return text


def plan(found: Plan) -> RenderableType:
    """A stored plan in brief."""
    labels = ", ".join(f"{label} {value}" for label, value in found.labels.items() if label != "host")
    head = Text(found.host, style="bold").append(f"  {labels}  plan {found.digest[:SHORT]}", style="default")
    return Group(head, Text(), bird_view.table(found.bird), tc_view.trees(found.tc), xdp_view.table(found.xdp))


def diff(difference: Difference) -> Iterator[Text]:
    """Lines of a diff, under the hosts that have them."""
    yield Text(_several(difference.hosts, MOST_HOSTS), style="bold")
    for line in difference.lines:
        yield Text(line, style=STYLES.get(line[:1], ""))
    yield Text()


def _several(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
