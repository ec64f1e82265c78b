"""Health of the trees: are they there as planned, does the classifier feed them, and what went through."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tidegate.host.check import Check
from tidegate.host.device import speed
from tidegate.host.errors import TidegateError
from tidegate.host.paths import paths
from tidegate.tc import policer, policing, survey, txqueues
from tidegate.tc.change import bits, describe, deviations
from tidegate.tc.police_table import describe as describe_policed
from tidegate.tc.policer import PolicedClass, Policer
from tidegate.tc.policing import Policed
from tidegate.tc.program import OBJECT
from tidegate.tc.show import LiveClass
from tidegate.tc.survey import Survey
from tidegate.tc.tree import HtbClass, Tree, class_id, load

_AT = "at"
"""In a device's part of the baseline: when it was taken, in seconds since the epoch."""
_DIRECT = "direct"
"""There: how many packets had passed beside the tree."""
_SHORTEST = 1.0
"""Seconds: over less than this a rate is mostly bursts."""
_FEW, _FULL = 0.9, 0.95
"""Of its guarantee a class has too little below the one; of its rate something is full from the other."""


def baseline() -> dict[str, Any]:
    """What went through so far: ``{device: {"1de:11": {"bytes": 1, …}}}``; what cannot be read is left out."""
    found: dict[str, Any] = {}
    try:
        for device in sorted(survey.ours()):
            classes = survey.read(device)
            counters = {class_id(each.minor): each.counters._asdict() for each in classes.values() if each.counters}
            found[device] = {_AT: time.time(), _DIRECT: survey.direct(device), **counters}
        for each in _hired():
            counts = policing.counts(each)
            found[each.device + policing.SUFFIX] = {name: count._asdict() for name, count in counts.items()}
    except TidegateError:
        return found
    return found


def _hired() -> list[Policer]:
    """The policers of the generation that runs; none where none runs yet."""
    running = paths().state / "running"
    return policer.load(running) if (running / "tc.json").exists() else []


def checks(generation: Path, before: dict[str, Any]) -> list[Check]:
    """For each interface: the tree, every class of it with the bytes sent since ``before``, and the classifier."""
    try:
        trees, policers = load(generation), policer.load(generation)
        if not trees and not policers:
            return [_nothing_left()]
    except TidegateError as error:
        return [Check("tc", "unknown", str(error))]
    binary = generation / OBJECT
    return [
        *(check for tree in trees for check in _interface(tree, binary, before.get(tree.device, {}))),
        *(
            check
            for each in policers
            for check in _policed(each, binary, before.get(each.device + policing.SUFFIX, {}))
        ),
    ]


def _nothing_left() -> Check:
    left = sorted(survey.ours() | policing.devices())
    if left:
        return Check("tc", "bad", f"nothing is to be shaped here, but {', '.join(left)} still is", len(left))
    return Check("tc", "ok", "nothing is shaped here", 0)


def _interface(tree: Tree, binary: Path, before: dict[str, Any]) -> list[Check]:
    name = f"tc.{tree.device}"
    try:
        found = survey.survey(tree, binary)
        if not found.roots.right:
            survey.read(tree.device)  # which fails if it is the device that is missing
    except TidegateError as error:
        return [Check(name, "unknown", str(error))]
    root, now, wanted = found.root, found.live, " ".join(tree.root)
    if not found.roots.right:
        return [Check(f"{name}.tree", "bad", f"the root qdisc is {root.kind} {root.handle}, not {wanted}")]
    return [
        _tree(name, found),
        *_queues(name, found, before),
        *_speed(name, tree),
        *(_class(name, each, now.get(each.minor), before.get(each.id, {})) for each in tree.leaves),
        *_starving(name, tree, now, before),
        _classifier(name, tree, found.flaw),
        *_redirect(name, tree, found.astray),
    ]


def _starving(name: str, tree: Tree, now: Mapping[int, LiveClass], before: dict[str, Any]) -> list[Check]:
    """One check, only where a class is starved: rates are over the time since ``before``."""
    seconds = time.time() - before[_AT] if _AT in before else 0.0
    if seconds < _SHORTEST:
        return []
    rates = {minor: _rate(live, before.get(class_id(minor), {}), seconds) for minor, live in now.items()}
    queued = {each.minor for each in tree.leaves if before.get(each.id, {}).get("queued") and _queued(now, each.minor)}
    found = starved(tree, rates, queued)
    return [Check(f"{name}.starved", "bad", "; ".join(found), len(found))] if found else []


def starved(tree: Tree, rates: Mapping[int, float], queued: Collection[int]) -> list[str]:
    """Classes that packets waited in all the time and that were sent less than their guarantee, though there was room.

    There is room if every class above sent less than it may. HTB does not let that happen by itself: it speaks of a
    quantum or burst too small for the rate, of a host that is too slow, or of a leaf that holds packets back.

    Args:
        tree: What is planned.
        rates: bit/s that went through each class, by minor.
        queued: The minors of classes in which packets waited at both ends of the time.
    """
    classes = {each.minor: each for each in tree.classes}
    return [
        f"{each.name} had {bits(int(rates.get(each.minor, 0)))} of its {bits(each.rate)}, and packets waited for more"
        for each in tree.leaves
        if each.minor in queued
        and rates.get(each.minor, 0.0) < _FEW * each.rate
        and all(rates.get(above, 0.0) < _FULL * classes[above].rate for above in _above(classes, each))
    ]


