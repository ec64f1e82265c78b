"""A host's plan with the operations put to it that are in force: what it is served is this, not the release's alone.

A drain takes announcements back or makes them the last choice; every session stays up, and what is not drained stays as
it is. A drain may begin gracefully: then its announcements are the last choice first, until others have moved away. A
weight changes a backend's share (`weights`). Nothing else changes a plan. Pure: equal plans, operations and moments
give equal digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.bird.section import BirdSection, Export, Neighbor
from tidegate.host.errors import Refused
from tidegate.host.plan import LABELS, Plan, seal
from tidegate.release.weights import weighed
from tidegate.xdp.section import XdpSection

if TYPE_CHECKING:
    from tidegate.release.operations import Operation

GRACEFUL_SHUTDOWN = "65535:0"
"""RFC 8326: who receives it makes the route the last choice, if that network has agreed to."""

SELECTS = ("service", "neighbor")
"""What a drain's target may name beside labels of hosts: then only that service, or that neighbor, is drained."""


HOWS = ("withdraw", "prepend", "graceful")

MOST_PREPENDS = 32
"""As many as ``bird/announce.j2`` renders: a drain on top of a long path must not make the plan one that is refused."""


@dataclass(frozen=True)
class Drain:
    """One drain, as far as a plan is concerned.

    Attributes:
        target: Labels of hosts, ``service`` and ``neighbor``; all that are given must hold.
        how: ``withdraw``, ``prepend`` or ``graceful``.
        times: How many more times our AS number is prepended.
        since: When it began.
        gracefully: For how many seconds it is ``graceful`` first.
    """

    target: Mapping[str, str]
    how: str
    times: int
    since: datetime
    gracefully: int = 0

    def at(self, now: datetime | None) -> Drain:
        """The drain as it is at a moment; without one, as it is in the end."""
        if self.gracefully and now is not None and now < self.since + timedelta(seconds=self.gracefully):
            return replace(self, how="graceful")
        return self

    def concerns(self, labels: Mapping[str, str]) -> bool:
        """Whether it is about a host with these labels."""
        return all(labels[label] == value for label, value in self.target.items() if label in LABELS)

    def hits(self, neighbor: str, service: str) -> bool:
        """Whether it is about a service's announcement to a neighbor, of a host that it concerns."""
        return self.target.get("neighbor", neighbor) == neighbor and self.target.get("service", service) == service

    def shuns(self, neighbor: str) -> bool:
        """Whether what a neighbor announces is to be the last choice: not where a single service is drained."""
        return self.how == "graceful" and "service" not in self.target and self.hits(neighbor, "")


def composed(plan: Plan, operations: Sequence[Operation], now: datetime | None = None) -> Plan:
    """The plan that a host is served.

    Args:
        plan: The plan of the host's release.
        operations: Those in force; expired ones are the caller's to leave out. Those for other hosts, and of other
            kinds than these change nothing. Of several prepends of one announcement the longest holds.
        now: At which moment: a drain may begin gracefully. Without one, as it will be when that is over.

    Returns:
        The same plan where nothing is changed, else a new one with a digest of its own.

    Raises:
        Refused: One says nothing that can be understood: it must not be taken for no drain, nor for one of all.
    """
    changed = {**_announcing(plan, operations, now), **_balancing(plan, operations)}
    if not changed:
        return plan
    return seal({**{key: value for key, value in plan.document.items() if key != "digest"}, **changed})


def _announcing(plan: Plan, operations: Sequence[Operation], now: datetime | None) -> dict[str, BirdSection]:
    section = plan.bird
    drains = [drain.at(now) for drain in _drains(operations) if drain.concerns(plan.document["labels"])]
    if section is None or not drains:
        return {}
    drained = _drained(section, drains)
    return {} if drained == section else {"bird": drained}


def _balancing(plan: Plan, operations: Sequence[Operation]) -> dict[str, XdpSection]:
    section: XdpSection | None = plan.document.get("xdp")
    balancing = section.get("balancing") if section else None
    if section is None or balancing is None:
        return {}
    changed = weighed(balancing, operations)
    return {} if changed == balancing else {"xdp": {**section, "balancing": changed}}


def _drains(operations: Sequence[Operation]) -> Iterator[Drain]:
    for operation in operations:
        if operation.kind == "drain":
            yield _drain(operation)


def _drain(operation: Operation) -> Drain:
    name, target, settings = operation.id, operation.target, operation.settings
    unknown = sorted(set(target) - {*LABELS, *SELECTS})
    if unknown or not target or not all(isinstance(value, str) and value for value in target.values()):
        what = f"'{unknown[0]}'" if unknown else "a target without a value"
        raise Refused(f"Drain {name} cannot be composed with a plan: {what} chooses nothing. End it and begin another.")
    how, times, gracefully = settings.get("how"), settings.get("times", 0), settings.get("gracefully", 0)
    wrong = how not in HOWS or not _whole(gracefully) or gracefully < 0 or (gracefully and how != "withdraw")
    if wrong or (how == "prepend" and not (_whole(times) and times > 0)):
        what = "its 'how' is none of withdraw, graceful, and prepend with times"
        raise Refused(f"Drain {name} cannot be composed with a plan: {what}. End it and begin another.")
    return Drain(dict(target), str(how), times if how == "prepend" else 0, operation.created_at, gracefully)


def _whole(times: Any) -> bool:
    return isinstance(times, int) and not isinstance(times, bool)


def _drained(section: BirdSection, drains: Sequence[Drain]) -> BirdSection:
    neighbors = [_neighbor(neighbor, drains) for neighbor in section["neighbors"]]
    # As in `bird.compile`: what no neighbor is told any more has no route on the host either, and goes first.
    announced = {export["service"] for neighbor in neighbors for export in neighbor["export"]}
    announced |= {one["of"] for one in section.get("aggregates", []) if one["name"] in announced}
    aggregates = [one for one in section.get("aggregates", []) if one["name"] in announced]
    services = [service for service in section["services"] if service["name"] in announced]
    drained: BirdSection = {**section, "services": services, "neighbors": neighbors}
    if "aggregates" in section:
        drained["aggregates"] = aggregates
    return drained


def _neighbor(neighbor: Neighbor, drains: Sequence[Drain]) -> Neighbor:
    kept = []
    for export in neighbor["export"]:
        hit = [drain for drain in drains if drain.hits(neighbor["name"], export["service"])]
        if not any(drain.how == "withdraw" for drain in hit):
            kept.append(_last_choice(export, hit))
    drained: Neighbor = {**neighbor, "export": kept}
    if neighbor["role"] != "ibgp" and any(drain.shuns(neighbor["name"]) for drain in drains):
        # Our own traffic leaves by others too; what they hear from us of its routes is the last choice with it.
        drained["import_"] = {**neighbor["import_"], "last_choice": True}
    return drained


def _last_choice(export: Export, drains: Sequence[Drain]) -> Export:
    communities = export["communities"]
    if any(drain.how == "graceful" for drain in drains):
        communities = sorted({*communities, GRACEFUL_SHUTDOWN})
    more = max((drain.times for drain in drains), default=0)
    prepend = max(min(export["prepend"] + more, MOST_PREPENDS), export["prepend"])
    return {**export, "communities": communities, "prepend": prepend}
