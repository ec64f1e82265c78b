"""``routing.actions``: communities by which customers say what becomes of their routes further on."""

from __future__ import annotations

from pydantic import Field, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.importing import Community, LargeCommunity
from tidegate.policy.selectors import Recipients
from tidegate.policy.strict import Strict


class Action(Strict):
    """What a community on a customer's route asks for, towards some of our neighbors."""

    community: Community | None = Field(default=None, description="A community (RFC 1997), such as '64500:3001'.")
    large_community: LargeCommunity | None = Field(
        default=None, description="A large community (RFC 8092), such as '64500:9:3356'."
    )
    to: Recipients = Field(description="Towards which neighbors it holds.")
    refuse: bool = Field(default=False, description="Whether a route that carries it is not told to them.")
    prepend: int | None = Field(
        default=None, ge=1, le=10, description="How many times our AS number is added to the path of such a route."
    )
    no_export: bool = Field(
        default=False, description="Whether it is told with no-export, for them alone and nobody behind them."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.community is None) == (self.large_community is None):
            raise unlike("exactly one of community and large_community")
        if not (self.refuse or self.prepend or self.no_export):
            raise unlike("refuse, prepend or no_export")
        if self.refuse and (self.prepend or self.no_export):
            raise unlike("refuse alone", "What is not told cannot be told otherwise.")
        return self
