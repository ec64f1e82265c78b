"""A plan's filter as a table of rules."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.balancing.changes import changes
from tidegate.cli.matcher_view import words
from tidegate.policy.packets import dscp_name
from tidegate.xdp.section import Rule, XdpSection

STYLES = {"allow": "green", "drop": "red", "limit": "yellow", "mark": "cyan", "count-only": "dim"}


def _action(rule: Rule) -> str:
    if "mark" in rule:
        return f"mark {dscp_name(rule['mark'])}"
    if "limit" not in rule:
        return rule["action"]
    limit = rule["limit"]
    each = "" if limit["per"] == "rule" else f" per {limit['per']}"
    return f"{rule['action']} {limit['rate']:g} {limit['unit']}/s{each}"


def table(section: XdpSection) -> RenderableType:
    """The interfaces, the rules in order, and who gets through whatever the rules say."""
    if not section["interfaces"]:
        return Text("Filter  no interface of this host is filtered")
    devices = ", ".join(f"{port['name']} ({port['device']}, {port['mode']})" for port in section["interfaces"])
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "rule", "action", "on"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("packets", overflow="fold")
    for position, rule in enumerate(section["rules"], 1):
        action = Text(_action(rule), style=STYLES[rule["action"]])
        grid.add_row(str(position), rule["name"], action, ", ".join(rule["devices"]), words(rule))
    grid.add_row("", "", Text("pass", style="green"), "", "everything else")
    neighbors = ", ".join(section["management"]["neighbors"])
    allowed = f"BGP with {neighbors}; Salt, SSH, neighbour discovery" if neighbors else "Salt, SSH, neighbour discovery"
    return Group(
        Text(f"Filter  {devices}", style="bold"),
        grid,
        Text(f"always through: {allowed}", style="dim", overflow="fold"),
        *_balancing(section),
    )


def _balancing(section: XdpSection) -> Iterator[Text]:
    lines = changes(None, section.get("balancing"))
    if lines:
        yield Text("\nBalancing", style="bold")
    yield from (Text(line.removeprefix("+ "), overflow="fold") for line in lines)
