"""Health of the trees: are they there as planned, does the classifier feed them, and what went through."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tidegate.host.check import Check
from tidegate.host.errors import TidegateError
from tidegate.tc import classifier, live
from tidegate.tc.change import Difference, describe, deviations, difference
from tidegate.tc.classifier import OBJECT
from tidegate.tc.show import LiveClass
from tidegate.tc.tree import HtbClass, Tree, class_id, load


def baseline() -> dict[str, Any]:
    """What went through so far: ``{device: {"1de:11": {"bytes": 1, …}}}``; what cannot be read is left out."""
    found: dict[str, Any] = {}
    try:
        for device in sorted(live.ours()):
            classes = live.read(device)
            found[device] = {class_id(each.minor): asdict(each.counters) for each in classes.values() if each.counters}
    except TidegateError:
        return found
    return found


def checks(generation: Path, before: dict[str, Any]) -> list[Check]:
    """For each interface: the tree, every class of it with the bytes sent since ``before``, and the classifier."""
    try:
        trees = load(generation)
        if not trees:
            return [_nothing_left()]
    except TidegateError as error:
        return [Check("tc", "unknown", str(error))]
    return [check for tree in trees for check in _interface(tree, generation / OBJECT, before.get(tree.device, {}))]


def _nothing_left() -> Check:
    left = sorted(live.ours())
    if left:
        return Check("tc", "bad", f"nothing is to be shaped here, but {', '.join(left)} still is", len(left))
    return Check("tc", "ok", "nothing is shaped here", 0)


def _interface(tree: Tree, binary: Path, before: dict[str, Any]) -> list[Check]:
    name = f"tc.{tree.device}"
    try:
        root, found = live.root(tree.device), live.read(tree.device)
        flaw = classifier.flaw(tree, binary)
    except TidegateError as error:
        return [Check(name, "unknown", str(error))]
    if not root.ours:
        return [Check(f"{name}.tree", "bad", f"the root qdisc is {root.kind} {root.handle}, not htb {class_id(0)}")]
    return [
        _tree(name, difference(tree, found)),
        *(_class(name, each, found.get(each.minor), before.get(each.id, {})) for each in tree.leaves),
        _classifier(name, tree, flaw),
    ]


def _tree(name: str, step: Difference) -> Check:
    lines, count = step.lines(), len(step.tree.classes)
    if lines:
        return Check(f"{name}.tree", "bad", "; ".join(lines), len(lines))
    return Check(f"{name}.tree", "ok", f"htb {class_id(0)} with {count} classes as planned", count)


def _classifier(name: str, tree: Tree, flaw: str | None) -> Check:
    if flaw:
        return Check(f"{name}.classifier", "bad", flaw)
    count = len(tree.entries)
    return Check(f"{name}.classifier", "ok", f"{count} matchers, marker {tree.marker}", count)


def _class(name: str, each: HtbClass, found: LiveClass | None, before: dict[str, int]) -> Check:
    name = f"{name}.class.{each.name}"
    if found is None:
        return Check(name, "bad", f"class {each.id} is not there")
    if words := deviations(found, each):
        return Check(name, "bad", ", ".join(words))
    if found.counters is None:
        return Check(name, "unknown", f"tc shows no counters for class {each.id}")
    now = asdict(found.counters)
    since = before if now["bytes"] >= before.get("bytes", 0) else {}  # a class made anew counts from zero
    sent, drops = (now[figure] - since.get(figure, 0) for figure in ("bytes", "drops"))
    reason = f"{describe(each)}: {sent} bytes sent, {drops} packets dropped, {now['queued']} waiting"
    return Check(name, "ok", reason, sent)
