"""The trees on this host: what differs, and making it so while traffic flows.

An interface is brought to its tree in three phases, each safe to repeat, so that whatever dies between or inside them
is completed by the next ``apply``:

1. ``grow``: the qdisc if it is not there, classes added and changed. Nobody is sent to a new class yet.
2. ``classify``: the classifier's idle slot is filled and flipped.
3. ``shrink``: classes that nobody is sent to any more are deleted.

A packet that names a class which does not exist goes past the tree unshaped (HTB's direct queue), so none is lost on
the way. A leaf is never replaced and a tree never rebuilt: backlogs and counters survive. What waits in the kernel's
own qdisc is dropped by the kernel once, when the first tree takes its place.

A root qdisc that somebody else chose is named and left.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tidegate.bpf.loader import load as load_object
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.paths import paths
from tidegate.tc import classifier, command, metrics, show, support, tables
from tidegate.tc.change import Difference, difference
from tidegate.tc.classifier import OBJECT
from tidegate.tc.show import LiveClass, Qdisc
from tidegate.tc.tree import Tree, class_id, load

_ROUNDS = 3
"""A class that loses its last child can be told its quantum only afterwards, and hands may change a tree meanwhile."""
_DRAIN_SECONDS, _DRAIN_POLL = 1.0, 0.02
"""How long a class that nobody is sent to any more may take to send its backlog: to delete it drops what is left."""
_PROBE = [
    "qdisc add dev lo root handle 1de: htb",
    "class add dev lo parent 1de: classid 1de:1 htb rate 8000bit",
    "qdisc add dev lo clsact",
    "filter add dev lo egress bpf bytecode '1,6 0 0 4294967295,' direct-action",
]
"""What the kernel must be able to do: HTB, clsact, and BPF filters (this one says TC_ACT_UNSPEC to everything)."""


@dataclass(frozen=True)
class Survey:
    """What was found on one interface: is the root ours, how the classes differ, why the classifier is not right."""

    tree: Tree
    root: Qdisc
    step: Difference
    flaw: str | None
    live: Mapping[int, LiveClass] = field(default_factory=dict)

    @property
    def rooted(self) -> bool:
        """Whether the root is ours."""
        return self.root.ours

    def lines(self) -> list[str]:
        """What differs, outermost first; nothing if all is as planned."""
        device = self.tree.device
        return [
            *self._root_lines(device),
            *self.step.lines(),
            *([f"~ {device} classifier: {self.flaw}"] if self.flaw else []),
        ]

    def _root_lines(self, device: str) -> list[str]:
        if self.rooted:
            return []
        if self.root.foreign:
            return [f"~ {device} {self.root.kind} {self.root.handle} → htb {class_id(0)}: adopted"]
        return [f"+ {device} htb {class_id(0)}"]


def problems(generation: Path) -> list[str]:
    """Why this host cannot have these trees. The kernel is tried in a namespace and with maps that are gone at once."""
    trees = load(generation)
    if not trees:
        return []
    if not command.available():
        return ["tc is not installed: package iproute2"]
    found = [problem for tree in trees if (problem := _obstacle(tree))]
    if refusal := command.try_in_empty_namespace(_PROBE):
        found.append(f"the kernel cannot shape: {refusal}")
    found += support.lacking(trees)
    try:
        for tree in trees:
            classifier.table(tree)
            tables.extras(tree)
        with load_object(generation / OBJECT):
            pass
    except TidegateError as error:
        found.append(str(error))
    return found


def diff(generation: Path) -> list[str]:
    """A line for every class and classifier that ``apply`` would touch."""
    trees = load(generation)
    lines = [line for tree in trees for line in survey(tree, generation / OBJECT).lines()]
    return lines + [f"- {device} htb {class_id(0)} with all its classes" for device in sorted(_abandoned(trees))]


def apply(generation: Path, timeout: int | None) -> None:
    """Bring every interface to its tree; the trees of interfaces that are no longer shaped are removed.

    A tree has no time-out of its own: the dead-man restores the confirmed generation, and until then traffic is shaped
    otherwise than wanted but not lost. One interface that cannot be brought there does not keep the others waiting.

    Raises:
        Failed: with what tc or the kernel said, or with what still differs after it was written.
    """
    trees = load(generation)
    failures: list[str] = []
    steps = [(tree.device, partial(_bring, tree, generation / OBJECT)) for tree in trees]
    steps += [(device, partial(uproot, device)) for device in sorted(_abandoned(trees))]
    for device, step in steps:
        try:
            step()
        except (TidegateError, OSError) as error:
            failures.append(f"{device}: {error}")
    if failures:
        raise Failed("\n".join(failures))


def confirm(generation: Path) -> None:
    """Nothing to do: ``apply`` is for good."""


def remove() -> None:
    """Take away every tree and classifier of ours."""
    for device in sorted(ours()):
        uproot(device)


def counters(generation: Path) -> dict[str, dict[str, dict[str, int]]]:
    """What went through each class of each device, by name: bytes, packets, drops, overlimits, backlog, queued."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for tree in load(generation):
        live = read(tree.device)
        figures = {each.name: live[each.minor].counters for each in tree.leaves if each.minor in live}
        found[tree.device] = {name: figure._asdict() for name, figure in figures.items() if figure}
    return found


def bypass(device: str, wanted: bool) -> bool:
    """Let a device's packets pass unshaped, or shape them again; whether they pass unshaped now."""
    classifier.bypass(device, wanted)
    return classifier.bypassed(device)


