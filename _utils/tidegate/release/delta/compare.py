"""From two sets of plans to the delta between them. Pure; hosts whose digests agree are not looked into."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.host.plan import Plan
from tidegate.release.delta.adjustments import adjustments
from tidegate.release.delta.announcements import announcements
from tidegate.release.delta.filters import rules
from tidegate.release.delta.outcome import Delta, HostCounts
from tidegate.release.delta.reach import reach
from tidegate.release.delta.services import services
from tidegate.release.delta.sessions import sessions
from tidegate.release.delta.shaping import classes
from tidegate.release.delta.sides import Sides
from tidegate.release.delta.where import Labels


def delta(before: Mapping[str, Plan], after: Mapping[str, Plan]) -> Delta:
    """What will happen in the network when hosts go from one set of plans to the other.

    Args:
        before: Host → the plan it has.
        after: Host → the plan it is to have. A host that only one side has comes or goes.
    """
    labels = Labels(before, after)
    differing = [
        Sides(was, will)
        for host in sorted(before.keys() | after.keys())
        for was, will in [(before.get(host), after.get(host))]
        if was is None or will is None or was.document["digest"] != will.document["digest"]
    ]
    if not differing:
        return Delta(_hosts(before, after, differing, labels))
    told = announcements(differing, labels)
    peering = sessions(differing, labels)
    filtering = rules(differing, labels)
    shaping = classes(differing, labels)
    explained = {
        place.host for part in (told, peering, filtering, shaping) for one in part for place in one.where.places
    }
    return Delta(
        hosts=_hosts(before, after, differing, labels),
        services=services(reach(before), reach(after)),
        announcements=told,
        sessions=peering,
        rules=filtering,
        classes=shaping,
        adjustments=adjustments(differing, explained, labels),
    )


def _hosts(before: Mapping[str, Plan], after: Mapping[str, Plan], differing: list[Sides], labels: Labels) -> HostCounts:
    comes = [sides.place() for sides in differing if sides.before is None]
    goes = [sides.place() for sides in differing if sides.after is None]
    changed = [sides.place() for sides in differing if sides.before and sides.after]
    return HostCounts(
        before=len(before),
        after=len(after),
        unchanged=len(after) - len(comes) - len(changed),
        changed=labels.where(changed),
        comes=labels.where(comes),
        goes=labels.where(goes),
    )
