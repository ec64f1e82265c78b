"""``shaping``: one HTB tree per interface: who goes first, what each class is sure of, and what it may have at most."""

from __future__ import annotations

from pydantic import Field, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.filtering import Targets
from tidegate.policy.packets import Dscp, Ports, Protocol
from tidegate.policy.rates import Rate, Share, bits
from tidegate.policy.selectors import Match
from tidegate.policy.strict import Listed, Name, Strict


class Traffic(Strict):
    """Which packets belong to a class: all conditions of an entry must hold, and one entry must match."""

    dscp: Dscp | None = Field(default=None, description="DSCP by name (cs6, af41, ef) or number, or a list.")
    protocol: Protocol | None = Field(default=None, description="tcp, udp, icmp, icmpv6, gre or a number.")
    port: Ports | None = Field(
        default=None, description="A port on either side; counts as two entries. Needs tcp or udp."
    )
    source_port: Ports | None = Field(
        default=None, description="A port, a range 'a-b', or a list of them; needs tcp or udp."
    )
    destination_port: Ports | None = Field(
        default=None, description="A port, a range 'a-b', or a list of them; needs tcp or udp."
    )
    source: Targets | None = Field(default=None, description="Where packets come from: sets, services, prefixes.")
    destination: Targets | None = Field(default=None, description="Where packets go to: sets, services, prefixes.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(value is None for _, value in self):
            raise unlike("at least one condition", "What no other class matches goes to the default class.")
        return self


class TrafficClass(Strict):
    """One class of an interface's tree."""

    priority: int = Field(ge=0, le=7, description="Who is offered spare rate first: 0 before 7.")
    guarantee: Share = Field(description="What it has under any load: a rate, or a percentage of the interface's.")
    ceiling: Share = Field(
        default="100%", description="What it may have at most: a rate, or a percentage of the interface's."
    )
    default: bool = Field(default=False, description="Whether it takes what no class matches; true for exactly one.")
    match: Listed[Traffic] = Field(
        default=(), description="Which packets belong to it; classes are asked in order of priority."
    )

    def guarantee_bits(self, whole: int) -> int:
        """The guarantee in bit/s on an interface of ``whole`` bit/s."""
        return bits(self.guarantee, whole)

    def ceiling_bits(self, whole: int) -> int:
        """The ceiling in bit/s on an interface of ``whole`` bit/s."""
        return bits(self.ceiling, whole)


class Tree(Strict):
    """The tree of one interface on the matched hosts."""

    match: Match = Field(description="The hosts whose interface is shaped.")
    interface: Name = Field(description="The interface that is shaped, in the sending direction.")
    rate: Rate = Field(description="The rate of the whole interface, such as 10gbit; keep it below the link's own.")
    classes: dict[Name, TrafficClass] = Field(description="Its classes by name.", min_length=1)

    @property
    def rate_bits(self) -> int:
        """The interface's rate in bit/s."""
        return bits(self.rate, 0)
