"""Hosts stand in PoPs that exist, and nothing that must be theirs alone is another's too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tidegate.policy.addresses import bare
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.validation import Draft

HOSTS = ("fleet", "hosts")
REGIONS = ("fleet", "regions")


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of the fleet."""
    fleet = draft.policy.fleet
    for collection, found in ((REGIONS, fleet.regions), (HOSTS, fleet.hosts)):
        if not found and draft.whole(collection):
            yield Problem(f"the fleet has no {collection[1]}", collection, {}, "at least one")
    yield from _pops(draft)
    for name, host in fleet.hosts.items():
        if host.pop not in draft.pops:
            hint = suggest(host.pop, draft.pops)
            yield Problem("no such PoP", (*HOSTS, name, "pop"), host.pop, "a PoP of some region", hint)
    yield from _owned_once(
        "router id", (((*HOSTS, name, "router_id"), host.router_id) for name, host in fleet.hosts.items())
    )
    yield from _owned_once("address", _addresses(draft))
    for name, host in fleet.hosts.items():
        base = (*HOSTS, name, "interfaces")
        yield from _owned_once(
            "device", (((*base, key, "device"), port.device) for key, port in host.interfaces.items())
        )


def _pops(draft: Draft) -> Iterator[Problem]:
    home: dict[str, str] = {}
    for name, region in draft.policy.fleet.regions.items():
        for pop in region.pops:
            if pop in home:
                path = (*REGIONS, name, "pops", pop)
                yield Problem(f"this PoP is also in region '{home[pop]}'", path, expected="a PoP in one region only")
            home.setdefault(pop, name)


def _addresses(draft: Draft) -> Iterator[tuple[KeyPath, str]]:
    for name, host in draft.policy.fleet.hosts.items():
        for key, port in host.interfaces.items():
            for position, address in enumerate(port.addresses):
                if not address.startswith("fe80:"):
                    yield (*HOSTS, name, "interfaces", key, "addresses", position), bare(address)


def _owned_once(noun: str, owned: Iterator[tuple[KeyPath, str]]) -> Iterator[Problem]:
    holders: dict[str, list[KeyPath]] = defaultdict(list)
    for path, value in owned:
        holders[value].append(path)
    for value, paths in holders.items():
        for path in paths[1:]:
            other = f"{paths[0][2]}" if paths[0][2] != path[2] else f"interface '{paths[0][4]}' of the same host"
            yield Problem(f"this {noun} is already that of {other}", path, value, f"every {noun} once")
