"""``routing.rpki``: the caches that say which network may announce what (RFC 6811), asked by RTR (RFC 8210)."""

from __future__ import annotations

from pydantic import Field

from tidegate.policy.addresses import Address
from tidegate.policy.selectors import Match
from tidegate.policy.strict import Name, Strict


class Cache(Strict):
    """One cache, and the hosts that ask it. A host with several joins what they say."""

    match: Match = Field(description="The hosts that ask it.")
    address: Address = Field(description="Its address.")
    port: int = Field(default=323, ge=1, le=65535, description="Its TCP port.")
    refresh: int = Field(default=900, ge=1, le=86400, description="Seconds between questions.")
    retry: int = Field(default=90, ge=1, le=7200, description="Seconds until a failed question is repeated.")
    expire: int = Field(
        default=7200,
        ge=600,
        le=172800,
        description="Seconds after which what a silent cache said is forgotten; from then on every route is unknown.",
    )


class Rpki(Strict):
    """Where routes' origins are looked up."""

    caches: dict[Name, Cache] = Field(min_length=1, description="Caches by name.")
