"""Services stay where their users are: enough PoPs, never none, never mixed with a test topology."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tidegate.bird.section import BirdSection
from tidegate.host.plan import Plan
from tidegate.release.delta.reach import effective, held, pops_of
from tidegate.release.delta.space import merged, overlaps, span
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule

TEST = "test"
"""The role of hosts that are not production."""


def min_pops(case: Case) -> Iterator[Objection]:
    """Every prefix of a service is announced from at least ``min_pops`` PoPs."""
    routing = case.policy.routing
    for name, service in sorted(routing.services.items()) if routing else ():
        here = case.reach.get(name, {})
        for prefix in sorted(service.prefixes):
            pops = here.get(prefix, set())
            if len(pops) < service.min_pops:
                reason = (
                    f"{prefix} of service '{name}' is announced from {len(pops)} of at least {service.min_pops} PoPs"
                )
                yield Objection(reason, sorted(pops))


def service_shrink(case: Case) -> Iterator[Objection]:
    """No service loses all its PoPs, falls below its minimum, or loses too many at once."""
    services = case.policy.routing.services if case.policy.routing else {}
    for name in sorted(case.earlier_reach):
        before, after = pops_of(case.earlier_reach, name), pops_of(case.reach, name)
        lost = sorted(before - after)
        least = services[name].min_pops if name in services else 0
        if not lost:
            continue
        if not after:
            gone = "" if name in services else ", and the policy has it no longer"
            yield Objection(f"service '{name}' loses all of its {len(before)} PoPs{gone}", lost)
        elif len(after) < least <= len(before):
            yield Objection(f"service '{name}' goes from {len(before)} PoPs to {len(after)}, below {least}", lost)
        elif len(lost) > budgets.most(budgets.SHRUNK, len(before), 1):
            reason = (
                f"service '{name}' loses {len(lost)} of {len(before)} PoPs; {budgets.SHRUNK:.0%} are allowed at once"
            )
            yield Objection(reason, lost)


def test_topology(case: Case) -> Iterator[Objection]:
    """What hosts of role ``test`` announce has no address in common with what production announces or announced."""
    production: dict[str, set[str]] = defaultdict(set)
    tested: dict[str, set[str]] = defaultdict(set)
    for plans in (case.plans, case.earlier):
        for host, prefix in _announced(plans):
            if plans[host].document["labels"]["role"] != TEST:
                production[prefix].add(host)
            elif plans is case.plans:
                tested[prefix].add(host)
    if not tested:
        return
    spans = {family: merged(production, family) for family in (4, 6)}
    for prefix, hosts in sorted(tested.items()):
        if overlaps(span(prefix), spans[6 if ":" in prefix else 4]):
            yield Objection(f"{prefix} is production's, and hosts of role '{TEST}' would announce it", sorted(hosts))


def _announced(plans: Mapping[str, Plan]) -> Iterator[tuple[str, str]]:
    """(host, prefix) for all that any neighbor is told."""
    for host, plan in plans.items():
        section: BirdSection | None = plan.document["bird"]
        if section is not None:
            own = held(section)
            yield from ((host, prefix) for one in section["neighbors"] for prefix, _ in effective(one, own))


RULES = (
    Rule(
        "min-pops",
        "A service stays announced from as many PoPs as it needs, counted on the effective announcements.",
        "Cloudflare 2025-07-14: 1.1.1.1 was reduced to one location, which was offline; gone for 62 minutes.",
        False,
        min_pops,
    ),
    Rule(
        "service-shrink",
        "A service never loses all its PoPs, nor many at once, even if its minimum is lowered by the same change.",
        "Cloudflare 2025-07-14: prefixes were withdrawn from all production data centers at once.",
        True,
        service_shrink,
    ),
    Rule(
        "test-topology",
        "A host of role 'test' announces nothing that production announces.",
        "Cloudflare 2025-07-14: a test location was attached to a service that held production prefixes.",
        False,
        test_topology,
    ),
)
