"""From the live tree to the desired one: the difference, as people read it and as ``tc -batch`` takes it. Pure.

The order is what keeps traffic flowing: classes are added and changed first, then the classifier is flipped, then
what nobody is sent to any more is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.tc import leaf
from tidegate.tc.figures import Span
from tidegate.tc.leaf import LiveLeaf
from tidegate.tc.show import LiveClass
from tidegate.tc.tree import HtbClass, Tree, class_id

_RATES = ("rate", "ceiling")
_LABELS = {"rate": "guarantee"}
_UNITS = ((10**12, "tbit"), (10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit"))


@dataclass(frozen=True)
class Difference:
    """What separates a device's classes from the desired ones.

    ``moved`` are wanted classes that hang elsewhere, or below one that does: the kernel accepts a reparenting and does
    nothing, and deletes no class that has children, so the whole branch, ``uprooted``, is deleted first and made again.
    ``queues`` are the classes whose own qdisc differs, with the one that is there. ``unlike`` are those of them whose
    qdisc is of another kind: packets that wait in it would be lost, so it is replaced only while none do. ``_taken``
    are those whose qdisc's name another class still has, for they moved to another queue: they get it afterwards.
    """

    tree: Tree
    added: tuple[HtbClass, ...] = ()
    changed: tuple[tuple[LiveClass, HtbClass], ...] = ()
    moved: tuple[tuple[LiveClass, HtbClass], ...] = ()
    uprooted: tuple[LiveClass, ...] = ()
    gone: tuple[LiveClass, ...] = ()
    _names: Mapping[int, str] = field(default_factory=dict)
    queues: tuple[tuple[LiveLeaf | None, HtbClass], ...] = ()
    _taken: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.moved or self.gone or self.queues)

    @property
    def unlike(self) -> tuple[tuple[LiveLeaf, HtbClass], ...]:
        """Classes whose qdisc must be replaced: another kind, or called otherwise."""
        return tuple(
            (is_, each) for is_, each in self.queues if is_ and (not each.leaf or each.leaf["kind"] != is_.kind)
        )

    def lines(self) -> list[str]:
        """One readable line for every class that differs; ``uplink`` is the interface's name in the policy."""
        prefix = f"{self.tree.device} class"
        return [
            *(f"+ {prefix} {describe(each)}" for each in self.added),
            *(f"~ {prefix} {each.name} {_sentence(live, each)}" for live, each in (*self.changed, *self.moved)),
            *(f"~ {prefix} {each.name} queue {_queue_words(live, each)}" for live, each in self.queues),
            *(f"- {prefix} {self._names.get(live.minor, class_id(live.minor))}" for live in self.gone),
        ]

    def growing(self) -> list[str]:
        """Batch lines that make and change classes, before the classifier is flipped."""
        device = self.tree.device
        return [
            *(_delete(device, live.minor) for live in self.uprooted),
            *(_write("add", device, each) for each in self._made()),
            *(_write("change", device, each) for _, each in self.changed),
            *(_queue(device, live, each) for live, each in self.queues if not self._waits(live, each)),
        ]

    def replacing(self) -> list[str]:
        """Batch lines that replace qdiscs by those of another kind, while nothing waits in them."""
        device = self.tree.device
        gone = [f"qdisc del dev {device} parent {each.id}" for _, each in self.unlike]
        return [*gone, *(_queue(device, None, each) for _, each in self.unlike if each.leaf)]

    def reverting(self, now: Mapping[int, LiveClass]) -> list[str]:
        """Batch lines that take ``growing`` back as far as it got: what was made goes, the rest is as before."""
        made = [each for each in reversed(self.added) if each.minor in now]
        changed = [live for live, _ in self.changed if live.minor in now]
        names = {each.minor: each.name for each in self.tree.classes}
        return [
            *(_delete(self.tree.device, each.minor) for each in made),
            *(_write("change", self.tree.device, _as_was(live, names)) for live in changed),
        ]

    def shrinking(self) -> list[str]:
        """Batch lines that delete what is not in the plan, after the classifier was flipped."""
        return [_delete(self.tree.device, live.minor) for live in self.gone if live not in self.uprooted]

    def _waits(self, live: LiveLeaf | None, each: HtbClass) -> bool:
        return each.minor in self._taken or (live, each) in self.unlike

    def _made(self) -> Iterable[HtbClass]:
        """Parents first: a class under a missing parent would become a root class, with exit status 0."""
        made = {each.minor for each in (*self.added, *(each for _, each in self.moved))}
        return (each for each in self.tree.classes if each.minor in made)


def difference(
    tree: Tree,
    live: Mapping[int, LiveClass],
    names: Mapping[int, str] | None = None,
    leaves: Mapping[int, LiveLeaf] | None = None,
) -> Difference:
    """How the live classes of the tree's device differ from the tree.

    Args:
        tree: What is wanted.
        live: What ``show.classes`` read, by minor.
        names: Names of classes by minor, as far as they are known, for those that the tree does not have.
        leaves: The qdiscs below classes by minor, what ``show.leaves`` read.
    """
    wanted = {each.minor: each for each in tree.classes}
    present = [(live[minor], each) for minor, each in wanted.items() if minor in live]
    uprooted = _branches(live, {each.minor for is_, each in present if is_.parent != each.parent})
    queues = {minor: each for minor, each in (leaves or {}).items() if minor in live and minor not in uprooted}
    names_of = {each.handle: minor for minor, each in queues.items()}
    taken = (each.minor for each in tree.leaves if each.leaf and each.minor not in queues)
    return Difference(
        tree=tree,
        added=tuple(each for minor, each in wanted.items() if minor not in live),
        changed=tuple((is_, each) for is_, each in present if is_.minor not in uprooted and not agrees(is_, each)),
        moved=tuple((is_, each) for is_, each in present if is_.minor in uprooted),
        uprooted=_children_first(live, uprooted),
        gone=_children_first(live, live.keys() - wanted.keys()),
        _names=names or {},
        queues=tuple(_queues(tree, queues)),
        _taken=frozenset(minor for minor in taken if names_of.get(leaf.handle(minor), minor) != minor),
    )


