"""How a policy speaks of packets: protocols, ports and DSCP by name or number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from tidegate.policy.errors import suggest, unlike
from tidegate.policy.strict import Several, one_or_more

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58}
"""IANA protocol numbers of the names a policy may use; any other protocol goes by its number."""

WITH_PORTS = frozenset({6, 17})
"""The protocols whose ports the data path reads."""

ICMP, ICMPV6 = 1, 58

TCP, UDP = 6, 17

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128}
"""RFC 9293, section 3.1; RFC 3168."""

ICMP_TYPES: dict[str, dict[int, int]] = {
    "echo-reply": {ICMP: 0, ICMPV6: 129},
    "unreachable": {ICMP: 3, ICMPV6: 1},
    "redirect": {ICMP: 5, ICMPV6: 137},
    "echo-request": {ICMP: 8, ICMPV6: 128},
    "time-exceeded": {ICMP: 11, ICMPV6: 3},
    "parameter-problem": {ICMP: 12, ICMPV6: 4},
    "timestamp-request": {ICMP: 13},
    "packet-too-big": {ICMPV6: 2},
    "router-solicitation": {ICMPV6: 133},
    "router-advertisement": {ICMPV6: 134},
    "neighbor-solicitation": {ICMPV6: 135},
    "neighbor-advertisement": {ICMPV6: 136},
}
"""Type numbers by protocol (RFC 792, RFC 4443, RFC 4861)."""

PARTS = ("whole", "first", "later")

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


def _flags(text: str) -> tuple[int, int]:
    """``syn,!ack`` as (flags that are set, flags that are looked at)."""
    if isinstance(text, tuple):
        return text
    words = [word.strip() for word in text.split(",")] if isinstance(text, str) else []
    if words == ["none"]:
        return 0, 255
    bare = [word.removeprefix("!") for word in words]
    if not words or any(word not in TCP_FLAGS for word in bare):
        raise unlike("TCP flags such as 'syn,!ack', or none", f"Flags: {', '.join(TCP_FLAGS)}; '!' means not set.")
    if len(set(bare)) < len(bare):
        raise unlike("each flag once")
    value = sum(TCP_FLAGS[word] for word in words if not word.startswith("!"))
    return value, sum(TCP_FLAGS[word] for word in bare)


def _icmp(value: Any) -> int | str:
    if isinstance(value, str):
        if value in ICMP_TYPES:
            return value
        raise unlike("an ICMP type by name, or its number from 0 to 255", suggest(value, ICMP_TYPES))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise unlike("an ICMP type by name, or its number from 0 to 255", f"Names: {', '.join(ICMP_TYPES)}.")


def _lengths(value: Any) -> tuple[int, int]:
    try:
        return _ports(value)
    except ValueError:
        raise unlike("a length in bytes such as 1500, or a range such as '1-64'") from None


def flags_words(value: int, mask: int) -> str:
    """TCP flags as a policy writes them."""
    names = [("" if value & bit else "!") + name for name, bit in TCP_FLAGS.items() if mask & bit]
    return ",".join(names) if value or mask != 255 else "none"


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
_FLAGS = {"type": "string", "pattern": "^(none|!?[a-z]{3}(, ?!?[a-z]{3})*)$"}
_ICMP = {"anyOf": [{"enum": sorted(ICMP_TYPES)}, {"type": "integer", "minimum": 0, "maximum": 255}]}

TcpFlags = Annotated[
    tuple[Annotated[tuple[int, int], BeforeValidator(_flags)], ...], Several, WithJsonSchema(one_or_more(_FLAGS))
]
IcmpTypes = Annotated[
    tuple[Annotated[int | str, BeforeValidator(_icmp)], ...], Several, WithJsonSchema(one_or_more(_ICMP))
]
Parts = Annotated[
    tuple[Literal["whole", "first", "later"], ...], Several, WithJsonSchema(one_or_more({"enum": list(PARTS)}))
]
Lengths = Annotated[
    tuple[Annotated[tuple[int, int], BeforeValidator(_lengths)], ...], Several, WithJsonSchema(one_or_more(_PORT))
]
Dscp = Annotated[
    tuple[Annotated[int, BeforeValidator(_dscp)], ...],
    AfterValidator(lambda values: tuple(sorted(set(values)))),
    Several,
    WithJsonSchema(one_or_more(_DSCP)),
]
