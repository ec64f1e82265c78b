"""The trees that are measured: customers with three classes each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tidegate.tc.change import difference
from tidegate.tc.queues import queue_of
from tidegate.tc.render import render
from tidegate.tc.root import Roots
from tidegate.tc.section import ShapedInterface, TrafficClass
from tidegate.tc.show import Qdisc
from tidegate.tc.tree import Tree

OBJECT = Path(__file__).resolve().parents[2] / "salt" / "traffic" / "bpf" / "tc.bpf.o"
KBIT = 1_000
LINK = 100_000_000_000


def tree(customers: int, changed: int = 0, queues: int = 0) -> ShapedInterface:
    """Customers with three classes each, so 4 × customers + 1 in all; the first ``changed`` have other guarantees.

    With ``queues`` there is a tree in each of so many.
    """
    classes: list[TrafficClass] = []
    for number in range(customers):
        minor, more = 0x10 + number * 4, 8 * KBIT if number < changed else 0
        classes.append(traffic_class(f"c{number}", minor, [_to(number)], inner=True, fallback=minor + 3))
        classes.append(traffic_class(f"c{number}/voice", minor + 1, [_voice()], parent=minor, more=more))
        classes.append(traffic_class(f"c{number}/web", minor + 2, [{**anything(), "protocol": 6}], parent=minor))
        classes.append(traffic_class(f"c{number}/bulk", minor + 3, [], parent=minor))
    classes.append(traffic_class("rest", 0xFFF0, [], default=True))
    interface: ShapedInterface = {"name": "uplink", "device": "eth0", "rate": LINK, "classes": classes}
    if queues:
        interface["queues"] = queues
        for each in classes:
            if "parent" not in each:
                each["queue"] = queue_of(each["name"], queues)
    return interface


def traffic_class(
    name: str, minor: int, match: list[Any], default: bool = False, more: int = 0, **keys: Any
) -> TrafficClass:
    """A class of a tree, `more` bit/s wider than usual."""
    rate = 4_000 * KBIT if keys.get("inner") else 1_000 * KBIT + more
    made = {"name": name, "minor": minor, "priority": 1, "guarantee": rate, "ceiling": LINK, "default": default}
    return {**made, "match": match, **keys}  # type: ignore[typeddict-item,return-value]


def anything() -> dict[str, Any]:
    """A matcher that every packet meets."""
    return dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))


def _voice() -> dict[str, Any]:
    return {**anything(), "dscp": [46]}


def _to(number: int) -> dict[str, Any]:
    return {**anything(), "destination": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32"]}


def generation(folder: Path, interface: ShapedInterface, name: str) -> Path:
    """A generation that holds one tree."""
    made = folder / name
    made.mkdir()
    (made / "tc.json").write_text(render({"interfaces": [interface]})["tc.json"])
    shutil.copy(OBJECT, made)
    return made


def lines(wanted: Tree) -> list[str]:
    """The whole tree as ``tc -batch`` takes it."""
    nothing = Qdisc("noqueue", "0:", wanted.device, root=True)
    return [*Roots(wanted, nothing).planting(), *difference(wanted, {}).growing()]
