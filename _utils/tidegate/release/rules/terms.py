"""Terms mean what they seem to: nothing is hidden by what stands before it, and nothing is without a scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from tidegate.bird.section import BirdSection, Neighbor, families
from tidegate.bpf.section import Matcher, PortRange
from tidegate.release.delta.reach import held
from tidegate.release.delta.space import Span, merged, span, within
from tidegate.release.rules.rule import Case, Objection, Rule
from tidegate.tc.section import ShapedInterface
from tidegate.xdp.section import Rule as FilterRule

WIDEST = {4: 8, 6: 16}
"""The shortest prefix that a service can hold; what is wider is taken for a slip, the default route above all."""

End = Literal["source", "destination"]
ENDS: tuple[End, ...] = ("source", "destination")
FURTHER = ("tcp_flags", "icmp_types", "fragment", "length")
"""Conditions that few rules have."""


def no_hidden_accept(case: Case) -> Iterator[Objection]:
    """No drop rule stands before an allow rule that it hides, and no announcement is hidden or never made."""
    found: dict[str, list[str]] = defaultdict(list)
    known: dict[int, list[str]] = {}
    for host, plan in case.plans.items():
        rules: list[FilterRule] = plan.document["xdp"]["rules"]
        # Hosts share their rules, and the plans keep them alive: an id stays one list's.
        if id(rules) not in known:
            known[id(rules)] = list(_hidden_rules(rules))
        section: BirdSection | None = plan.document["bird"]
        for reason in (*known[id(rules)], *(_hidden_exports(section) if section else ())):
            found[reason].append(host)
    yield from _objections(found)


def scoped_terms(case: Case) -> Iterator[Objection]:
    """Every term says whom or what it is about: none matches everything by leaving something out, or nothing."""
    found: dict[str, list[str]] = defaultdict(list)
    known: dict[int, list[str]] = {}
    for host, plan in case.plans.items():
        rules, trees = plan.document["xdp"]["rules"], plan.document["tc"]["interfaces"]
        for part, unscoped in ((rules, _unscoped_rules), (trees, _unscoped_classes)):
            if id(part) not in known:
                known[id(part)] = list(unscoped(part))
        section: BirdSection | None = plan.document["bird"]
        exports = _unscoped_exports(section) if section else ()
        for reason in (*known[id(rules)], *known[id(trees)], *exports):
            found[reason].append(host)
    yield from _objections(found)


def _objections(found: dict[str, list[str]]) -> Iterator[Objection]:
    for reason, hosts in sorted(found.items()):
        yield Objection(reason, sorted(set(hosts)))


def _hidden_rules(rules: list[FilterRule]) -> Iterator[str]:
    for position, rule in enumerate(rules):
        drops = [other for other in rules[:position] if other["action"] == "drop"]
        if rule["action"] != "allow" or not drops:
            continue
        for end in ENDS:
            hiding = [other for other in drops if _covers(other, rule, without=end)]
            if not hiding:
                continue
            names = ", ".join(other["name"] for other in hiding)
            lost = _hidden_prefixes(rule[end], [other[end] for other in hiding])
            if lost is None:
                yield f"rule '{rule['name']}' never allows anything: {names} before it drops all of it"
                break
            if lost:
                yield f"rule '{rule['name']}' never allows {end} {_some(lost)}: {names} before it drops that"


def _hidden_prefixes(allowed: list[str] | None, dropped: list[list[str] | None]) -> list[str] | None:
    """The allowed prefixes that are dropped before; ``None`` is all of them."""
    if any(prefixes is None for prefixes in dropped):
        return None
    spans = {family: _union(dropped, family) for family in (4, 6)}
    if allowed is None:
        whole = [within(span(every), spans[family]) for every, family in (("0.0.0.0/0", 4), ("::/0", 6))]
        return None if all(whole) else []
    lost = [prefix for prefix in allowed if within(span(prefix), spans[_family(prefix)])]
    return None if allowed and len(lost) == len(allowed) else lost


def _union(lists: Iterable[list[str] | None], family: int) -> list[Span]:
    return merged((prefix for prefixes in lists for prefix in prefixes or ()), family)


def _covers(outer: FilterRule, inner: FilterRule, without: End) -> bool:
    """Whether every packet of one rule fulfils the other's conditions, apart from those on one end's address."""
    other: End = "destination" if without == "source" else "source"
    return (
        set(inner["devices"]) <= set(outer["devices"])
        and outer["protocol"] in (None, inner["protocol"])
        and _covers_ports(outer["source_port"], inner["source_port"])
        and _covers_ports(outer["destination_port"], inner["destination_port"])
        and (outer["dscp"] is None or (inner["dscp"] is not None and set(inner["dscp"]) <= set(outer["dscp"])))
        and all(outer.get(key) in (None, inner.get(key)) for key in FURTHER)
        and _hidden_prefixes(inner[other], [outer[other]]) is None
    )


def _covers_ports(outer: list[PortRange] | None, inner: list[PortRange] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(
        any(first <= start and end <= last for first, last in outer) for start, end in inner
    )


def _hidden_exports(section: BirdSection) -> Iterator[str]:
    own = held(section)
    for neighbor in section["neighbors"]:
        deciding: dict[str, str] = {}
        for export in neighbor["export"]:
            name = export["service"]
            for prefix in export["prefixes"]:
                if prefix in deciding:
                    yield f"{prefix} of '{name}' to {neighbor['name']} is hidden by the term of '{deciding[prefix]}'"
                elif reason := _never_made(prefix, neighbor, own):
                    yield f"{prefix} of '{name}' is never announced to {neighbor['name']}: {reason}"
                deciding.setdefault(prefix, name)


def _never_made(prefix: str, neighbor: Neighbor, own: set[str]) -> str:
    if ("ipv6" if ":" in prefix else "ipv4") not in families(neighbor):
        return f"the session is {' and '.join(families(neighbor))}"
    return "" if prefix in own else "the host does not originate it"


def _unscoped_exports(section: BirdSection) -> Iterator[str]:
    for neighbor in section["neighbors"]:
        for export in neighbor["export"]:
            term = f"the announcement of '{export['service']}' to {neighbor['name']}"
            if not export["prefixes"]:
                yield f"{term} names no prefix"
            for prefix in export["prefixes"]:
                if _length(prefix) < WIDEST[_family(prefix)]:
                    yield f"{term} has {prefix}, wider than a /{WIDEST[_family(prefix)]}"


def _unscoped_rules(rules: list[FilterRule]) -> Iterator[str]:
    for position, rule in enumerate(rules):
        name = rule["name"]
        if not rule["devices"]:
            yield f"rule '{name}' stands on no interface"
        for key in _empty(rule):
            yield f"rule '{name}' has an empty {key}: it matches nothing"
        # An allow at the very end says what holds anyway; any other hides what follows.
        harmless = rule["action"] == "allow" and position == len(rules) - 1
        if rule["action"] in ("allow", "drop") and _matches_everything(rule) and not harmless:
            yield f"rule '{name}' {rule['action']}s everything: it has no condition"


_KEYS = {"vlan", "fwmark", "cgroup", "from_devices"}
"""Conditions that only classes have; they are there only where they say something."""


def _unscoped_classes(trees: list[ShapedInterface]) -> Iterator[str]:
    for tree in trees:
        for class_ in tree["classes"]:
            name = f"class '{class_['name']}' of '{tree['name']}'"
            for matcher in class_["match"]:
                for key in _empty(matcher):
                    yield f"{name} has an empty {key}: it matches nothing"
                if _matches_everything(matcher) and not _KEYS & matcher.keys():
                    yield f"{name} takes everything: an entry has no condition"


def _empty(matcher: Matcher) -> list[str]:
    """The conditions that no packet can fulfil."""
    conditions = {
        "source": matcher["source"],
        "destination": matcher["destination"],
        "source_port": matcher["source_port"],
        "destination_port": matcher["destination_port"],
        "dscp": matcher["dscp"],
    }
    return [key for key, value in conditions.items() if value == []]


def _matches_everything(matcher: Matcher) -> bool:
    """Whether the packets of a whole address family match, however that is written."""
    if matcher["protocol"] is not None or matcher["dscp"] not in (None, list(range(64))):
        return False
    if any(matcher.get(key) is not None for key in FURTHER):
        return False
    if any(ports not in (None, [[0, 65535]]) for ports in (matcher["source_port"], matcher["destination_port"])):
        return False
    return any(
        all(
            prefixes is None or within(span(every), merged(prefixes, family))
            for prefixes in (matcher["source"], matcher["destination"])
        )
        for every, family in (("0.0.0.0/0", 4), ("::/0", 6))
    )


def _family(prefix: str) -> int:
    return 6 if ":" in prefix else 4


def _length(prefix: str) -> int:
    _, slash, length = prefix.partition("/")
    return int(length) if slash else 128


def _some(prefixes: list[str]) -> str:
    shown = ", ".join(prefixes[:3])
    return shown if len(prefixes) <= 3 else f"{shown} and {len(prefixes) - 3} more"


RULES = (
    Rule(
        "no-hidden-accept",
        "No reject stands before an accept that it hides, and every announcement written is an announcement made.",
        "Cloudflare 2022-06-21: reordered terms hid those that announced site-local prefixes; 19 sites were lost.",
        False,
        no_hidden_accept,
    ),
    Rule(
        "scoped-terms",
        "A term that names no prefix, matches everything or matches nothing is an error.",
        "Cloudflare 2026-01-22: a term that lost its prefix list matched far more routes than meant, and leaked them.",
        False,
        scoped_terms,
    ),
)
