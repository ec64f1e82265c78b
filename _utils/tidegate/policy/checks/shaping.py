"""Rates that add up on every level, one tree for an interface and direction, and classes that packets can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.bpf.compile import MOST_ENTRIES
from tidegate.policy.checks.conditions import conditions
from tidegate.policy.checks.tree_queues import check_queues
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.rates import LOWEST, bits
from tidegate.policy.shaping import Traffic, TrafficClass, Tree, classes_of, rate_of, walk
from tidegate.policy.validation import Draft
from tidegate.tc.entries import merged
from tidegate.tc.section import DEEPEST, MOST_CLASSES

ADDRESSES = frozenset({"source", "destination"})
ON_THE_WAY_OUT = ("fwmark", "cgroup", "from_interface")
"""What is known of a packet only once the host has done something with it."""
NEEDS = {"classes": "only trees have classes inside classes", "leaf": "nothing queues there"}
Classes = Mapping[str, TrafficClass]


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of all trees, and of the profiles that they use."""
    taken: dict[tuple[str, str, str], int] = {}
    for name, profile in draft.policy.shaping_profiles.items():
        yield from _classes(draft, profile.classes, ("shaping_profiles", name))
    for position, tree in enumerate(draft.policy.shaping):
        path: KeyPath = ("shaping", position)
        yield from _profile(draft, tree, path)
        if tree.classes:
            yield from _classes(draft, tree.classes, path)
        yield from _all_rates(draft, tree, path)
        yield from _ways(draft, tree, path)
        yield from _policed(draft, tree, path)
        yield from check_queues(draft, tree, path)
        other: dict[int, list[str]] = {}
        for host in sorted(draft.policy.index.select(tree.match)):
            first = taken.setdefault((host, tree.interface, tree.direction), position)
            if first != position:
                other.setdefault(first, []).append(host)
        for first, hosts in other.items():
            where = draft.written(("shaping", first))[-1]
            message = f"shaping[{where}] already shapes '{tree.interface}' of {hosts[0]}"
            yield Problem(message, path, tree.interface, "one tree for an interface and direction")


