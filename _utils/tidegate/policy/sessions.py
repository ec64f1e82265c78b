"""How a BGP session is kept: timers, keys, BFD, restarts, capabilities. The same for neighbors, templates, meshes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.fleet import Device
from tidegate.policy.strict import Listed, Name, Several, Strict, one_or_more, spelt

SECRET = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,95}"
SecretName = Annotated[
    str,
    spelt(SECRET, "the name of a secret such as bgp/lhr1-transit: letters, digits, '_', '.', '/' and '-'"),
    WithJsonSchema({"type": "string", "pattern": f"^{SECRET}$"}),
]
Family = Literal["ipv4", "ipv6"]
Families = Annotated[tuple[Family, ...], Several, WithJsonSchema(one_or_more({"enum": ["ipv4", "ipv6"]}))]
Algorithm = Literal["cmac aes128", "hmac sha1", "hmac sha256", "hmac sha384", "hmac sha512"]


class SecretReference(Strict):
    """The name of a secret; the minion looks its value up in its own pillar (`traffic_secrets`)."""

    secret: SecretName = Field(
        description="Key under `traffic_secrets` in the minion's pillar, such as bgp/lhr1-transit."
    )


class Key(Strict):
    """One TCP-AO key. Both ends know it by its number."""

    id: int = Field(ge=0, le=255, description="Its number (KeyID), the same on both ends.")
    secret: SecretName = Field(description="Key under `traffic_secrets` in the minion's pillar.")
    algorithm: Algorithm = Field(default="hmac sha1", description="How packets are signed (RFC 5926 and later).")
    use: Literal["preferred", "normal", "deprecated"] = Field(
        default="normal",
        description="`preferred` asks the other end to sign with it, `deprecated` only accepts it still. To roll over: "
        "add the new key on both ends, prefer it, take the old one out once nobody signs with it.",
    )


class Bfd(Strict):
    """Bidirectional Forwarding Detection (RFC 5880) with the neighbor."""

    interval: int = Field(default=300, ge=10, le=60000, description="Milliseconds between packets, in both directions.")
    multiplier: int = Field(default=3, ge=2, le=255, description="How many lost packets end the session.")


class Vrf(Strict):
    """A VRF on the host: sessions in it exchange routes with each other alone, and learn into its kernel table."""

    device: Device = Field(description="The VRF's device on the host.")
    table: int = Field(ge=1, le=2**32 - 1, description="The VRF's kernel table.")

    @model_validator(mode="after")
    def _free(self) -> Self:
        if self.table in RESERVED_TABLES:
            raise unlike("a table of its own", f"{self.table} has a meaning already.")
        return self


RESERVED_TABLES = (253, 254, 255, 4210)
"""The kernel's default, main and local tables, and the one of the services' routes."""


class SessionOptions(Strict):
    """How a session is kept."""

    password: SecretReference | None = Field(default=None, description="TCP MD5 password (RFC 2385), by reference.")
    keys: Listed[Key] = Field(
        default=(), max_length=8, description="TCP-AO keys (RFC 5925) instead of a password. Needs BIRD 2.17."
    )
    hold_time: int | None = Field(
        default=None, ge=3, le=65535, description="Seconds without a message until the session ends."
    )
    keepalive: int | None = Field(
        default=None, ge=1, le=65535, description="Seconds between keepalives; below the hold time."
    )
    bfd: Bfd | Literal[True] | None = Field(
        default=None, description="Whether BFD watches the neighbor: `true`, or with times of its own."
    )
    passive: bool = Field(default=False, description="Whether we wait for the neighbor to open the session.")
    ttl_security: bool = Field(
        default=False,
        description="Whether packets must have come no further than the link (GTSM, RFC 5082); the neighbor must do "
        "the same.",
    )
    multihop: int | None = Field(
        default=None,
        ge=2,
        le=255,
        description="How many hops away the neighbor may be; it must be on a common network unless stated. Our own "
        "routers may be anywhere.",
    )
    source: Name | None = Field(
        default=None,
        description="The interface whose address the session comes from, such as a loopback; the one towards the "
        "neighbor unless stated.",
    )
    interface: Name | None = Field(
        default=None, description="The interface that the neighbor is on; needed where its address is link-local."
    )
    families: Families | None = Field(
        default=None, description="Families of routes that the session carries; that of the address unless stated."
    )
    extended_next_hop: bool = Field(
        default=False,
        description="Whether IPv4 routes may have IPv6 next hops (RFC 8950), as where links have no IPv4.",
    )
    add_paths: Literal["both", "send", "receive", "none"] = Field(
        default="none", description="Whether all paths to a prefix are told, not the best alone (RFC 7911)."
    )
    graceful_restart: Literal["aware", "full", "none"] = Field(
        default="aware",
        description="Whether the neighbor keeps our routes while BIRD restarts (`full`, RFC 4724), we only keep its "
        "(`aware`), or neither.",
    )
    stale_time: int | None = Field(
        default=None,
        ge=1,
        le=2**24 - 1,
        description="Seconds for which routes are kept as the last choice after a graceful restart has failed (LLGR, "
        "RFC 9494); beside graceful_restart: full.",
    )
    vrf: Vrf | None = Field(default=None, description="The VRF that the session is in; none unless stated.")

    @model_validator(mode="after")
    def _agreed(self) -> Self:
        if self.password is not None and self.keys:
            raise unlike("password or keys, not both", "A session is signed in one way.")
        ids = [key.id for key in self.keys]
        if len(set(ids)) != len(ids):
            raise unlike("keys with numbers of their own")
        if sum(key.use == "preferred" for key in self.keys) > 1:
            raise unlike("at most one preferred key")
        if self.stale_time is not None and self.graceful_restart != "full":
            raise unlike("graceful_restart: full beside stale_time")
        if self.multihop is not None and self.ttl_security:
            raise unlike(
                "multihop or ttl_security, not both", "Packets that come no further than the link need no hops."
            )
        return self
