"""``shaping``: one HTB tree per interface and way: who goes first, what each class is sure of and may have at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.filtering import Targets
from tidegate.policy.packets import Dscp, DscpValue, Ports, Protocol
from tidegate.policy.rates import Rate, Share, bits
from tidegate.policy.selectors import Match, Names
from tidegate.policy.strict import Listed, Name, Several, Strict, one_or_more, spelt

Vlans = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4094)], ...],
    Several,
    WithJsonSchema(one_or_more({"type": "integer", "minimum": 1, "maximum": 4094})),
]
"""VLAN ids (IEEE 802.1Q: 0 means no VLAN, 4095 is reserved)."""
Marks = Annotated[
    tuple[Annotated[int, Field(ge=0, le=0xFFFFFFFF)], ...],
    Several,
    WithJsonSchema(one_or_more({"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF})),
]
Cgroup = Annotated[str, spelt(r"(/[A-Za-z0-9_.@:-]*[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]*)+", "a path such as /system.slice")]
Time = Annotated[str, spelt(r"[1-9][0-9]{0,6}(us|ms|s)", "a time such as 5ms")]


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

    vlan: Vlans | None = Field(default=None, description="The id of the outermost VLAN tag, or a list.")
    fwmark: Marks | None = Field(default=None, description="The firewall's mark of a packet, or a list.")
    from_interface: Names | None = Field(
        default=None, description="By which of the host's interfaces a forwarded packet came in: a name, or a list."
    )
    cgroup: Cgroup | None = Field(
        default=None, description="The cgroup (version 2) of the sending process itself, as /system.slice/x.service."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(value is None for _, value in self):
            raise unlike("at least one condition", "What no other class matches goes to the default class.")
        return self


class Leaf(Strict):
    """How a class queues its packets; what is not stated is the kernel's default for the discipline."""

    kind: Literal["pfifo", "bfifo", "fq", "fq_codel", "cake"] = Field(
        description="The queueing discipline; a host whose kernel lacks it refuses the plan."
    )
    limit: int | None = Field(default=None, ge=1, le=2**31, description="Packets it holds; bytes for bfifo.")
    flows: int | None = Field(default=None, ge=1, le=65536, description="fq_codel: how many flows are told apart.")
    flow_limit: int | None = Field(default=None, ge=1, le=2**31, description="fq: packets of one flow.")
    target: Time | None = Field(default=None, description="fq_codel: the delay that is fine to stand.")
    interval: Time | None = Field(default=None, description="fq_codel: over which time the delay is judged.")
    ecn: bool | None = Field(default=None, description="fq_codel: mark instead of drop where the flow can take it.")
    rtt: Time | None = Field(default=None, description="cake: the round-trip time that it is tuned for.")
    diffserv: Literal["besteffort", "diffserv3", "diffserv4", "diffserv8"] | None = Field(
        default=None, description="cake: into how many tins DSCP sorts."
    )
    isolation: (
        Literal["flowblind", "srchost", "dsthost", "hosts", "flows", "dual-srchost", "dual-dsthost", "triple-isolate"]
        | None
    ) = Field(default=None, description="cake: between whom it is fair.")
    ack_filter: bool | None = Field(default=None, description="cake: drop acknowledgements that later ones repeat.")

    @model_validator(mode="after")
    def _options_of_its_kind(self) -> Self:
        for name, value in self:
            if name != "kind" and value is not None and name not in LEAF_OPTIONS[self.kind]:
                known = ", ".join(LEAF_OPTIONS[self.kind])
                raise unlike(f"options of {self.kind}: {known}", f"{self.kind} has no '{name}'.")
        return self


LEAF_OPTIONS: dict[str, tuple[str, ...]] = {
    "pfifo": ("limit",),
    "bfifo": ("limit",),
    "fq": ("limit", "flow_limit"),
    "fq_codel": ("limit", "flows", "target", "interval", "ecn"),
    "cake": ("rtt", "diffserv", "isolation", "ack_filter"),
}
"""What each discipline can be told (tc-fifo(8), tc-fq(8), tc-fq_codel(8), tc-cake(8)); cake's rate is its class's."""


