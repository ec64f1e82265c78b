"""Rates that add up, one tree for an interface, one default class in a tree."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bpf.compile import MOST_ENTRIES
from tidegate.policy.checks.conditions import conditions
from tidegate.policy.errors import KeyPath, Problem
from tidegate.policy.rates import LOWEST
from tidegate.policy.shaping import Tree
from tidegate.policy.validation import Draft


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of all trees."""
    taken: dict[tuple[str, str], int] = {}
    for position, tree in enumerate(draft.policy.shaping):
        path: KeyPath = ("shaping", position)
        yield from _rates(tree, path)
        yield from _defaults(tree, path)
        yield from _matches(draft, tree, path)
        other: dict[int, list[str]] = {}
        for host in sorted(draft.policy.index.select(tree.match)):
            first = taken.setdefault((host, tree.interface), position)
            if first != position:
                other.setdefault(first, []).append(host)
        for first, hosts in other.items():
            where = draft.written(("shaping", first))[-1]
            message = f"shaping[{where}] already shapes '{tree.interface}' of {hosts[0]}"
            yield Problem(message, path, tree.interface, "one tree for an interface")


def _rates(tree: Tree, path: KeyPath) -> Iterator[Problem]:
    whole = tree.rate_bits
    sure = sum(class_.guarantee_bits(whole) for class_ in tree.classes.values())
    if sure > whole:
        shares = " + ".join(class_.guarantee for class_ in tree.classes.values())
        message = f"the guarantees add up to {sure / whole:.0%} of the interface"
        yield Problem(message, (*path, "classes"), shares, f"at most {tree.rate} together")
    for name, class_ in tree.classes.items():
        below = (*path, "classes", name)
        guarantee, ceiling = class_.guarantee_bits(whole), class_.ceiling_bits(whole)
        for key, rate, text in (("guarantee", guarantee, class_.guarantee), ("ceiling", ceiling, class_.ceiling)):
            if rate > whole:
                yield Problem("more than the interface has", (*below, key), text, f"at most {tree.rate}")
        if ceiling < guarantee:
            expected = f"at least the guarantee, {class_.guarantee}"
            yield Problem("the ceiling is below the guarantee", (*below, "ceiling"), class_.ceiling, expected)
        if guarantee < LOWEST:
            message = f"this is {guarantee} bit/s of {tree.rate}, too little to send packets with"
            yield Problem(message, (*below, "guarantee"), class_.guarantee, "at least 8kbit")


def _defaults(tree: Tree, path: KeyPath) -> Iterator[Problem]:
    defaults = [name for name, class_ in tree.classes.items() if class_.default]
    if not defaults:
        hint = "It takes what no class matches."
        yield Problem("no class is the default", (*path, "classes"), expected="default: true in one class", hint=hint)
    for name in defaults[1:]:
        message = f"'{defaults[0]}' is the default class already"
        yield Problem(message, (*path, "classes", name, "default"), True, "default: true in one class")


def _matches(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    count = 0
    for name, class_ in tree.classes.items():
        below = (*path, "classes", name)
        if not class_.match and not class_.default:
            yield Problem("nothing ever goes into this class", below, expected="match, or default: true")
        for position, traffic in enumerate(class_.match):
            count += 1 if traffic.port is None else 2
            yield from conditions(draft, traffic, (*below, "match", position))
    if count > MOST_ENTRIES:
        hint = "An entry may name many prefixes and ports; 'port' counts twice."
        message = f"the classes match by {count} entries"
        yield Problem(message, (*path, "classes"), expected=f"at most {MOST_ENTRIES} on an interface", hint=hint)
