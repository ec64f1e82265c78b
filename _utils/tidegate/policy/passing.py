"""``routing.neighbors.*.export``: what a neighbor is told besides our services."""

from __future__ import annotations

from pydantic import Field

from tidegate.policy.importing import MaxPrefix
from tidegate.policy.selectors import Roles
from tidegate.policy.strict import Strict


class Export(Strict):
    """What a neighbor is told besides our services: nothing, unless stated."""

    learned: Roles | None = Field(
        default=None,
        description="Of which roles' routes it is told, none unless stated. Providers, peers and route servers can be "
        "told of customers' alone.",
    )
    default_route: bool = Field(
        default=False, description="Whether we announce a default route to it; for customers and our own routers."
    )
    max_prefix: MaxPrefix | None = Field(
        default=None, description="A bound on the routes it is told; none unless stated."
    )
