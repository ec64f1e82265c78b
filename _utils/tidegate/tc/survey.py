"""Reading one interface: its root, its classes, its classifier, and how all that differs from the tree wanted there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.host.errors import Failed, Refused
from tidegate.host.paths import paths
from tidegate.tc import classifier, command, ifb, show, txqueues
from tidegate.tc.change import Difference, difference
from tidegate.tc.root import Roots
from tidegate.tc.show import LiveClass, Qdisc
from tidegate.tc.tree import Tree, load


@dataclass(frozen=True)
class Survey:
    """What was found on one interface: is the root right, how the classes differ, why the classifier is not right.

    ``astray``: why what comes in does not go to its tree. ``steered``: why XPS is not as it should be. ``direct``: how
    many packets passed beside the tree.
    """

    tree: Tree
    roots: Roots
    step: Difference
    flaw: str | None
    live: Mapping[int, LiveClass] = field(default_factory=dict)
    astray: str | None = None
    steered: str | None = None
    direct: int = 0

    @property
    def root(self) -> Qdisc:
        """The device's root qdisc."""
        return self.roots.top

    def lines(self) -> list[str]:
        """What differs, outermost first; nothing if all is as planned."""
        device = self.tree.device
        return [
            *self.roots.lines(),
            *self.step.lines(),
            *([f"~ {device} classifier: {self.flaw}"] if self.flaw else []),
            *([f"~ {device} from {self.tree.inbound}: {self.astray}"] if self.astray else []),
            *([f"~ {device} XPS: {self.steered}"] if self.steered else []),
        ]


def survey(tree: Tree, binary: Path) -> Survey:
    """Read one interface and hold it against its tree."""
    text = command.show("qdisc", "show")
    roots = Roots(tree, _root(text, tree.device), show.branches(text, tree.device))
    live = read(tree.device) if roots.right else {}
    names = _known_names(tree.device) if live.keys() - tree.named().keys() else {}  # costly, and seldom needed
    step = difference(tree, live, names, show.leaves(text, tree.device) if roots.right else {})
    astray = ifb.flaw(tree) if tree.inbound else None
    direct = show.direct(text, tree.device)
    return Survey(tree, roots, step, classifier.flaw(tree, binary), live, astray, txqueues.flaw(tree), direct)


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


def direct(device: str) -> int:
    """Packets that passed beside the device's tree, or trees, since these were planted."""
    return show.direct(command.show("qdisc", "show"), device)


def ours() -> set[str]:
    """Every device that has a tree, a classifier or maps of XPS of ours, or should be there to be redirected to."""
    planted = {each.device for each in _qdiscs() if each.ours} if command.available() else set()
    return planted | classifier.devices() | txqueues.devices() | {ifb.ifb_of(device) for device in ifb.devices()}


def _known_names(device: str) -> dict[int, str]:
    """Names in the generation applied last, to call by name what goes; they decide nothing."""
    try:
        return next((tree.named() for tree in load(paths().state / "running") if tree.device == device), {})
    except Refused:
        return {}


def _root(text: str, device: str) -> Qdisc:
    found = (each for each in show.qdiscs(text) if each.device == device and each.root)
    return next(found, Qdisc("none", "0:", device, root=True))


def _qdiscs() -> list[Qdisc]:
    return show.qdiscs(command.show("qdisc", "show"))
