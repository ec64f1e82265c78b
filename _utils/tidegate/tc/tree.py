"""The desired tree of one interface: what the plan says, in the words of HTB. Pure.

``1de:`` the qdisc, ``1de:1`` one inner class as wide as the link, below it the plan's classes as leaves::

    1de:                        default 0
    └── 1de:1     link          rate = ceil = the interface's rate
        ├── 1de:11    control   rate = guarantee, ceil = ceiling
        └── 1de:9c2   bulk

Leaves lend each other what they do not use through ``1de:1``; lower ``prio`` borrows first, equals borrow in proportion
to ``quantum`` (M. Devera, "HTB Linux queuing discipline manual", sections 3 and 4).

**The qdisc's own default is 0, always**: HTB cannot change it on a live tree (``sch_htb`` has no ``change``), and
packets that no class claims then go past the tree, unshaped, instead of being lost. The classifier alone sends packets
into the tree, and it knows the default class; so one map write decides over shaped or unshaped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tidegate.host.errors import Refused
from tidegate.tc import queues
from tidegate.tc.entries import merged
from tidegate.tc.section import ClassMatcher, Leaf, ShapedInterface, TrafficClass
from tidegate.tc.sizes import BURST_SECONDS, MIN_RATE, burst, quantum, whole_bytes

MAJOR = 0x1DE
"""Handle of the tree, and of the first queue's; nobody else's tree is ever written."""
ROOT = MAJOR - 1
"""Handle of the ``mq`` above the trees of an interface that has one for each queue (``tidegate.tc.queues``)."""
LINK = 1
"""Minor of the inner class that stands for the link, or for what a queue has of it."""

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")


@dataclass(frozen=True)
class HtbClass:
    """One class as ``tc`` is told: rates in bit/s, burst, cburst and quantum in bytes; parent 0 is the qdisc itself.

    ``minor`` and ``parent`` have the queue's number above their lower half, where there are queues: ``queues.at``.
    """

    name: str
    minor: int
    parent: int
    priority: int
    rate: int
    ceiling: int
    burst: int
    cburst: int
    quantum: int
    leaf: Leaf | None = None
    set_dscp: int | None = None
    inner: bool = False

    @property
    def id(self) -> str:
        """The class id as tc writes it: ``1de:11``."""
        return class_id(self.minor)


@dataclass(frozen=True)
class Entry:
    """One line of the classifier: packets that match go to the class ``minor``. The first entry that matches wins.

    ``minor`` is 0 for a line that only customers ask; ``Group.classes`` says where it leads them.
    """

    minor: int
    match: ClassMatcher


@dataclass(frozen=True)
class Group:
    """A customer: its prefixes, and where what comes from or goes to them belongs.

    ``classes`` are pairs of an entry's place and the minor it leads to; ``default`` is the minor for the rest.
    """

    source: tuple[str, ...]
    destination: tuple[str, ...]
    classes: tuple[tuple[int, int], ...]
    default: int


@dataclass(frozen=True)
class Tree:
    """Everything Tidegate wants on one interface. Parents stand before their children in ``classes``.

    ``inbound``: the interface whose incoming packets pass the tree, which then stands on an ifb. ``queues``: how many
    there are, each with its part of the tree; 0 for one tree at the root.
    """

    interface: str
    device: str
    classes: tuple[HtbClass, ...]
    default: int
    entries: tuple[Entry, ...]
    marker: str
    groups: tuple[Group, ...] = ()
    adopt: bool = False
    inbound: str = ""
    queues: int = 0

    @property
    def root(self) -> tuple[str, str]:
        """Kind and handle of the root qdisc."""
        return ("mq", f"{ROOT:x}:") if self.queues else ("htb", class_id(0))

    def named(self) -> dict[int, str]:
        """Names of the classes by minor."""
        return {each.minor: each.name for each in self.classes}

    @property
    def leaves(self) -> tuple[HtbClass, ...]:
        """The classes that packets wait in."""
        return tuple(each for each in self.classes if queues.lower(each.minor) != LINK and not each.inner)


def class_id(minor: int) -> str:
    """``1de:MINOR`` in hexadecimal, ``1df:MINOR`` in the second queue; with a minor of 0 it is the qdisc."""
    major, lower = MAJOR + queues.above(minor), queues.lower(minor)
    return f"{major:x}:{lower:x}" if lower else f"{major:x}:"


def plant(interface: ShapedInterface) -> Tree:
    """The tree of one interface of the section."""
    rate, count = whole_bytes(interface["rate"]), interface.get("queues", 0)
    planned = queues.spread(interface["classes"], LINK) if count else interface["classes"]
    default = next(each["minor"] for each in planned if each["default"])
    entries, groups = looks(planned)
    classes = tuple(_class(each, rate) for each in planned)
    decides = {
        "default": default,
        "entries": [asdict(entry) for entry in entries],
        **({"groups": [asdict(group) for group in groups]} if groups else {}),
        **({"dscp": marks} if (marks := [[c.minor, c.set_dscp] for c in classes if c.set_dscp is not None]) else {}),
        **({"queues": True} if count else {}),
    }
    return Tree(
        interface=interface["name"],
        device=interface["device"],
        classes=(*_links(interface, rate), *classes),
        default=default,
        entries=entries,
        marker=digest(decides),
        groups=groups,
        adopt=interface.get("adopt", False),
        inbound=interface.get("ingress", ""),
        queues=count,
    )


def _links(interface: ShapedInterface, rate: int) -> tuple[HtbClass, ...]:
    """What stands for the link: one class, or one in each queue that has classes."""
    if "queues" not in interface:
        return (_link("link", LINK, 0, rate, rate),)
    return tuple(
        _link(f"queue {queue}", queues.at(queue, LINK), queues.at(queue, 0), part, rate)
        for queue, part in queues.parts(interface).items()
    )


def _link(name: str, minor: int, parent: int, rate: int, whole: int) -> HtbClass:
    return HtbClass(name, minor, parent, 0, rate, rate, burst(rate), burst(rate), quantum(rate, whole))


def looks(classes: list[TrafficClass]) -> tuple[tuple[Entry, ...], tuple[Group, ...]]:
    """The entries of a tree, and its customers: what all others ask comes first, then what only customers do."""
    apart = _customers(classes)
    own: dict[int, list[TrafficClass]] = {0: []}
    for each in classes:
        if not each.get("inner"):
            own.setdefault(apart.get(each["minor"], 0), []).append(each)
    customers = [each for each in classes if "fallback" in each]
    asked = [[(each["minor"], one) for each in own[key] for one in each["match"]] for key in own if key == 0]
    asked += [[(e["minor"], one) for e in own.get(each["minor"], ()) for one in e["match"]] for each in customers]
    keys = [[_said(one) for _, one in look] for look in asked]
    said, places = merged(keys)
    matches = {_said(one): one for look in asked for _, one in look}
    leads = dict(zip(places[0], (minor for minor, _ in asked[0]), strict=True))
    groups = tuple(
        _group(each, zip(at, (minor for minor, _ in look), strict=True))
        for each, at, look in zip(customers, places[1:], asked[1:], strict=True)
    )
    return tuple(Entry(leads.get(place, 0), matches[text]) for place, text in enumerate(said)), groups


def _customers(classes: list[TrafficClass]) -> dict[int, int]:
    """Minor of each class inside a customer → the customer's minor."""
    found: dict[int, int] = {}
    customers = {each["minor"] for each in classes if "fallback" in each}
    for each in classes:
        above = each.get("parent", 0)
        if above in customers or above in found:
            found[each["minor"]] = found.get(above, above)
    return found


