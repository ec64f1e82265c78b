"""Weights of backends by hand, put to the balancing part of a plan. Pure.

A backend gets another share of new flows than the policy says, or none while it keeps its old ones, on every balancer
that uses it. What the policy gives no weight stays out: an operation brings no server into a pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.balancing.section import Backend, Balancing, Service
from tidegate.host.errors import Refused

if TYPE_CHECKING:
    from tidegate.release.operations import Operation

MOST = 10_000
"""As much as a policy may say."""

DRAIN = "drain"
"""Instead of a number: no new flows, and the old ones stay."""


def weighed(balancing: Balancing, operations: Sequence[Operation]) -> Balancing:
    """The balancing part of a plan with the weights in force; of several for one backend the last begun holds.

    Args:
        balancing: As the release has it.
        operations: Those in force, oldest first; other kinds than ``weight`` change nothing.

    Raises:
        Refused: One says nothing that can be understood: it must not be taken for no weight, nor for one of all.
    """
    weights = [(operation.target, _weight(operation)) for operation in operations if operation.kind == "weight"]
    if not weights:
        return balancing
    return {**balancing, "services": [_service(service, weights) for service in balancing["services"]]}


def wrong(settings: Mapping[str, Any]) -> str | None:
    """Why these are no settings of a weight, or nothing."""
    value = settings.get("weight")
    if value == DRAIN or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST):
        return None
    return f"A weight is a number from 0 to {MOST}, or '{DRAIN}', not {value!r}."


def hits(target: Mapping[str, str], service: str, host: str) -> bool:
    """Whether a weight with this target is about a backend of a service."""
    return target["host"] == host and target.get("service", service) == service


def _weight(operation: Operation) -> Any:
    if set(operation.target) - {"host", "service"} or not operation.target.get("host") or wrong(operation.settings):
        raise Refused(f"Weight {operation.id} cannot be composed with a plan: end it and begin another.")
    return operation.settings["weight"]


def _service(service: Service, weights: Sequence[tuple[Mapping[str, str], Any]]) -> Service:
    backends = []
    for backend in service["backends"]:
        found = [weight for target, weight in weights if hits(target, service["name"], backend["host"])]
        backends += [backend] if not found else _backend(backend, found[-1])
    return {**service, "backends": backends}


def _backend(backend: Backend, weight: Any) -> list[Backend]:
    if weight == DRAIN:
        return [{**backend, "draining": True}]
    # As in `balancing.compile`: a weight of 0 is no backend at all.
    return [{**backend, "weight": weight}] if weight else []
