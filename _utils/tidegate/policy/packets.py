"""How a policy speaks of packets: protocols, ports and DSCP by name or number."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from tidegate.policy.errors import suggest, unlike
from tidegate.policy.strict import Several, one_or_more

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58}
"""IANA protocol numbers of the names a policy may use; any other protocol goes by its number."""

WITH_PORTS = frozenset({6, 17})
"""The protocols whose ports the data path reads."""

ICMP, ICMPV6 = 1, 58

DSCP = {
    **{f"cs{class_}": class_ << 3 for class_ in range(8)},
    **{f"af{class_}{drop}": class_ << 3 | drop << 1 for class_ in range(1, 5) for drop in range(1, 4)},
    "ef": 46,
    "va": 44,
    "le": 1,
}
"""RFC 2474, 2597, 3246, 5865, 8622."""


def _protocol(value: Any) -> int:
    if isinstance(value, str):
        if value in PROTOCOLS:
            return PROTOCOLS[value]
        raise unlike("a protocol name or its number from 0 to 255", suggest(value, PROTOCOLS))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise unlike("a protocol name or its number from 0 to 255", f"Names: {', '.join(PROTOCOLS)}.")


def _ports(value: Any) -> tuple[int, int]:
    """One port or a range, as (first, last)."""
    if isinstance(value, tuple) and len(value) == 2:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        first = last = value
    elif isinstance(value, str) and (parts := value.split("-")) and len(parts) <= 2 and all(map(_digits, parts)):
        first, last = int(parts[0]), int(parts[-1])
    else:
        raise unlike("a port such as 443, or a range such as '1024-65535'")
    if not (0 <= first <= 65535 and 0 <= last <= 65535):
        raise unlike("ports from 0 to 65535")
    if first > last:
        raise unlike("a range whose first port is not above its last", f"Did you mean '{last}-{first}'?")
    return first, last


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _dscp(value: Any) -> int:
    if isinstance(value, str):
        if value.lower() in DSCP:
            return DSCP[value.lower()]
        raise unlike("a DSCP name such as cs6, af41 or ef, or its number", suggest(value.lower(), DSCP))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 63:
        return value
    raise unlike("a DSCP name such as cs6, af41 or ef, or a number from 0 to 63")


def name_of(protocol: int) -> str:
    """A protocol's name, or its number as text."""
    return next((name for name, number in PROTOCOLS.items() if number == protocol), str(protocol))


def dscp_name(value: int) -> str:
    """A DSCP's name, or its number as text."""
    return next((name for name, number in DSCP.items() if number == value), str(value))


_PORT = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, {"type": "string", "pattern": "^[0-9]+-[0-9]+$"}]
}
_DSCP = {"anyOf": [{"enum": sorted(DSCP)}, {"type": "integer", "minimum": 0, "maximum": 63}]}

Protocol = Annotated[
    int,
    BeforeValidator(_protocol),
    WithJsonSchema({"anyOf": [{"enum": sorted(PROTOCOLS)}, {"type": "integer", "minimum": 0, "maximum": 255}]}),
]
Ports = Annotated[
    tuple[Annotated[tuple[int, int], BeforeValidator(_ports)], ...], Several, WithJsonSchema(one_or_more(_PORT))
]
DscpValue = Annotated[int, BeforeValidator(_dscp), WithJsonSchema(_DSCP)]
Dscp = Annotated[
    tuple[Annotated[int, BeforeValidator(_dscp)], ...],
    AfterValidator(lambda values: tuple(sorted(set(values)))),
    Several,
    WithJsonSchema(one_or_more(_DSCP)),
]
