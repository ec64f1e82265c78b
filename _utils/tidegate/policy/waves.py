"""``rollout.waves``: how each wave chooses its hosts. `tidegate.rollout.waves` says which hosts that makes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from tidegate.policy.durations import Duration, between
from tidegate.policy.errors import unlike
from tidegate.policy.gates import Gate
from tidegate.policy.selectors import Match, Names
from tidegate.policy.strict import Listed, Name, Strict

Label = Literal["class", "region", "pop", "role"]
Unit = Literal["host", "pop", "region"]

Soak = Annotated[Duration, between("0s", "7d")]
Gates = Listed[Gate]

WAYS = ("one_per", "percent", "count", "hosts")
"""How a wave may choose. One of them, or none where ``match`` alone says which hosts."""

AS_LARGE_AS: dict[Label, tuple[Unit, ...]] = {"pop": ("pop", "region"), "region": ("region",), "class": (), "role": ()}
"""For each label, the units of which every value would need a whole one: a wave of these is all hosts."""


class WaveRule(Strict):
    """How one wave chooses from the hosts that no wave before it has."""

    name: Name = Field(description="Name of the wave, unique in the rollout.")
    one_per: Label | None = Field(
        default=None,
        description="One host, or one unit, of every value of this label: class, region, pop or role. "
        "Hosts are chosen so that one like them stays behind to be compared with.",
    )
    percent: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="How much of the whole (all hosts, or all that match) has the release after this wave: "
        "waves before it are counted in.",
    )
    count: int | None = Field(default=None, ge=1, description="How many more hosts, or units, this wave takes.")
    unit: Unit = Field(
        default="host", description="What is counted and taken whole by one_per, percent and count: host, pop, region."
    )
    match: Match | None = Field(
        default=None, description="Which hosts the wave may take; alone, it takes all of them that are left."
    )
    hosts: Names | None = Field(
        default=None, description="Exactly these hosts; no other wave takes them, whatever it would choose."
    )

    soak: Soak | None = Field(
        default=None, description="How long this wave's gates must be seen to pass; the rollout's unless stated."
    )
    gates: Gates | None = Field(
        default=None,
        description="The gates of this wave instead of the rollout's: names of gates, or gates with their settings.",
    )

    @property
    def ways(self) -> list[str]:
        """The keys given that say how to choose, as they are written."""
        return [way for way in WAYS if getattr(self, way) is not None]

    @property
    def takes_the_rest(self) -> bool:
        """Whether it takes every host that is left: ``match: all`` and nothing else."""
        return not self.ways and self.match is not None and self.match.everything

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if len(self.ways) > 1:
            raise unlike(f"one of {', '.join(WAYS)}", f"This wave has {' and '.join(self.ways)}.")
        if not self.ways and self.match is None:
            expected = f"which hosts the wave takes: {', '.join(WAYS)} or match"
            raise unlike(expected, "'match: all' takes every host that is left.")
        if self.hosts is not None and self.match is not None:
            raise unlike("hosts or match", "A list of hosts is taken as it stands.")
        return self

    @model_validator(mode="after")
    def _unit_fits(self) -> Self:
        if "unit" in self.model_fields_set and (not self.ways or self.hosts is not None):
            raise unlike("unit beside one_per, percent or count", "Otherwise nothing is counted.")
        if self.one_per is not None and self.unit in AS_LARGE_AS[self.one_per]:
            hint = f"One {self.unit} for every {self.one_per} is the whole fleet."
            raise unlike(f"a unit smaller than what one_per names ({self.one_per})", hint)
        return self


DEFAULT_WAVES: tuple[WaveRule, ...] = (
    WaveRule(name="canary", one_per="class"),
    WaveRule(name="pop", one_per="region", unit="pop"),
    WaveRule(name="half", percent=50),
    WaveRule(name="all", match=Match.model_construct()),
)
"""The waves of a policy that has no ``rollout``. In a small fleet, those that would have no host are left out."""

EMERGENCY_WAVES: tuple[WaveRule, ...] = (DEFAULT_WAVES[0], DEFAULT_WAVES[-1])
"""The waves of an emergency where the policy names none: one host of every class is still first."""