def _above(classes: Mapping[int, HtbClass], each: HtbClass) -> Iterator[int]:
    while each.parent in classes:
        each = classes[each.parent]
        yield each.minor


def _rate(live: LiveClass, before: dict[str, int], seconds: float) -> float:
    sent = (live.counters.bytes if live.counters else 0) - before.get("bytes", 0)
    return max(sent, 0) * 8 / seconds


def _queued(now: Mapping[int, LiveClass], minor: int) -> int:
    counters = now[minor].counters if minor in now else None
    return counters.queued if counters else 0


def _tree(name: str, found: Survey) -> Check:
    lines, count = [*found.roots.lines(), *found.step.lines()], len(found.tree.classes)
    if lines:
        return Check(f"{name}.tree", "bad", "; ".join(lines), len(lines))
    return Check(f"{name}.tree", "ok", f"{' '.join(found.tree.root)} with {count} classes as planned", count)


def _queues(name: str, found: Survey, before: dict[str, Any]) -> list[Check]:
    """Only of trees in queues: who chooses the queue, and how many packets went where their class is not."""
    if reason := txqueues.obstacle(found.tree) or (f"XPS {found.steered}" if found.steered else None):
        return [Check(f"{name}.queues", "bad", reason)]
    if not found.tree.queues:
        return []
    direct = found.direct - (since if (since := before.get(_DIRECT, 0)) <= found.direct else 0)
    return [Check(f"{name}.queues", "ok", f"{found.tree.queues} queues, {direct} packets passed beside them", direct)]


def _policed(wanted: Policer, binary: Path, before: dict[str, Any]) -> list[Check]:
    """Whether what comes in is policed as planned, and what was let in and dropped since ``before``."""
    name = f"tc.{wanted.device}.policer"
    try:
        lines, counts = policing.lines(wanted, binary), policing.counts(wanted)
    except TidegateError as error:
        return [Check(name, "unknown", str(error))]
    if lines:
        return [Check(name, "bad", "; ".join(lines), len(lines))]
    checks = [Check(name, "ok", f"{len(wanted.classes)} classes as planned, marker {wanted.marker}", len(counts))]
    return checks + [
        _policed_class(name, each, counts.get(each.name), before.get(each.name, {})) for each in wanted.classes
    ]


def _policed_class(name: str, each: PolicedClass, found: Policed | None, before: dict[str, int]) -> Check:
    name = f"{name}.{each.name}"
    if found is None:
        return Check(name, "unknown", "the kernel shows no counters for it")
    since = before if found.bytes >= before.get("bytes", 0) else {}  # a class made anew counts from zero
    came, drops = found.bytes - since.get("bytes", 0), found.drops - since.get("drops", 0)
    return Check(name, "ok", f"{describe_policed(each)}: {came} bytes let in, {drops} packets dropped", came)


def _speed(name: str, tree: Tree) -> list[Check]:
    """A warning, where the tree is wider than the link: packets then wait in the card, where no class is known."""
    planned, link = max(each.ceiling for each in tree.classes), speed(tree.inbound or tree.device)
    if link is None or planned <= link:
        return []
    reason = f"warning: {bits(planned)} are planned, and the link of {tree.inbound or tree.device} runs at {bits(link)}"
    return [Check(f"{name}.speed", "ok", f"{reason}: shape below that", link)]


def _classifier(name: str, tree: Tree, flaw: str | None) -> Check:
    if flaw:
        return Check(f"{name}.classifier", "bad", flaw)
    count = len(tree.entries)
    return Check(f"{name}.classifier", "ok", f"{count} matchers, marker {tree.marker}", count)


def _redirect(name: str, tree: Tree, astray: str | None) -> list[Check]:
    """Only of a tree for what comes in: whether it comes there."""
    if not tree.inbound:
        return []
    reason = astray or f"what comes in at {tree.inbound} passes the tree"
    return [Check(f"{name}.redirect", "bad" if astray else "ok", reason)]


def _class(name: str, each: HtbClass, found: LiveClass | None, before: dict[str, int]) -> Check:
    name = f"{name}.class.{each.name}"
    if found is None:
        return Check(name, "bad", f"class {each.id} is not there")
    if words := deviations(found, each):
        return Check(name, "bad", ", ".join(words))
    if found.counters is None:
        return Check(name, "unknown", f"tc shows no counters for class {each.id}")
    now = found.counters._asdict()
    since = before if now["bytes"] >= before.get("bytes", 0) else {}  # a class made anew counts from zero
    sent, drops = (now[figure] - since.get(figure, 0) for figure in ("bytes", "drops"))
    reason = f"{describe(each)}: {sent} bytes sent, {drops} packets dropped, {now['queued']} waiting"
    return Check(name, "ok", reason, sent)
