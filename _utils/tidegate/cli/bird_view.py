"""A plan's sessions as a table."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.bird.section import BirdSection, Export, Neighbor


def table(section: BirdSection | None) -> RenderableType:
    """Who the host speaks BGP with, what it accepts, what it announces."""
    if section is None:
        return Text("BGP  the policy has no routing: BIRD is left alone\n")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("neighbor", "address", "AS", "role", "accepts"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("announces", no_wrap=True)
    for neighbor in section["neighbors"]:
        grid.add_row(
            neighbor["name"],
            neighbor["address"],
            str(neighbor["asn"]),
            neighbor["role"],
            _accepts(neighbor),
            Text("\n").join(_told(neighbor)) if _told(neighbor) else Text("nothing"),
        )
    head = Text(f"BGP  AS {section['asn']}, router id {section['router_id']}", style="bold")
    return Group(head, grid if section["neighbors"] else Text("  no sessions"), Text())


def _accepts(neighbor: Neighbor) -> str:
    rules = neighbor["import_"]
    bound = rules.get("max_prefix")
    return rules["accept"] + (f" ≤ {bound['limit']}" if bound else "")


def _told(neighbor: Neighbor) -> list[Text]:
    """What a neighbor is told: our services, a default route, and whose learned routes."""
    lines = [_announces(export) for export in neighbor["export"]]
    lines += [Text("a default route")] if neighbor.get("default_route") else []
    learned = neighbor.get("learned", [])
    return lines + ([Text(f"routes learned from {', '.join(learned)}")] if learned else [])


def _announces(export: Export) -> Text:
    """A line for each prefix, and below them what goes with them."""
    extras = [f"prepend {export['prepend']}"] if export["prepend"] else []
    extras += [f"med {export['med']}"] if export["med"] is not None else []
    extras += [*export["communities"], *export["large_communities"], *export.get("extended_communities", ())]
    lines = [Text(f"{export['service']} {prefix}") for prefix in export["prefixes"]]
    return Text("\n").join([*lines, *([Text(", ".join(extras), style="dim")] if extras else [])])