def exposition(generation: Path) -> str:
    """The same and the guarantees, in Prometheus' text format."""
    return metrics.text([(tree, read(tree.device)) for tree in load(generation)])


def read(device: str) -> dict[int, LiveClass]:
    """Our classes on a device, by minor; none if the tree is not there.

    Raises:
        Failed: the device is not there, or tc shows something that nobody understands.
    """
    try:
        try:
            return show.classes(command.show("-j", "-s", "-d", "class", "show", "dev", device))
        except json.JSONDecodeError:  # iproute2 6.2 prints JSON that is none
            return show.classes(command.show("-s", "-d", "class", "show", "dev", device))
    except (ValueError, KeyError) as error:
        raise Failed(f"the classes of {device} cannot be read: {error}") from None


def root(device: str) -> Qdisc:
    """The root qdisc; what the kernel attached by itself, or nothing at all, has the handle ``0:``."""
    return _root(command.show("qdisc", "show"), device)


def ours() -> set[str]:
    """Every device that has a tree or a classifier of ours."""
    planted = {each.device for each in _qdiscs() if each.ours} if command.available() else set()
    return planted | classifier.devices()


def survey(tree: Tree, binary: Path) -> Survey:
    """Read one interface and hold it against its tree."""
    text = command.show("qdisc", "show")
    top = _root(text, tree.device)
    live = read(tree.device) if top.ours else {}
    step = difference(tree, live, _known_names(tree.device), show.leaves(text, tree.device) if top.ours else {})
    return Survey(tree, top, step, classifier.flaw(tree, binary), live)


def grow(found: Survey) -> None:
    """Phase 1: the qdisc, and every class of the tree as it should be."""
    device = found.tree.device
    verb = "replace" if found.root.foreign else "add"
    planted = [] if found.rooted else [f"qdisc {verb} dev {device} root handle {class_id(0)} htb default 0"]
    if found.step.uprooted:
        classifier.bypass(device, wanted=True)  # packets of the branch pass unshaped while it is made again
    command.batch([*planted, *found.step.growing()])


def classify(found: Survey, binary: Path) -> None:
    """Phase 2: packets are sent to the classes of the tree."""
    if found.flaw or found.step.uprooted:
        classifier.install(found.tree, binary)


def shrink(found: Survey) -> None:
    """Phase 3: classes that the tree does not have are deleted, once what waits in them is on its way."""
    going = {each.minor for each in found.step.gone}
    other = {each.minor for _, each in found.step.unlike}
    deadline = time.monotonic() + _DRAIN_SECONDS
    while (going or other) and _waiting(found, going | other) and time.monotonic() < deadline:
        time.sleep(_DRAIN_POLL)
    command.batch(found.step.shrinking())
    if other and _waiting(found, other):
        names = ", ".join(each.name for _, each in found.step.unlike)
        raise Failed(
            f"packets wait in {names}, and another kind of queue would drop them: apply again when they are out"
        )
    command.batch(found.step.replacing())


def uproot(device: str) -> None:
    """Remove a device's tree: the classifier first, so that packets pass unshaped while the classes go."""
    classifier.uninstall(device)
    if root(device).ours:
        command.batch([f"qdisc del dev {device} root handle {class_id(0)}"])


def _bring(tree: Tree, binary: Path) -> None:
    """Read, write, and read again; what tc stopped at is read again and completed, or taken back."""
    if obstacle := _obstacle(tree):
        raise Refused(obstacle)
    first: Survey | None = None
    for _ in range(_ROUNDS):
        found = survey(tree, binary)
        if not found.lines():
            return
        try:
            grow(found)
        except Failed as error:
            if first is not None:
                raise Failed(f"{error}; {_taken_back(first)}") from None
            first = found
            continue
        classify(found, binary)
        shrink(found)
    if left := survey(tree, binary).lines():
        raise Failed("this still differs after it was written: " + "; ".join(left))


def _known_names(device: str) -> dict[int, str]:
    """Names in the generation applied last, to call by name what goes; they decide nothing."""
    try:
        return next((tree.named() for tree in load(paths().state / "running") if tree.device == device), {})
    except Refused:
        return {}


def _taken_back(found: Survey) -> str:
    """Undo what a batch that tc stopped in did before; say what became of it."""
    now = read(found.tree.device) if root(found.tree.device).ours else {}
    lines = found.step.reverting(now)
    try:
        command.batch(lines)
    except Failed as error:
        return f"what was written before cannot be taken back: {error}"
    return f"what was written before is taken back ({len(lines)} classes); the classifier was not touched"


def _waiting(found: Survey, minors: set[int]) -> bool:
    now = read(found.tree.device)
    counters = [now[minor].counters for minor in minors if minor in now]
    return any(each.queued for each in counters if each)


def _obstacle(tree: Tree) -> str | None:
    device = tree.device
    if device not in (name for _, name in socket.if_nameindex()):
        return f"interface {device} is not there"
    if (other := root(device)).foreign and not tree.adopt:
        return f"{device} has a root qdisc of somebody else ({other.kind} {other.handle}), which is left as it is"
    return None


def _abandoned(trees: list[Tree]) -> set[str]:
    return ours() - {tree.device for tree in trees}


def _root(text: str, device: str) -> Qdisc:
    found = (each for each in show.qdiscs(text) if each.device == device and each.root)
    return next(found, Qdisc("none", "0:", device, root=True))


def _qdiscs() -> list[Qdisc]:
    return show.qdiscs(command.show("qdisc", "show"))
