"""A plan's shaping as trees of text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from tidegate.cli.matcher_view import words
from tidegate.policy.packets import dscp_name
from tidegate.tc import queues
from tidegate.tc.leaf import told
from tidegate.tc.section import ShapedInterface, TcSection, TrafficClass
from tidegate.tc.tree import class_id

UNITS = (("tbit", 10**12), ("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3))


def trees(section: TcSection) -> RenderableType:
    """One tree for each shaped interface."""
    if not section["interfaces"]:
        return Text("Shaping  no interface of this host is shaped\n")
    return Group(Text("Shaping", style="bold"), *map(_tree, section["interfaces"]), Text())


def _tree(interface: ShapedInterface) -> Tree:
    marks = [mark for key, mark in (("adopt", "  adopted"), ("policed", "  policed")) if interface.get(key)]
    head = f"{interface['name']} ({interface['device']})  {rate(interface['rate'])}{''.join(marks)}"
    tree = Tree(head, guide_style="dim")
    width = max(len(_own_name(class_)) for class_ in interface["classes"])
    branches: dict[int, Tree] = {}
    parts = queues.parts(interface)
    stands = {queue: tree.add(Text(f"queue {queue}  {rate(part)}")) for queue, part in parts.items()}
    tops: dict[int, int] = {}
    rest = {class_["fallback"] for class_ in interface["classes"] if "fallback" in class_}
    for class_ in interface["classes"]:
        queue = tops[class_["minor"]] = class_.get("queue", tops.get(class_.get("parent", 0), 1))
        above = branches.get(class_.get("parent", 0), stands.get(queue, tree))
        told_id = "" if "policed" in interface else class_id(queues.at(queue, class_["minor"]))
        branch = above.add(_class(class_, width, parts.get(queue)).append(f"  {told_id}".rstrip(), style="dim"))
        branches[class_["minor"]] = branch
        for matcher in class_["match"]:
            branch.add(Text(words(matcher)))
        if class_["default"] or class_["minor"] in rest:
            branch.add(Text("everything else"))
    return tree


def _own_name(class_: TrafficClass) -> str:
    return class_["name"].rpartition("/")[2]


def _class(class_: TrafficClass, width: int, part: int | None) -> Text:
    """One class; it never has more than the ``part`` of the interface's rate that its queue has."""
    text = Text(f"{_own_name(class_):{width}}", style="cyan")
    ceiling = class_["ceiling"] if part is None else min(class_["ceiling"], part)
    spread = f"  priority {class_['priority']}  {rate(class_['guarantee'])} to {rate(ceiling)}"
    text.append(spread, style="default")
    if "leaf" in class_:
        text.append(f"  {told(class_['leaf'])}")
    if "set_dscp" in class_:
        text.append(f"  leaves with dscp {dscp_name(class_['set_dscp'])}")
    return text


def rate(bits: int) -> str:
    """bit/s in the largest unit that keeps it short."""
    for unit, size in UNITS:
        if bits >= size:
            return f"{bits / size:.4g}{unit}"
    return f"{bits}bit"
