"""A matcher in a few words, the same for filter rules and shaping classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tidegate.bpf.section import Matcher, PortRange
from tidegate.policy.packets import dscp_name, flags_words, name_of
from tidegate.tc.section import ClassMatcher

MOST_PREFIXES = 3
"""Longer lists are cut, with the number of those left out."""


def words(matcher: Matcher) -> str:
    """What has to hold: ``udp from 192.0.2.0/24 port 53``; ``anything`` if nothing has to."""
    parts = [name_of(matcher["protocol"])] if matcher["protocol"] is not None else []
    parts += _end("from", matcher["source"], matcher["source_port"])
    parts += _end("to", matcher["destination"], matcher["destination_port"])
    if matcher["dscp"] is not None:
        parts.append(f"dscp {_several([dscp_name(value) for value in matcher['dscp']])}")
    parts += _keys(cast("ClassMatcher", matcher))
    if (flags := matcher.get("tcp_flags")) is not None:
        parts.append(f"flags {_several([flags_words(value, mask) for value, mask in flags])}")
    if (types := matcher.get("icmp_types")) is not None:
        parts.append(f"type {_several([str(kind) for kind in types])}")
    if (fragments := matcher.get("fragment")) is not None:
        parts.append(f"fragment {_several(fragments)}")
    if (lengths := matcher.get("length")) is not None:
        parts.append(f"length {_several([str(a) if a == b else f'{a}-{b}' for a, b in lengths])}")
    return " ".join(parts) or "anything"


def _keys(matcher: ClassMatcher) -> list[str]:
    """What only shaping classes ask."""
    parts = [f"by {_several(matcher['from_devices'])}"] if "from_devices" in matcher else []
    parts += [f"vlan {_several(list(map(str, matcher['vlan'])))}"] if "vlan" in matcher else []
    parts += [f"mark {_several(list(map(hex, matcher['fwmark'])))}"] if "fwmark" in matcher else []
    return parts + ([f"cgroup {matcher['cgroup']}"] if "cgroup" in matcher else [])


def _end(word: str, prefixes: list[str] | None, ports: list[PortRange] | None) -> list[str]:
    if prefixes is None and ports is None:
        return []
    parts = [word]
    if prefixes is not None:
        parts.append(_several(prefixes))
    if ports is not None:
        parts.append(f"port {_several([str(a) if a == b else f'{a}-{b}' for a, b in ports], len(ports))}")
    return parts


def _several(items: Sequence[str], most: int = MOST_PREFIXES) -> str:
    if not items:
        return "nothing"
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