class TrafficClass(Strict):
    """One class of a tree: a leaf that packets wait in, or, with `classes`, a part of the tree of its own."""

    priority: int = Field(ge=0, le=7, description="Who is offered spare rate first: 0 before 7.")
    guarantee: Share = Field(description="What it has under any load: a rate, or a percentage of what is above it.")
    ceiling: Share = Field(
        default="100%", description="What it may have at most: a rate, or a percentage of what is above it."
    )
    burst: Time | None = Field(
        default=None,
        description="How much it may send at once, as time at its rate; 1ms unless stated, 50ms where it is policed.",
    )
    default: bool = Field(default=False, description="Whether it takes what no class matches; true for exactly one.")
    set_dscp: DscpValue | None = Field(default=None, description="The DSCP that its packets leave with.")
    leaf: Leaf | None = Field(default=None, description="How it queues; a plain first-in, first-out unless stated.")
    match: Listed[Traffic] = Field(
        default=(), description="Which packets belong to it; classes are asked in order of priority."
    )
    classes: dict[Name, TrafficClass] = Field(
        default_factory=dict, description="Its own classes by name; it then holds no packets itself."
    )

    def guarantee_bits(self, whole: int) -> int:
        """The guarantee in bit/s below something of ``whole`` bit/s."""
        return bits(self.guarantee, whole)

    def ceiling_bits(self, whole: int) -> int:
        """The ceiling in bit/s below something of ``whole`` bit/s."""
        return bits(self.ceiling, whole)

    @property
    def choosy(self) -> bool:
        """Whether it is a part of the tree with addresses of its own, such as a customer."""
        return bool(self.classes and self.match)


class Profile(Strict):
    """Classes that are written once and used by many trees."""

    rates: dict[Name, Rate] = Field(
        default_factory=dict, description="The interface's rate by the host's class; a tree's own `rate` goes before."
    )
    classes: dict[Name, TrafficClass] = Field(description="Its classes by name.", min_length=1)


class Tree(Strict):
    """The tree of one interface, for one direction, on the matched hosts."""

    match: Match = Field(description="The hosts whose interface is shaped.")
    interface: Name = Field(description="The interface that is shaped.")
    direction: Literal["out", "in"] = Field(
        default="out",
        description="Which of its packets: those it sends, or those that come in, which then pass an ifb."
        " An interface may have one tree for each.",
    )
    method: Literal["shape", "police"] = Field(
        default="shape",
        description="How rates are kept. shape: packets wait for their turn. police, only with direction in: nothing"
        " waits, and what is beyond its rate is dropped where it comes in; for hosts without ifb.",
    )
    rate: Rate | None = Field(
        default=None,
        description="The rate of the whole interface, such as 10gbit; keep it below the link's own."
        " Required unless the profile has rates.",
    )
    profile: Name | None = Field(default=None, description="The profile, under `shaping_profiles`, with the classes.")
    classes: dict[Name, TrafficClass] = Field(
        default_factory=dict, description="Its classes by name; required unless there is a profile."
    )
    queues: int | None = Field(
        default=None,
        ge=2,
        le=64,
        description="How many of the interface's transmit queues have a tree each, for many classes and fast links."
        " Each class stands in one of them by its name, whole, and lends nothing to those in others; the rate is"
        " divided among the queues by the guarantees in them. One tree for the whole interface unless stated.",
    )
    adopt: bool = Field(
        default=False, description="Whether a root qdisc (or ifb) that somebody else put there may be taken over."
    )

    @model_validator(mode="after")
    def _classes_once(self) -> Self:
        if bool(self.classes) == (self.profile is not None):
            raise unlike("either classes or a profile")
        if self.rate is None and self.profile is None:
            raise unlike("a rate beside the classes, such as rate: 10gbit")
        return self


def walk(
    classes: dict[str, TrafficClass], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], TrafficClass]]:
    """Every class with its path of names, parents first, in the order in which they are asked."""
    for name, class_ in sorted(classes.items(), key=lambda item: (item[1].priority, item[0])):
        yield (*above, name), class_
        yield from walk(class_.classes, (*above, name))


def classes_of(tree: Tree, profiles: dict[str, Profile]) -> dict[str, TrafficClass]:
    """The classes of a tree: its own or its profile's; none where there is no such profile."""
    if tree.profile is None:
        return tree.classes
    return profiles[tree.profile].classes if tree.profile in profiles else {}


def rate_of(tree: Tree, profiles: dict[str, Profile], host_class: str) -> int | None:
    """The interface's rate in bit/s on hosts of a class, ``None`` if nothing says it."""
    profile = profiles.get(tree.profile or "")
    rate = tree.rate or (profile.rates.get(host_class) if profile else None)
    return bits(rate, 0) if rate else None
