"""What we need ourselves to reach and run the fleet stays announced wherever it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from tidegate.bird.section import BirdSection
from tidegate.host.plan import Plan
from tidegate.release.delta.reach import effective, held
from tidegate.release.rules.rule import Case, Objection, Rule


class Told(NamedTuple):
    """A PoP tells a neighbor of a prefix."""

    pop: str
    neighbor: str
    prefix: str


def control_plane_exported(case: Case) -> Iterator[Objection]:
    """Every PoP goes on telling every neighbor of the control plane's prefixes that it tells of them now."""
    services = case.policy.routing.services if case.policy.routing else {}
    ours = {name for name, service in services.items() if service.control_plane}
    if not ours:
        return
    prefixes = {prefix for name in ours for prefix in services[name].prefixes}
    before, after = _told(case.earlier, ours, prefixes), _told(case.plans, ours, prefixes)
    gone: dict[str, set[Told]] = defaultdict(set)
    for told in before.keys() - after.keys():
        gone[before[told]].add(told)
    for name, lost in sorted(gone.items()):
        pops = len({told.pop for told in lost})
        where = "a PoP" if pops == 1 else f"{pops} PoPs"
        reason = f"service '{name}' is the control plane's, and {where} would tell fewer neighbors of it than now"
        yield Objection(reason, [f"{told.pop} {told.neighbor} {told.prefix}" for told in sorted(lost)])


def _told(plans: Mapping[str, Plan], names: Collection[str], prefixes: Collection[str]) -> dict[Told, str]:
    """What is told of these services, or of these prefixes under whatever name, with the service that tells it."""
    found = {}
    for plan in plans.values():
        section: BirdSection | None = plan.document["bird"]
        if section is None:
            continue
        own, pop = held(section), plan.document["labels"]["pop"]
        for neighbor in section["neighbors"]:
            for prefix, export in effective(neighbor, own):
                if export["service"] in names or prefix in prefixes:
                    found[Told(pop, neighbor["name"], prefix)] = export["service"]
    return found


RULES = (
    Rule(
        "control-plane-exported",
        "What we reach the fleet by stays announced by every PoP to every neighbor that has it now.",
        "Cloudflare 2022-06-21: a reject before an accept withdrew prefixes that their own control plane was behind.",
        True,
        control_plane_exported,
    ),
)
