"""Services own their prefixes, and every announcement reaches someone, once, from enough PoPs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Literal

from tidegate.policy.addresses import contributing, family, span
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.importing import Import
from tidegate.policy.index import glob
from tidegate.policy.routing import Announcement, Routing
from tidegate.policy.validation import Draft

NEIGHBORS = ("routing", "neighbors")
SERVICES = ("routing", "services")
ANNOUNCEMENTS = ("routing", "announcements")
KINDS: tuple[tuple[str, Literal["prefixes", "asns"] | None], ...] = (
    ("prefixes", "prefixes"),
    ("origins", "asns"),
    ("refuse", None),
)
"""Keys of an import that name sets, and what these must hold."""


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of services and announcements."""
    routing = draft.policy.routing
    if routing is None:
        return
    yield from _prefixes(routing)
    for position, announcement in enumerate(routing.announcements):
        yield from _announcement(draft, routing, position, announcement)
    yield from _reach(draft, routing)
    yield from _sets(draft, routing)
    yield from _aggregates(draft, routing)


def _aggregates(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Aggregates have names and prefixes of their own, and hold something of their service."""
    known = draft.names(*SERVICES)
    for name, aggregate in routing.aggregates.items():
        path = ("routing", "aggregates", name)
        if name in known:
            yield Problem("a service has this name too", path, name, "names that differ")
        service = routing.services.get(aggregate.of)
        if aggregate.of not in known:
            hint = suggest(aggregate.of, known)
            yield Problem("no such service", (*path, "of"), aggregate.of, "a service of routing.services", hint)
        elif service is not None and not contributing(aggregate.prefix, service.prefixes):
            expected = f"a prefix that holds one of {', '.join(service.prefixes)}"
            yield Problem(f"holds no prefix of '{aggregate.of}'", (*path, "prefix"), aggregate.prefix, expected)


def _sets(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Sets that imports name: they exist, and hold what they are asked for."""
    imports: list[tuple[KeyPath, Import]] = [
        ((*NEIGHBORS, name, "import"), neighbor.import_) for name, neighbor in routing.neighbors.items()
    ]
    imports += [(("routing", "imports", role), of_role) for role, of_role in routing.imports.items()]
    known = draft.names("routing", "sets")
    for path, rules in imports:
        for key, kind in KINDS:
            for name in getattr(rules, key) or ():
                found = routing.sets.get(name)
                if name not in known:
                    hint = suggest(name, known)
                    yield Problem("no such set", (*path, key), name, "a set of routing.sets", hint)
                elif found is not None and kind is not None and not found.holds(kind):
                    noun = "prefixes" if kind == "prefixes" else "AS numbers"
                    yield Problem(f"this set holds no {noun}", (*path, key), name, f"a set of {noun}")


def _prefixes(routing: Routing) -> Iterator[Problem]:
    owned = []
    for name, service in routing.services.items():
        for prefix in [prefix for prefix, count in Counter(service.prefixes).items() if count > 1]:
            yield Problem("this prefix stands here twice", (*SERVICES, name, "prefixes"), prefix, "every prefix once")
        owned += [((family(prefix), *span(prefix)), prefix, name) for prefix in service.prefixes]
    owned.sort(key=lambda entry: (entry[0][0], entry[0][1], -entry[0][2]))
    outer: list[tuple[tuple[int, int, int], str, str]] = []
    for entry in owned:
        (kind, first, _), prefix, name = entry
        outer = [other for other in outer if other[0][0] == kind and other[0][2] >= first]
        for _, around, other in outer:
            if other != name:
                path = (*SERVICES, name, "prefixes")
                yield Problem(f"overlaps {around} of service '{other}'", path, prefix, "a prefix of one service only")
        outer.append(entry)


def _announcement(draft: Draft, routing: Routing, position: int, announcement: Announcement) -> Iterator[Problem]:
    path = (*ANNOUNCEMENTS, position)
    known = draft.names(*SERVICES) | draft.names("routing", "aggregates")
    if announcement.service not in known:
        hint = suggest(announcement.service, known)
        yield Problem(
            "no such service", (*path, "service"), announcement.service, "a service of routing.services", hint
        )
    neighbors = draft.names(*NEIGHBORS) | draft.policy.index.neighbors.keys()
    for pattern in announcement.to.neighbor or ():
        if not glob(pattern, neighbors):
            yield Problem(
                "no such neighbor", (*path, "to", "neighbor"), pattern, "a neighbor", suggest(pattern, neighbors)
            )
            return
    if not draft.whole(NEIGHBORS, ("fleet", "hosts"), ("fleet", "regions")):
        return
    index = draft.policy.index
    hosts, recipients = index.select(announcement.match), index.recipients[position]
    silent = sorted(host for host in hosts if recipients.isdisjoint(index.neighbors_of.get(host, ())))
    if hosts and silent:
        who = silent[0] if len(silent) == 1 else f"{silent[0]} and {len(silent) - 1} more"
        expected = "a neighbor to announce to on every matched host"
        yield Problem(f"reaches no neighbor of {who}", (*path, "to"), str(announcement.to), expected)


def _reach(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Each prefix of each service: announced from enough PoPs, and to each session by one announcement."""
    index = draft.policy.index
    reach: dict[tuple[str, int], set[str]] = defaultdict(set)
    contested: dict[tuple[int, int], tuple[str, str]] = {}
    for host, positions in index.announcements_of.items():
        for neighbor in index.neighbors_of.get(host, ()):
            taken: dict[str, int] = {}
            for position in positions:
                if neighbor not in index.recipients[position]:
                    continue
                service = routing.announcements[position].service
                for kind in index.neighbors[neighbor].spoken:
                    reach[service, int(kind[-1])].add(draft.policy.fleet.hosts[host].pop)
                if service in taken:
                    contested.setdefault((taken[service], position), (host, neighbor))
                taken.setdefault(service, position)
    for (first, second), (host, neighbor) in sorted(contested.items()):
        other = draft.written((*ANNOUNCEMENTS, first))[-1]
        message = f"{host} announces this to {neighbor} by announcements[{other}] too"
        expected = "one announcement of a service to each session"
        yield Problem(message, (*ANNOUNCEMENTS, second), routing.announcements[second].service, expected)
    if draft.whole(NEIGHBORS, ANNOUNCEMENTS, SERVICES, ("fleet", "hosts"), ("fleet", "regions")):
        yield from _pops(routing, reach)


def _pops(routing: Routing, reach: dict[tuple[str, int], set[str]]) -> Iterator[Problem]:
    announced = {announcement.service for announcement in routing.announcements}
    for name, service in routing.services.items():
        path = (*SERVICES, name)
        if name not in announced and service.min_pops:
            hint = "Announce it, say min_pops: 0 if it is not to be yet, or make it a set if it only names prefixes."
            yield Problem(
                "no announcement names this service", path, expected="min_pops PoPs that announce it", hint=hint
            )
            continue
        for kind in sorted({family(prefix) for prefix in service.prefixes}):
            pops = reach.get((name, kind), set())
            if len(pops) >= service.min_pops:
                continue
            message = f"its IPv{kind} prefixes are announced from {len(pops)} of at least {service.min_pops} PoPs"
            hint = (
                f"Now: {', '.join(sorted(pops))}." if pops else f"No announcement of it reaches an IPv{kind} session."
            )
            expected = "at most the PoPs that announce it"
            yield Problem(message, (*path, "min_pops"), service.min_pops, expected, hint)
