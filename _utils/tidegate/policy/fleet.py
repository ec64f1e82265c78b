"""``fleet``: regions, PoPs and hosts, and the labels by which everything else chooses hosts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tidegate.policy.addresses import InterfaceAddress, RouterId
from tidegate.policy.strict import Listed, Name, Strict, spelt

DEVICE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"
Device = Annotated[
    str,
    spelt(DEVICE, "a network device's name such as eth0, at most 15 characters"),
    WithJsonSchema({"type": "string", "pattern": f"^{DEVICE}$"}),
]
"""A network device's name: Linux allows 15 bytes (IFNAMSIZ)."""


class Pop(Strict):
    """A point of presence. It has no settings of its own yet: write ``lhr1: {}``."""


class Region(Strict):
    """PoPs that belong together."""

    pops: dict[Name, Annotated[Pop, BeforeValidator(lambda value: {} if value is None else value)]] = Field(
        description="The region's PoPs by name.", min_length=1
    )


class Interface(Strict):
    """One network interface of a host, under the name the policy uses for it (``uplink``)."""

    device: Device = Field(description="The device's name on the host, such as eth0.")
    addresses: Listed[InterfaceAddress] = Field(
        default=(),
        description="The host's own addresses on it, with prefix length; Tidegate reads them and never sets them.",
    )
    xdp: Literal["native", "generic"] = Field(
        default="native",
        description="How the filter attaches where a rule needs it; native is never downgraded silently.",
    )


class Host(Strict):
    """One edge host. Its name is the Salt minion id."""

    pop: Name = Field(description="The PoP it stands in.")
    role: Name = Field(description="What it is for, such as edge; a label for `match`.")
    class_: Name = Field(alias="class", description="Hardware and topology class; a label for `match`.")
    router_id: RouterId = Field(description="BGP identifier, unique in the fleet, written as an IPv4 address.")
    interfaces: dict[Name, Interface] = Field(
        description="Its interfaces by the policy's names for them.", min_length=1
    )


class Fleet(Strict):
    """Where the hosts are and what they are."""

    regions: dict[Name, Region] = Field(description="Regions by name.")
    hosts: dict[Name, Host] = Field(description="Hosts by minion id.")
