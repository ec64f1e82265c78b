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
from tidegate.tc.entries import merged
from tidegate.tc.section import ClassMatcher, Leaf, ShapedInterface, TrafficClass

MAJOR = 0x1DE
"""Handle of every qdisc that is ours; nobody else's tree is ever written."""
LINK = 1
"""Minor of the inner class that stands for the link."""

_MIN_RATE = 8_000
"""bit/s. HTB needs a rate above zero, and at less than 1 kB/s one packet would mortgage its class for seconds."""
_BURST_SECONDS = 0.001
"""How much a class may send at once, as time at its rate.

What HTB loses for good is the time by which its timer is late beyond the burst. The timer is an hrtimer (last word of
``/proc/net/psched``), so what counts is not rate/HZ but how late a soft interrupt runs: well below a millisecond on a
host that keeps up. More than that would hit the shallow buffers of the next hop; sqm-scripts use 1 ms as well.
"""
_FRAME = 1514
"""A full Ethernet frame in bytes (MTU 1500). Larger packets are sent as well: HTB's tokens go below zero for them."""
_MIN_BURST = 1600
_QUANTUM_SECONDS = (0.001, 0.01)
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")


@dataclass(frozen=True)
class HtbClass:
    """One class as ``tc`` is told: rates in bit/s, burst, cburst and quantum in bytes; parent 0 is the qdisc itself."""

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

    ``inbound``: the interface whose incoming packets pass the tree, which then stands on an ifb.
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

    def named(self) -> dict[int, str]:
        """Names of the classes by minor."""
        return {each.minor: each.name for each in self.classes}

    @property
    def leaves(self) -> tuple[HtbClass, ...]:
        """The classes that packets wait in."""
        return tuple(each for each in self.classes if each.minor != LINK and not each.inner)


def class_id(minor: int) -> str:
    """``1de:MINOR`` in hexadecimal; minor 0 is the qdisc."""
    return f"{MAJOR:x}:{minor:x}" if minor else f"{MAJOR:x}:"


def plant(interface: ShapedInterface) -> Tree:
    """The tree of one interface of the section."""
    rate = _whole_bytes(interface["rate"])
    default = next(each["minor"] for each in interface["classes"] if each["default"])
    entries, groups = looks(interface["classes"])
    link = HtbClass("link", LINK, 0, 0, rate, rate, _burst(rate), _burst(rate), _quantum(rate, rate))
    classes = tuple(_class(each, rate) for each in interface["classes"])
    decides = {
        "default": default,
        "entries": [asdict(entry) for entry in entries],
        **({"groups": [asdict(group) for group in groups]} if groups else {}),
        **({"dscp": marks} if (marks := [[c.minor, c.set_dscp] for c in classes if c.set_dscp is not None]) else {}),
    }
    return Tree(
        interface=interface["name"],
        device=interface["device"],
        classes=(link, *classes),
        default=default,
        entries=entries,
        marker=digest(decides),
        groups=groups,
        adopt=interface.get("adopt", False),
        inbound=interface.get("ingress", ""),
    )


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
    rate = max(_whole_bytes(each["guarantee"]), _MIN_RATE)
    ceiling = max(_whole_bytes(each["ceiling"]), rate)
    seconds = each["burst_us"] / 1e6 if "burst_us" in each else _BURST_SECONDS
    return HtbClass(
        name=each["name"],
        minor=each["minor"],
        parent=each.get("parent", LINK),
        priority=each["priority"],
        rate=rate,
        ceiling=ceiling,
        burst=_burst(rate, seconds),
        cburst=_burst(ceiling, seconds),
        quantum=_quantum(rate, link_rate),
        leaf=each.get("leaf"),
        set_dscp=each.get("set_dscp"),
        inner=each.get("inner", False),
    )


def _whole_bytes(rate: int) -> int:
    """The kernel counts bytes per second: a rate that is not a multiple of 8 bit/s would never read back equal."""
    return rate // 8 * 8


def _burst(rate: int, seconds: float = _BURST_SECONDS) -> int:
    return max(int(rate / 8 * seconds), _MIN_BURST)


def _quantum(rate: int, link_rate: int) -> int:
    """Bytes a class may send in its turn among equals that borrow: in proportion to its guarantee.

    The scale is set by the link alone, so that adding a class changes no other: long enough that a guarantee of 1 %
    still gets a full frame a turn (below that, HTB shares by packets instead of bytes), short enough that a round of
    all takes 1 to 10 ms.
    """
    shortest, longest = _QUANTUM_SECONDS
    seconds = min(max(_FRAME / (link_rate / 8 * 0.01), shortest), longest)
    return max(int(rate / 8 * seconds), _FRAME)
