"""What hosts say of themselves, before a rollout touches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.rollout.fleet import Fleet
from tidegate.rollout.patience import patience

_LACKING = "is not available"
"""What Salt says of a function that a minion does not have."""


def reports(fleet: Fleet, hosts: Sequence[str]) -> dict[str, Any]:
    """Host → its ``traffic.report``; who is silent is missing.

    A minion that never had a highstate does not have the function yet: it is given the modules and asked again.
    """
    if not hosts:
        return {}
    told = fleet.ask("traffic.report", hosts, {}, patience(len(hosts)))
    lacking = [host for host, answer in told.items() if _lacks(answer)]
    if lacking:
        fleet.ask("saltutil.sync_all", lacking, {}, patience(len(lacking)))
        told = {**told, **fleet.ask("traffic.report", lacking, {}, patience(len(lacking)))}
    return told


def _lacks(answer: Any) -> bool:
    return not isinstance(answer, Mapping) and _LACKING in str(answer)
