"""``routing.meshes``: sessions between our own routers, worked out from the fleet instead of written one by one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.policy.importing import Import
from tidegate.policy.passing import Export
from tidegate.policy.selectors import Match, Role
from tidegate.policy.sessions import SessionOptions
from tidegate.policy.strict import Name

OUTSIDE: tuple[Role, ...] = ("provider", "customer", "peer", "rs", "rs-client")
"""Roles of neighbors that are not our own routers."""


class Mesh(SessionOptions):
    """Sessions of role ibgp between the matched hosts: each with each, or each with the reflectors (RFC 4456).

    There is a session for each family of which both hosts have an address on the interface `source`; its name is the
    mesh's, the other host's and the family's.
    """

    match: Match = Field(description="The hosts that belong to it.")
    within: Literal["pop", "region", "fleet"] = Field(
        description="How far it reaches: hosts of one PoP have sessions with each other, or of one region, or all."
    )
    source: Name = Field(
        description="The interface, such as a loopback, whose first address of each family the sessions run between."
    )
    reflectors: Match | None = Field(
        default=None,
        description="The hosts among them that reflect; then the others have sessions with these alone. Every host "
        "with every other unless stated.",
    )
    import_: Import = Field(default_factory=Import, alias="import", description="What is accepted from each other.")
    export: Export = Field(
        default_factory=lambda: Export(learned=OUTSIDE),
        description="What each tells the others besides our services: all that it has learned outside unless stated.",
    )
