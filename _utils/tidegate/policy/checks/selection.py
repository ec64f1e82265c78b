"""Every selector selects something, by labels that exist, and finds the interface it names on every host."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.index import glob
from tidegate.policy.selectors import Match, is_glob
from tidegate.policy.validation import Draft

HOSTS = ("fleet", "hosts")


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of all selectors of hosts, and of the interfaces named beside them."""
    for path, match, interfaces in _selectors(draft):
        wrong = list(_labels(draft, path, match))
        yield from wrong
        hosts = draft.policy.index.select(match)
        if not hosts and not wrong and draft.whole(HOSTS, ("fleet", "regions")):
            yield Problem("no host matches", (*path, "match"), str(match), "at least one host")
        for interface in interfaces:
            yield from _interface(draft, path, interface, hosts)


def _selectors(draft: Draft) -> Iterator[tuple[KeyPath, Match, tuple[str, ...]]]:
    policy = draft.policy
    if policy.routing:
        for name, neighbor in policy.routing.neighbors.items():
            yield ("routing", "neighbors", name), neighbor.match, ()
        for name, mesh in policy.routing.meshes.items():
            yield ("routing", "meshes", name), mesh.match, ()
        for name, cache in policy.routing.rpki.caches.items() if policy.routing.rpki else ():
            yield ("routing", "rpki", "caches", name), cache.match, ()
        for position, announcement in enumerate(policy.routing.announcements):
            yield ("routing", "announcements", position), announcement.match, ()
    for position, rule in enumerate(policy.filtering.rules):
        yield ("filtering", "rules", position), rule.match, rule.interface
    for name, service in policy.balancing.services.items():
        yield ("balancing", "services", name, "pool"), service.pool.match, ()
    for position, tree in enumerate(policy.shaping):
        yield ("shaping", position), tree.match, (tree.interface,)
    if policy.rollout:
        for path, waves in (("waves",), policy.rollout.waves), (("emergency", "waves"), policy.rollout.emergency.waves):
            for position, wave in enumerate(waves):
                if wave.match is not None:
                    yield ("rollout", *path, position), wave.match, ()


def _labels(draft: Draft, path: KeyPath, match: Match) -> Iterator[Problem]:
    for label, values in match.chosen.items():
        known = draft.policy.index.values_of(label) | _written(draft, label)
        for value in values:
            if label == "host" and is_glob(value):
                if not glob(value, known):
                    yield Problem("no host has a name like this", (*path, "match", label), value, "a pattern of a name")
            elif value not in known and (label in ("pop", "region", "host") or draft.whole(HOSTS)):
                noun = {"pop": "PoP", "class": "class"}.get(label, label)
                expected = f"a {noun} of the fleet"
                yield Problem(f"no such {noun}", (*path, "match", label), value, expected, suggest(value, known))


def _written(draft: Draft, label: str) -> set[str]:
    """Names of entries that could not be read are still names."""
    if label == "host":
        return draft.names(*HOSTS)
    if label == "region":
        return draft.names("fleet", "regions")
    return draft.pops if label == "pop" else set()


def _interface(draft: Draft, path: KeyPath, interface: str, hosts: frozenset[str]) -> Iterator[Problem]:
    fleet = draft.policy.fleet
    without = sorted(host for host in hosts if interface not in fleet.hosts[host].interfaces)
    if without:
        known = {name for host in without for name in fleet.hosts[host].interfaces}
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        message = (
            f"{without[0]}{more} has no such interface" if not more else f"{without[0]}{more} have no such interface"
        )
        expected = "an interface that every matched host has"
        yield Problem(message, (*path, "interface"), interface, expected, suggest(interface, known))