def _profile(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    known = draft.names("shaping_profiles")
    if tree.profile is None:
        return
    if tree.profile not in known:
        hint = suggest(tree.profile, known)
        yield Problem("no such profile", (*path, "profile"), tree.profile, "a name in shaping_profiles", hint)
    elif tree.profile in draft.policy.shaping_profiles and tree.rate is None:
        rates = draft.policy.shaping_profiles[tree.profile].rates
        fleet = draft.policy.fleet.hosts
        for class_ in sorted({fleet[host].class_ for host in draft.policy.index.select(tree.match)} - rates.keys()):
            message = f"nothing says the rate of '{tree.interface}' on hosts of class {class_}"
            yield Problem(message, path, expected="a rate here, or for that class in the profile's rates")


def _ways(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    """What nobody knows yet of a packet that comes in, and interfaces by which none can."""
    fleet = draft.policy.fleet.hosts
    below: KeyPath = path if tree.classes else ("shaping_profiles", str(tree.profile))
    for names, class_ in walk(dict(classes_of(tree, draft.policy.shaping_profiles))):
        for position, traffic in enumerate(class_.match):
            here = (*_path(below, names), "match", position)
            for key in ON_THE_WAY_OUT if tree.direction == "in" else ():
                if getattr(traffic, key) is not None:
                    message = f"packets that come in have no {key} yet, and '{tree.interface}' is shaped on the way in"
                    yield Problem(message, (*here, key), expected="conditions on the packet itself")
            for name in traffic.from_interface or ():
                without = sorted(
                    host for host in draft.policy.index.select(tree.match) if name not in fleet[host].interfaces
                )
                if without:
                    known = fleet[without[0]].interfaces
                    message, expected = (
                        f"{without[0]} has no such interface",
                        "an interface that every matched host has",
                    )
                    yield Problem(message, (*here, "from_interface"), name, expected, suggest(name, known))


def _policed(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    """What needs a queue, or a tree, where nothing waits."""
    if tree.method != "police":
        return
    if tree.direction == "out":
        yield Problem(
            "only what comes in can be policed",
            (*path, "method"),
            "police",
            "shape, or direction: in",
            "What is sent can wait for its turn instead of being dropped.",
        )
    if tree.adopt:
        yield Problem("a policer takes no root qdisc over", (*path, "adopt"), True, "no adopt")
    below: KeyPath = path if tree.classes else ("shaping_profiles", str(tree.profile))
    classes = dict(classes_of(tree, draft.policy.shaping_profiles))
    for name, class_ in classes.items():
        for key in ("classes", "leaf"):
            if getattr(class_, key):
                message = f"'{tree.interface}' is policed on its way in, and {NEEDS[key]}"
                yield Problem(message, (*_path(below, (name,)), key), expected=f"no {key}, or method: shape")
    if len(classes) > MOST_ENTRIES:
        message = f"{len(classes)} classes of '{tree.interface}', which is policed"
        yield Problem(message, (*below, "classes"), expected=f"at most {MOST_ENTRIES}, or method: shape")


def _all_rates(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    """The rates of a tree for each rate that its interface has somewhere in the fleet; each problem once."""
    profiles, fleet = draft.policy.shaping_profiles, draft.policy.fleet.hosts
    hosts = draft.policy.index.select(tree.match)
    found = {rate_of(tree, profiles, fleet[host].class_) for host in hosts}
    wholes = {bits(tree.rate, 0)} if tree.rate else {rate for rate in found if rate}
    below: KeyPath = path if tree.classes else ("shaping_profiles", str(tree.profile))
    for whole in sorted(wholes):
        problems = list(_rates(classes_of(tree, profiles), whole, whole, tree.rate or f"{whole}bit", below))
        yield from problems
        if problems:
            return


def _rates(
    classes: Classes, whole: int, most: int, text: str, path: KeyPath, noun: str = "the interface"
) -> Iterator[Problem]:
    """Problems of the classes below something that is sure of ``whole`` and may have ``most``, both in bit/s."""
    sure = sum(class_.guarantee_bits(whole) for class_ in classes.values())
    if sure > whole:
        shares = " + ".join(class_.guarantee for class_ in classes.values())
        message = f"the guarantees add up to {sure / whole:.0%} of {noun}"
        yield Problem(message, (*path, "classes"), shares, f"at most {text} together")
    for name, class_ in classes.items():
        below = (*path, "classes", name)
        guarantee, ceiling = class_.guarantee_bits(whole), class_.ceiling_bits(most)
        for key, rate, value in (("guarantee", guarantee, class_.guarantee), ("ceiling", ceiling, class_.ceiling)):
            if rate > most:
                yield Problem(f"more than {noun} has", (*below, key), value, f"at most {text}")
        if ceiling < guarantee:
            expected = f"at least the guarantee, {class_.guarantee}"
            yield Problem("the ceiling is below the guarantee", (*below, "ceiling"), class_.ceiling, expected)
        if guarantee < LOWEST:
            message = f"this is {guarantee} bit/s of {text}, too little to send packets with"
            yield Problem(message, (*below, "guarantee"), class_.guarantee, "at least 8kbit")
        elif class_.classes and guarantee <= ceiling <= most:
            yield from _rates(class_.classes, guarantee, ceiling, class_.guarantee, below, f"'{name}'")


def _classes(draft: Draft, classes: Classes, path: KeyPath) -> Iterator[Problem]:
    yield from _defaults(classes, path)
    yield from _matches(draft, classes, path)
    every = list(walk(dict(classes)))
    if len(every) > MOST_CLASSES:
        yield Problem(f"{len(every)} classes", (*path, "classes"), expected=f"at most {MOST_CLASSES}: HTB has no more")
    for names, _ in every:
        if len(names) == DEEPEST + 1:
            where = _path(path, names)
            yield Problem("too deep for HTB", where, expected=f"at most {DEEPEST} classes one inside the other")


def _defaults(classes: Classes, path: KeyPath, noun: str = "class") -> Iterator[Problem]:
    """One default class in a tree, and one in each part of it that has addresses of its own."""
    defaults = [(path_, class_) for path_, class_ in _reach(classes, path) if class_.default and not class_.classes]
    if not defaults:
        hint = "It takes what no class matches."
        yield Problem(f"no {noun} is the default", (*path, "classes"), expected="default: true in one class", hint=hint)
    for below, _ in defaults[1:]:
        message = f"'{defaults[0][0][-1]}' is the default class already"
        yield Problem(message, (*below, "default"), True, "default: true in one class")
    for below, class_ in _inner(classes, path):
        if class_.default:
            yield Problem(
                "it holds no packets itself", (*below, "default"), True, "default: true in one of its classes"
            )
        if class_.choosy:
            yield from _defaults(class_.classes, below, f"class of '{below[-1]}'")


def _reach(classes: Classes, path: KeyPath) -> Iterator[tuple[KeyPath, TrafficClass]]:
    """The classes that one look at a packet chooses from: those of a customer are chosen from apart."""
    for name, class_ in classes.items():
        below = (*path, "classes", name)
        yield below, class_
        if class_.classes and not class_.match:
            yield from _reach(class_.classes, below)


def _inner(classes: Classes, path: KeyPath) -> Iterator[tuple[KeyPath, TrafficClass]]:
    return ((below, class_) for below, class_ in _reach(classes, path) if class_.classes)


def _matches(draft: Draft, classes: Classes, path: KeyPath) -> Iterator[Problem]:
    owners: dict[str, KeyPath] = {}
    chosen: list[list[Traffic]] = [_asked(classes)]
    for names, class_ in walk(dict(classes)):
        below = _path(path, names)
        if class_.classes:
            yield from _customer(draft, class_, below, owners)
            inside = any(outer.choosy for outer in _above(classes, names))
            if class_.choosy and inside:
                yield Problem(
                    "one class with addresses inside another", (*below, "match"), expected="them on one level"
                )
            chosen += [_asked(class_.classes)] if class_.choosy else []
            for key in ("set_dscp", "leaf"):
                if getattr(class_, key) is not None:
                    yield Problem("it holds no packets itself", (*below, key), expected=f"{key} in its classes")
        elif not class_.match and not class_.default:
            yield Problem("nothing ever goes into this class", below, expected="match, or default: true")
        for position, traffic in enumerate(class_.match):
            yield from conditions(draft, traffic, (*below, "match", position))
    for at, earlier in _hidden(classes, path):
        yield Problem(
            f"no packet reaches this: '{earlier}' is asked before and takes them all",
            at,
            expected="another condition, or a higher priority",
        )
    entries, _ = merged(chosen)
    if len(entries) > MOST_ENTRIES:
        hint = "An entry may name many prefixes and ports; 'port' counts twice."
        message = f"the classes match by {len(entries)} entries"
        yield Problem(message, (*path, "classes"), expected=f"at most {MOST_ENTRIES} on an interface", hint=hint)


def _asked(classes: Classes) -> list[Traffic]:
    """The entries of one look, in order; ``port`` stands for two."""
    found = []
    for _, class_ in sorted(classes.items(), key=lambda item: (item[1].priority, item[0])):
        if class_.classes:
            found += [] if class_.match else _asked(class_.classes)
        else:
            for traffic in class_.match:
                found += (
                    [traffic]
                    if traffic.port is None
                    else [
                        traffic.model_copy(update={"port": None, "source_port": traffic.port}),
                        traffic.model_copy(update={"port": None, "destination_port": traffic.port}),
                    ]
                )
    return found


def _hidden(classes: Classes, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Entries that say just what an earlier class of the same look says already."""
    seen: dict[Traffic, str] = {}
    for below, class_ in sorted(_reach(classes, path), key=lambda item: item[1].priority):
        if class_.choosy:
            yield from _hidden(class_.classes, below)
        if class_.classes:
            continue
        for position, traffic in enumerate(class_.match):
            earlier = seen.setdefault(traffic, str(below[-1]))
            if earlier != below[-1]:
                yield (*below, "match", position), earlier


def _customer(draft: Draft, class_: TrafficClass, path: KeyPath, owners: dict[str, KeyPath]) -> Iterator[Problem]:
    """A class with classes of its own may choose by one address, and by one that no other chooses by."""
    for position, traffic in enumerate(class_.match):
        here = (*path, "match", position)
        said = {name for name, value in traffic if value is not None}
        if len(said) != 1 or not said <= ADDRESSES:
            yield Problem(
                "a class with classes of its own chooses by address",
                here,
                ", ".join(sorted(said)),
                "source alone, or destination alone",
            )
            continue
        side = said.pop()
        for prefix in draft.policy.index.prefixes(getattr(traffic, side)):
            first = owners.setdefault(f"{side} {prefix}", path)
            if first != path:
                yield Problem(f"{prefix} belongs to '{first[-1]}' already", here, prefix, "each prefix in one class")


def _above(classes: Classes, names: tuple[str, ...]) -> Iterator[TrafficClass]:
    for name in names[:-1]:
        yield classes[name]
        classes = classes[name].classes


def _path(path: KeyPath, names: tuple[str, ...]) -> KeyPath:
    return (*path, *(part for name in names for part in ("classes", name)))