def _group(customer: TrafficClass, classes: Iterable[tuple[int, int]]) -> Group:
    return Group(
        source=tuple(prefix for one in customer["match"] for prefix in one["source"] or ()),
        destination=tuple(prefix for one in customer["match"] for prefix in one["destination"] or ()),
        classes=tuple(classes),
        default=customer["fallback"],
    )


def _said(match: ClassMatcher) -> str:
    return json.dumps(match, sort_keys=True)


def digest(document: Any) -> str:
    """16 hex digits that stand for a JSON document."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(generation: Path) -> list[Tree]:
    """The trees of a generation's ``tc.json``.

    Raises:
        Refused: the file is missing or damaged: that never means "no trees".
    """
    path = generation / "tc.json"
    try:
        trees = [_restore(each) for each in json.loads(path.read_text())["interfaces"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} cannot be read ({error}): tc is left as it is") from None
    for tree in trees:
        for device in (tree.device, tree.inbound or tree.device):
            check_device(path, device)
    return trees


def check_device(path: Path, device: str) -> None:
    """Raises ``Refused`` unless that is a name of a device that ``tc`` can be told."""
    if not _DEVICE.fullmatch(device):
        raise Refused(f"{path}: {device!r} is no name of a network device")


def document(tree: Tree) -> dict[str, Any]:
    """The tree as a generation holds it: what is as usual is left out."""
    return _plain(tree) | {
        "classes": [_plain(each) for each in tree.classes],
        "entries": [_plain(each) for each in tree.entries],
        **({"groups": [_plain(each) for each in tree.groups]} if tree.groups else {}),
    }


def _plain(thing: Any) -> dict[str, Any]:
    usual = {each.name: each.default for each in fields(thing)}
    return {name: value for name in usual if (value := getattr(thing, name)) != usual[name]}


def _restore(document: dict[str, Any]) -> Tree:
    return Tree(
        **{
            **document,
            "classes": tuple(HtbClass(**each) for each in document["classes"]),
            "entries": tuple(Entry(**each) for each in document["entries"]),
            "groups": tuple(_regrouped(each) for each in document.get("groups", ())),
        }
    )


def _regrouped(document: dict[str, Any]) -> Group:
    classes = tuple((place, minor) for place, minor in document["classes"])
    return Group(tuple(document["source"]), tuple(document["destination"]), classes, document["default"])


def _class(each: TrafficClass, link_rate: int) -> HtbClass:
    rate = max(whole_bytes(each["guarantee"]), MIN_RATE)
    ceiling = max(whole_bytes(each["ceiling"]), rate)
    seconds = each["burst_us"] / 1e6 if "burst_us" in each else BURST_SECONDS
    return HtbClass(
        name=each["name"],
        minor=each["minor"],
        parent=each.get("parent", LINK),
        priority=each["priority"],
        rate=rate,
        ceiling=ceiling,
        burst=burst(rate, seconds),
        cburst=burst(ceiling, seconds),
        quantum=quantum(rate, link_rate),
        leaf=each.get("leaf"),
        set_dscp=each.get("set_dscp"),
        inner=each.get("inner", False),
    )
