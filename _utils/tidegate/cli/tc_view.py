"""A plan's shaping as trees of text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from tidegate.cli.matcher_view import words
from tidegate.tc.section import ShapedInterface, TcSection, TrafficClass

UNITS = (("tbit", 10**12), ("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3))


def trees(section: TcSection) -> RenderableType:
    """One tree for each shaped interface."""
    if not section["interfaces"]:
        return Text("Shaping  no interface of this host is shaped\n")
    return Group(Text("Shaping", style="bold"), *map(_tree, section["interfaces"]), Text())


def _tree(interface: ShapedInterface) -> Tree:
    tree = Tree(f"{interface['name']} ({interface['device']})  {rate(interface['rate'])}", guide_style="dim")
    width = max(len(class_["name"]) for class_ in interface["classes"])
    for class_ in interface["classes"]:
        branch = tree.add(_class(class_, width))
        for matcher in class_["match"]:
            branch.add(Text(words(matcher)))
        if class_["default"]:
            branch.add(Text("everything else"))
    return tree


def _class(class_: TrafficClass, width: int) -> Text:
    text = Text(f"{class_['name']:{width}}", style="cyan")
    spread = f"  priority {class_['priority']}  {rate(class_['guarantee'])} to {rate(class_['ceiling'])}"
    return text.append(spread, style="default").append(f"  1de:{class_['minor']:x}", style="dim")


def rate(bits: int) -> str:
    """bit/s in the largest unit that keeps it short."""
    for unit, size in UNITS:
        if bits >= size:
            return f"{bits / size:.4g}{unit}"
    return f"{bits}bit"
