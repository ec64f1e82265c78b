"""What a weight by hand is about, and what it would leave of a pool: never nothing, unless the policy says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from tidegate.balancing.section import Service
from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.policy.collector import paused
from tidegate.policy.errors import suggest
from tidegate.release.compose import composed
from tidegate.release.operations import Operation, Operations, wrong
from tidegate.release.store import Store
from tidegate.release.weights import DRAIN, hits
from tidegate.rollout.draining import assigned_plans


@paused()
def balancers(store: Store, target: Mapping[str, str], settings: Mapping[str, Any]) -> list[str]:
    """The hosts whose plan a weight changes, sorted.

    Raises:
        Refused: It is about no backend of any balancer, would cut flows where it was to keep them, or would leave a
            pool with nobody who takes new ones.
    """
    if reason := wrong("weight", target, settings):
        raise Refused(reason)
    now = datetime.now(timezone.utc)
    active = Operations(store).active(now)
    wanted = Operation(0, "weight", dict(target), dict(settings), "", "", now)
    found = []
    for plan in assigned_plans(store):
        before = [service for service in _services(plan) if _has(service, target)]
        if not before:
            continue
        found.append(plan.host)
        _keeps_flows(before, settings)
        _leaves_some(plan, before, _services(composed(plan, [*active, wanted])))
    if not found:
        raise Refused(_nobody(store, target))
    return sorted(found)


def using(store: Store, target: Mapping[str, str]) -> list[str]:
    """The hosts that balance over a backend, sorted."""
    return sorted(
        plan.host for plan in assigned_plans(store) if any(_has(service, target) for service in _services(plan))
    )


def _services(plan: Plan) -> list[Service]:
    balancing = plan.xdp.get("balancing")
    return list(balancing["services"]) if balancing else []


def _has(service: Service, target: Mapping[str, str]) -> bool:
    return any(hits(target, service["name"], backend["host"]) for backend in service["backends"])


def _keeps_flows(services: Iterable[Service], settings: Mapping[str, Any]) -> None:
    for service in services:
        if settings["weight"] == DRAIN and service["encapsulation"] != "gue":
            raise Refused(
                f"{service['name']} sends by {service['encapsulation']}, which cannot keep old flows of a drained "
                "backend: say --to 0 to cut them, or change its encapsulation to gue."
            )


def _leaves_some(plan: Plan, before: Iterable[Service], after: Iterable[Service]) -> None:
    left = {service["name"]: service for service in after}
    for service in before:
        if not any(not backend["draining"] for backend in left[service["name"]]["backends"]):
            raise Refused(
                f"On {plan.host} no backend of {service['name']} would take new flows, and its VIPs would be "
                "withdrawn: nothing was changed. Drain the balancers, or give another backend a weight first."
            )


def _nobody(store: Store, target: Mapping[str, str]) -> str:
    names = sorted(
        {backend["host"] for plan in assigned_plans(store) for one in _services(plan) for backend in one["backends"]}
    )
    what = f"{target['host']} of {target['service']}" if "service" in target else target["host"]
    return f"No balancer uses a backend {what}. {suggest(target['host'], names)}".rstrip()
