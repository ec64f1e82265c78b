"""How much of a balanced service's servers may go at once: what is left has to carry all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.host.plan import Plan
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule


def pool_shrink(case: Case) -> Iterator[Objection]:
    """No balancer loses more than a share of the weight that takes new flows for a service."""
    before, after = _weights(case.earlier), _weights(case.plans)
    losses: dict[str, dict[str, float]] = {}
    for (host, service), was in before.items():
        will = after.get((host, service), 0)
        # A host that goes altogether takes its announcements along: other rules look at those.
        if host in case.plans and was and will < was * (1 - budgets.POOL_SHRUNK):
            losses.setdefault(service, {})[host] = 1 - will / was
    for service, hosts in sorted(losses.items()):
        share = f"the pool of {service} loses up to {max(hosts.values()):.0%} of its weight on {_counted(hosts)}"
        yield Objection(f"{share}; {budgets.POOL_SHRUNK:.0%} are allowed at once", sorted(hosts))


def _weights(plans: Mapping[str, Plan]) -> dict[tuple[str, str], int]:
    """(balancer, service) → the weight of its backends that take new flows."""
    return {
        (host, service["name"]): sum(one["weight"] for one in service["backends"] if not one["draining"])
        for host, plan in plans.items()
        for service in (plan.document["xdp"].get("balancing") or {"services": ()})["services"]
    }


def _counted(hosts: Mapping[str, float]) -> str:
    return "1 balancer" if len(hosts) == 1 else f"{len(hosts)} balancers"


RULES = (
    Rule(
        "pool-shrink",
        "No balancer loses more than half of a service's servers by one release.",
        "Google 2019-06-02: capacity was taken away in one step, and what was left could not carry the load.",
        True,
        pool_shrink,
    ),
)