def _queues(tree: Tree, live: Mapping[int, LiveLeaf]) -> Iterable[tuple[LiveLeaf | None, HtbClass]]:
    """Classes whose qdisc is not theirs; one that somebody else put below a class that asks for none is left."""
    for each in tree.leaves:
        found = live.get(each.minor)
        own = found is not None and found.ours(each.minor)
        if own if each.leaf is None else not (own and found and not leaf.deviations(each.leaf, found)):
            yield found, each


def describe(each: HtbClass) -> str:
    """``web 60mbit..100mbit prio 1``."""
    return f"{each.name} {bits(each.rate)}..{bits(each.ceiling)} prio {each.priority}"


def bits(rate: int) -> str:
    """A rate in bit/s as short as it can be said: ``2.5gbit``."""
    for scale, unit in _UNITS:
        if rate >= scale:
            return f"{rate / scale:.4g}{unit}"
    return f"{rate}bit"


def _sentence(live: LiveClass, each: HtbClass) -> str:
    return ", ".join(deviations(live, each)) or "made again below its parent"


def agrees(live: LiveClass, each: HtbClass) -> bool:
    """Whether one class is as wanted: as ``deviations`` is empty, but quick, for ten thousand are asked."""
    return (
        live.parent == each.parent
        and each.rate in live.rate
        and each.ceiling in live.ceiling
        and each.burst in live.burst
        and each.cburst in live.cburst
        and (live.priority is None or live.priority == each.priority)
        and (live.quantum is None or live.quantum == each.quantum)
    )


def deviations(live: LiveClass, each: HtbClass) -> list[str]:
    """What differs in one class, as ``guarantee 5mbit → 10mbit``; rates and sizes within what tc rounds are equal."""
    words = [
        f"{_LABELS.get(name, name)} {_shown(name, span)} → {_shown(name, getattr(each, name))}"
        for name in ("rate", "ceiling", "burst", "cburst")
        if getattr(each, name) not in (span := getattr(live, name))
    ]
    words += [
        f"{name} {getattr(live, name)} → {getattr(each, name)}"
        for name in ("priority", "quantum")
        if getattr(live, name) not in (None, getattr(each, name))
    ]
    if live.parent != each.parent:
        words.append(f"parent {class_id(live.parent)} → {class_id(each.parent)}")
    return words


def _shown(name: str, figure: Span | int) -> str:
    value = figure.low if isinstance(figure, Span) else figure
    return bits(value) if name in _RATES else f"{value}b"


def _write(verb: str, device: str, each: HtbClass) -> str:
    """The whole specification, always: ``class change`` resets what is left out."""
    return (
        f"class {verb} dev {device} parent {class_id(each.parent)} classid {each.id} htb"
        f" rate {each.rate}bit ceil {each.ceiling}bit prio {each.priority}"
        f" burst {each.burst}b cburst {each.cburst}b quantum {each.quantum}"
    )


def _queue(device: str, live: LiveLeaf | None, each: HtbClass) -> str:
    verb = "change" if live is not None and live.ours(each.minor) else "replace"
    words = leaf.told(each.leaf or {"kind": leaf.PLAIN})
    return f"qdisc {verb} dev {device} parent {each.id} handle {leaf.handle(each.minor)} {words}"


def _queue_words(live: LiveLeaf | None, each: HtbClass) -> str:
    if each.leaf is None:
        return f"{live.kind if live else leaf.PLAIN} → {leaf.PLAIN}"
    return ", ".join(leaf.deviations(each.leaf, live)) if live else f"→ {leaf.told(each.leaf)}"


def _as_was(live: LiveClass, names: Mapping[int, str]) -> HtbClass:
    """What was read, as it would be asked for: rates are cut when they are shown, sizes rounded."""
    return HtbClass(
        name=names[live.minor],
        minor=live.minor,
        parent=live.parent,
        priority=live.priority or 0,
        rate=live.rate.low,
        ceiling=live.ceiling.low,
        burst=(live.burst.low + live.burst.high) // 2,
        cburst=(live.cburst.low + live.cburst.high) // 2,
        quantum=live.quantum or 1514,
    )


def _delete(device: str, minor: int) -> str:
    return f"class del dev {device} classid {class_id(minor)}"


def _branches(live: Mapping[int, LiveClass], minors: set[int]) -> set[int]:
    """The classes and everything below them."""
    return {minor for minor in live if not minors.isdisjoint(_lineage(live, minor))} if minors else set()


def _children_first(live: Mapping[int, LiveClass], minors: Iterable[int]) -> tuple[LiveClass, ...]:
    return tuple(live[minor] for minor in sorted(minors, key=lambda minor: (-len(_lineage(live, minor)), minor)))


def _lineage(live: Mapping[int, LiveClass], minor: int) -> list[int]:
    """A class and its ancestors."""
    lineage = [minor]
    while (above := live[lineage[-1]].parent) in live:
        lineage.append(above)
    return lineage
