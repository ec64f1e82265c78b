"""How a session is kept, as the plan has it: only what the policy says, so that a plan stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.policy import routing

DEFAULTS: dict[str, Any] = {
    "hold_time": None,
    "keepalive": None,
    "passive": False,
    "ttl_security": False,
    "multihop": None,
    "extended_next_hop": False,
    "add_paths": "none",
    "graceful_restart": "aware",
    "stale_time": None,
    "reflected": False,
}
"""Options that the plan has as the policy has them, and what each says by saying nothing."""


def options(neighbor: routing.Neighbor) -> dict[str, Any]:
    """The options that say something."""
    found = {key: getattr(neighbor, key) for key, default in DEFAULTS.items() if getattr(neighbor, key) != default}
    if neighbor.password:
        found["password"] = {"secret": neighbor.password.secret}
    if neighbor.keys:
        found["keys"] = [key.model_dump() for key in sorted(neighbor.keys, key=lambda key: key.id)]
    if neighbor.bfd is True:
        found["bfd"] = {"interval": 300, "multiplier": 3}
    elif neighbor.bfd:
        found["bfd"] = neighbor.bfd.model_dump()
    if neighbor.vrf:
        found["vrf"] = neighbor.vrf.model_dump()
    return found
