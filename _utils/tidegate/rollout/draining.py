"""What a drain would take from services: it must not do by hand what no rollout may do by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.policy.collector import paused
from tidegate.release.assignments import Assignments
from tidegate.release.compose import composed
from tidegate.release.operations import TARGETS, Operation, Operations
from tidegate.release.store import Store
from tidegate.rollout.announcers import services


@dataclass(frozen=True)
class Shortfall:
    """A service that would be announced in fewer PoPs than it must."""

    service: str
    before: int
    after: int
    min_pops: int

    def __str__(self) -> str:
        return f"{self.service} would be announced in {self.after} PoPs, and must be in {self.min_pops}"


@paused()
def shortfalls(store: Store, target: Mapping[str, str], settings: Mapping[str, Any]) -> list[Shortfall]:
    """Services that a drain would bring, or keep, below their ``min_pops``; only those that it takes a PoP from.

    Only a drain by withdrawing takes anything: by the others a service stays announced.
    """
    if settings.get("how") != "withdraw" or not target.keys() <= TARGETS["drain"]:
        # What makes no sense is refused where it would be written.
        return []
    now = datetime.now(timezone.utc)
    active = Operations(store).active(now)
    wanted = Operation(0, "drain", dict(target), dict(settings), "", "", now)
    plans = assigned_plans(store)
    before = _pops(composed(plan, active) for plan in plans)
    after = _pops(composed(plan, [*active, wanted]) for plan in plans)
    found = []
    for service, least in sorted(_floors(store).items()):
        left, was = len(after.get(service, ())), len(before.get(service, ()))
        if left < was and left < least:
            found.append(Shortfall(service, was, left, least))
    return found


def spare(store: Store, target: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Refuse a drain that leaves a service with too few PoPs.

    Raises:
        Refused: It does; the sentence says which.
    """
    if found := shortfalls(store, target, settings):
        told = "; ".join(map(str, found))
        raise Refused(f"{told}: nothing was drained. Drain less, or another way, or say --below-min-pops.")


def assigned_plans(store: Store) -> list[Plan]:
    """Every host's plan in the release that it is assigned to."""
    found: list[Plan] = []
    by_release: dict[str, list[str]] = {}
    for host, release in Assignments(store).all().items():
        by_release.setdefault(release, []).append(host)
    for release, hosts in by_release.items():
        digests = store.digests(store.find(release))
        read = {digest: Plan(json.loads(text)) for digest, text in store.documents(sorted({*digests.values()}))}
        found += [read[digests[host]] for host in hosts if host in digests]
    return found


def _pops(plans: Iterable[Plan]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for plan in plans:
        for service in services(plan):
            found.setdefault(service, set()).add(plan.labels["pop"])
    return found


def _floors(store: Store) -> dict[str, int]:
    newest = store.newest()
    routing = (json.loads(store.policy(newest)).get("routing") or {}) if newest else {}
    return {name: int(service.get("min_pops", 1)) for name, service in (routing.get("services") or {}).items()}
