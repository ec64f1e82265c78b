"""The policy as a whole, and what is worked out from it once and then used for every host."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field

from tidegate.policy.balancing import Balancing
from tidegate.policy.filtering import Filtering
from tidegate.policy.fleet import Fleet
from tidegate.policy.index import Index
from tidegate.policy.rollout import Rollout
from tidegate.policy.routing import Routing
from tidegate.policy.shaping import Profile, Tree
from tidegate.policy.strict import Listed, Name, Strict


class Policy(Strict):
    """What the fleet is to do with traffic."""

    fleet: Fleet = Field(description="Regions, PoPs and hosts.")
    routing: Routing | None = Field(
        default=None, description="BGP: services, neighbors, announcements. Without it BIRD is left alone."
    )
    filtering: Filtering = Field(default_factory=Filtering, description="What is dropped in front of a host.")
    balancing: Balancing = Field(
        default_factory=Balancing, description="Which addresses are balanced over which servers."
    )
    shaping: Listed[Tree] = Field(default=(), description="Whose packets go first on which interface.")
    shaping_profiles: dict[Name, Profile] = Field(
        default_factory=dict, description="Classes that are written once, for the trees under `shaping`."
    )
    rollout: Rollout | None = Field(
        default=None, description="In which waves a release reaches the fleet; sensible ones unless stated."
    )

    @cached_property
    def index(self) -> Index:
        """Who is matched by what, and what targets stand for."""
        return Index(self)
