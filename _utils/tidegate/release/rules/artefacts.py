"""What we generate is looked at like what others send: size, range, duplicates, and sudden growth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, cast

from tidegate.bpf.compile import MOST_ENTRIES
from tidegate.bpf.section import Matcher
from tidegate.host.plan import Plan, canonical
from tidegate.release.delta.space import span
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule
from tidegate.tc.section import ShapedInterface
from tidegate.tc.tree import looks
from tidegate.xdp.section import Rule as FilterRule

Known = dict[int, list[str]]
"""What is wrong with a part that hosts share, by its id: the plans keep the parts alive."""


def artefact_size(case: Case) -> Iterator[Objection]:
    """No plan is too large, has too many entries, a value out of range, or anything twice."""
    found: dict[str, list[str]] = defaultdict(list)
    parts: Known = {}
    sizes: dict[int, int] = {}
    for host, plan in case.plans.items():
        rules, trees = plan.document["xdp"]["rules"], plan.document["tc"]["interfaces"]
        if id(rules) not in parts:
            parts[id(rules)] = list(_rules(rules))
        if id(trees) not in parts:
            parts[id(trees)] = [reason for tree in trees for reason in _tree(tree)]
        size = _size(plan, sizes)
        if size > budgets.PLAN_BYTES:
            found[f"the plan is larger than {budgets.PLAN_BYTES >> 10} KiB"].append(host)
        for reason in (*parts[id(rules)], *parts[id(trees)], *_sessions(plan)):
            found[reason].append(host)
    for host, earlier in case.earlier.items():
        if host in case.plans and _grows(earlier, case.plans[host]):
            found[
                f"prefixes to filter, shape or accept routes by grow more than {budgets.GROWTH:g} times at once"
            ].append(host)
    for reason, hosts in sorted(found.items()):
        yield Objection(reason, sorted(set(hosts)))


def _size(plan: Plan, known: dict[int, int]) -> int:
    """Bytes of a plan, within a few: parts that hosts share are measured once."""

    def once(part: Any) -> int:
        if id(part) not in known:
            known[id(part)] = len(canonical(part).encode())
        return known[id(part)]

    document = plan.document
    section = document["bird"] or {}
    own = {key: value for key, value in section.items() if key not in ("neighbors", "services")}
    bird = sum(_weight(neighbor, once) for neighbor in section.get("neighbors", ()))
    bird += sum(map(once, section.get("services", ()))) + len(str(own))
    bird += sum(map(once, (*section.get("policies", {}).values(), *section.get("sets", {}).values())))
    return bird + once(document["xdp"]["rules"]) + once(document["tc"]["interfaces"])


def _weight(neighbor: Any, once: Any) -> int:
    return sum(once(value) if isinstance(value, list | dict) else len(str(value)) + 16 for value in neighbor.values())


def _rules(rules: list[FilterRule]) -> Iterator[str]:
    if len(rules) > MOST_ENTRIES:
        yield f"{len(rules)} filter rules; the data path holds {MOST_ENTRIES}"
    for name in _twice(rule["name"] for rule in rules):
        yield f"two filter rules have the name '{name}'"
    for rule in rules:
        yield from _matcher(f"rule '{rule['name']}'", rule)


def _tree(tree: ShapedInterface) -> Iterator[str]:
    name, classes = tree["name"], tree["classes"]
    entries = len(looks(classes)[0])
    if entries > MOST_ENTRIES:
        yield f"the classes of '{name}' match by {entries} entries; the data path holds {MOST_ENTRIES}"
    for key, noun in (("name", "name"), ("minor", "class id")):
        for value in _twice(class_[key] for class_ in classes):  # type: ignore[literal-required]
            yield f"two classes of '{name}' have the {noun} {value}"
    if sum(class_["default"] for class_ in classes) != 1:
        yield f"'{name}' has not exactly one default class"
    for class_ in classes:
        if not 0 < class_["guarantee"] <= class_["ceiling"] <= tree["rate"]:
            yield f"the rates of class '{class_['name']}' of '{name}' do not fit each other and the interface"
        for matcher in class_["match"]:
            yield from _matcher(f"class '{class_['name']}' of '{name}'", matcher)


def _matcher(what: str, matcher: Matcher) -> Iterator[str]:
    for end, prefixes in (("source", matcher["source"]), ("destination", matcher["destination"])):
        yield from _prefixes(f"{end} of {what}", prefixes or [])
    for end, ranges in (("source", matcher["source_port"]), ("destination", matcher["destination_port"])):
        if any(not 0 <= first <= last <= 0xFFFF for first, last in ranges or ()):
            yield f"a {end} port of {what} is out of range"
    if any(not 0 <= value < 64 for value in matcher["dscp"] or ()):
        yield f"a DSCP of {what} is out of range"
    if not 0 <= (matcher["protocol"] or 0) <= 0xFF:
        yield f"the protocol of {what} is out of range"


def _prefixes(what: str, prefixes: list[str]) -> Iterator[str]:
    if len(prefixes) > budgets.PREFIXES:
        yield f"the {what} has more than {budgets.PREFIXES} prefixes"
    for prefix in _twice(prefixes)[:1]:
        yield f"the {what} has {prefix} twice"
    for prefix in prefixes:
        if not _is_prefix(prefix):
            yield f"the {what} has {prefix!r}, which is no prefix"
            break


def _is_prefix(text: str) -> bool:
    try:
        span(text)
    except ValueError:
        return False
    return True


def _sessions(plan: Plan) -> Iterator[str]:
    section = plan.bird
    if section is None:
        return
    neighbors = section["neighbors"]
    for key, noun in (("protocol", "name in BIRD"), ("address", "address")):
        values = [neighbor[key] for neighbor in neighbors]  # type: ignore[literal-required]
        if len(set(values)) != len(values):
            yield f"two sessions have the {noun} {_twice(values)[0]}"
    for name, found in section.get("sets", {}).items():
        for entries in found.values():
            yield from _set(f"set '{name}'", cast("list[Any]", entries))
    for neighbor in neighbors:
        for export in neighbor["export"]:
            yield from _prefixes(f"announcement of '{export['service']}' to {neighbor['name']}", export["prefixes"])


def _set(what: str, entries: list[Any]) -> Iterator[str]:
    if len(entries) > budgets.PREFIXES:
        yield f"the {what} has more than {budgets.PREFIXES} entries"
    for entry in _twice(entries)[:1]:
        yield f"the {what} has {entry} twice"


def _grows(earlier: Plan, plan: Plan) -> bool:
    if earlier.digest == plan.digest:
        return False
    before, after = _entries(earlier), _entries(plan)
    return after > budgets.GROWTH_FREELY and after > budgets.GROWTH * before > 0


def _entries(plan: Plan) -> int:
    """The prefixes and AS numbers that a host filters, shapes and accepts routes by."""
    document = plan.document
    sets = (document["bird"] or {}).get("sets", {})
    matchers = [*document["xdp"]["rules"]]
    matchers += [one for tree in document["tc"]["interfaces"] for class_ in tree["classes"] for one in class_["match"]]
    routes = sum(len(entries) for found in sets.values() for entries in found.values())
    return routes + sum(len(one[end] or ()) for one in matchers for end in ("source", "destination"))


def _twice(values: Iterable[Hashable]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


RULES = (
    Rule(
        "artefact-size",
        "No plan is too large, holds a value out of range or anything twice, or grows many times over.",
        "Cloudflare 2025-11-18: a generated file doubled in size by duplicates, and what read it failed everywhere.",
        False,
        artefact_size,
    ),
)
