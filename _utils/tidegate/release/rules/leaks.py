"""Routes learned from providers and peers go to neither (RFC 7908, RFC 9234)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tidegate.bird.passing import DOWNHILL, UPHILL, may_hear
from tidegate.bird.section import BirdSection, Neighbor, families
from tidegate.release.delta.reach import held
from tidegate.release.delta.space import Span, merged, span, within
from tidegate.release.rules.rule import Case, Objection, Rule

DEFAULTS = ("0.0.0.0/0", "::/0")


def no_leak(case: Case) -> Iterator[Objection]:
    """No announcement to a provider or peer would let through a route learned from a provider or peer.

    The model of a host: a neighbor that is accepted from may send any prefix of its family (or the default alone),
    except what is inside the services that the host originates: ``bird/learn.j2`` refuses those. A route of our own
    routers (``ibgp``) may come from a provider behind them. A term of ``bird/announce.j2`` passes exactly the prefixes
    it names. That BIRD also asks for a route's origin is not counted on: it is the second line, not the proof.
    """
    owned = _owned(case)
    found: dict[str, list[str]] = defaultdict(list)
    for host, plan in case.plans.items():
        section: BirdSection | None = plan.document["bird"]
        if section is not None:
            for reason in (*_leaks(section), *_passed_on(section), *_foreign(section, owned), *_false_roles(section)):
                found[reason].append(host)
    for reason, hosts in sorted(found.items()):
        yield Objection(reason, sorted(set(hosts)))


def _owned(case: Case) -> set[str]:
    services = case.policy.routing.services if case.policy.routing else {}
    aggregates = case.policy.routing.aggregates if case.policy.routing else {}
    own = {aggregate.prefix for aggregate in aggregates.values()}
    return own | {prefix for service in services.values() for prefix in service.prefixes}


def _leaks(section: BirdSection) -> Iterator[str]:
    own = held(section)
    uphill = [neighbor for neighbor in section["neighbors"] if neighbor["role"] in UPHILL and neighbor["export"]]
    exported = {prefix for neighbor in uphill for export in neighbor["export"] for prefix in export["prefixes"]}
    if exported <= own:
        return
    refused = {4: merged(own, 4), 6: merged(own, 6)}
    for neighbor in uphill:
        for source in section["neighbors"]:
            if (
                source is neighbor
                or source["role"] not in (*UPHILL, "rs-client", "ibgp")
                or source.get("vrf") != neighbor.get("vrf")
                or set(families(source)).isdisjoint(families(neighbor))
            ):
                continue
            for export in neighbor["export"]:
                for prefix in export["prefixes"]:
                    if _may_send(source, prefix, refused[6 if ":" in prefix else 4]):
                        route = f"{prefix} learned from {source['name']} ({source['role']})"
                        yield f"{route} would go to {neighbor['name']} ({neighbor['role']})"


def _passed_on(section: BirdSection) -> Iterator[str]:
    """Learned routes that would go where no such route may go, by the roles on both sides."""
    for neighbor in section["neighbors"]:
        name, role, learned = neighbor["name"], neighbor["role"], neighbor.get("learned", [])
        for source in learned:
            if source not in may_hear(role):
                yield f"routes learned from a {source} would go to {name} ({role})"
        if neighbor.get("default_route") and role not in DOWNHILL:
            yield f"a default route would be announced to {name} ({role})"


def _may_send(source: Neighbor, prefix: str, refused: list[Span]) -> bool:
    """Whether a route to a prefix may be learned from a neighbor."""
    accepts = source["import_"]["accept"]
    if accepts == "none" or ("ipv6" if ":" in prefix else "ipv4") not in families(source):
        return False
    if accepts == "default" and prefix not in DEFAULTS:
        return False
    return not within(span(prefix), refused)


def _foreign(section: BirdSection, owned: set[str]) -> Iterator[str]:
    """Prefixes that the plan announces and no service of the policy holds."""
    for neighbor in section["neighbors"]:
        for export in neighbor["export"]:
            for prefix in export["prefixes"]:
                if prefix not in owned:
                    yield f"{prefix} would be announced to {neighbor['name']}, and no service of the policy holds it"


def _false_roles(section: BirdSection) -> Iterator[str]:
    """Roles that the AS numbers belie: what such a neighbor sends is marked as learned from somebody else."""
    for neighbor in section["neighbors"]:
        if (neighbor["role"] == "ibgp") != (neighbor["asn"] == section["asn"]):
            claim = f"{neighbor['name']} has the role {neighbor['role']} and AS {neighbor['asn']}"
            yield f"{claim}; ours is {section['asn']}"


RULES = (
    Rule(
        "no-leak",
        "No route learned from a provider or peer is passed on to a provider or peer.",
        "Cloudflare 2026-01-22: routes learned from peers and providers were announced to other peers and providers.",
        False,
        no_leak,
    ),
)
