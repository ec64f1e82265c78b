"""The ``xdp`` section as the file a generation holds. Pure: the same section gives the same bytes.

Rules stay as the policy has them; the tables that the program looks up are made from them on the way into the
kernel (``bpf/matcher.py``), so the file stays small enough to read.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from tidegate.balancing.normal import normal
from tidegate.bpf.matcher import MAX_DEVICES, MAX_ENTRIES
from tidegate.bpf.prefixes import parse_prefix
from tidegate.host.errors import Refused
from tidegate.xdp.desired import FILE
from tidegate.xdp.section import Rule, XdpSection

FURTHER: tuple[Literal["tcp_flags", "icmp_types", "fragment", "length"], ...] = (
    "tcp_flags",
    "icmp_types",
    "fragment",
    "length",
)
GUARD: tuple[Literal["tracked", "drop_budget"], ...] = ("tracked", "drop_budget")
MAX_NAME = 63
"""Bytes of a rule's name: the kernel keeps it beside the rule's counter."""


def render(section: XdpSection) -> dict[str, str]:
    """``{"xdp.json": text}``, with the marker that names this content in the kernel.

    Raises:
        Refused: More rules or interfaces than the program has room for, a name too long for its counter, a rule on an
            interface that is not filtered, a prefix that is none.
    """
    _check(section)
    content: dict[str, Any] = {
        "interfaces": sorted(section["interfaces"], key=lambda interface: interface["device"]),
        "rules": [_normal(rule) for rule in section["rules"]],
        "management": {"neighbors": sorted(set(section["management"]["neighbors"]))},
    }
    if "balancing" in section:
        content["balancing"] = normal(section["balancing"])
    content.update({key: section[key] for key in GUARD if key in section})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    marker = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    return {FILE: json.dumps({"marker": marker, **content}, indent=1, ensure_ascii=False) + "\n"}


def _normal(rule: Rule) -> Rule:
    """Order and repetition inside a condition mean nothing, so they must not change the marker."""
    normal = rule.copy()
    normal["devices"] = sorted(set(rule["devices"]))
    if rule["source"] is not None:
        normal["source"] = sorted(set(rule["source"]))
    if rule["destination"] is not None:
        normal["destination"] = sorted(set(rule["destination"]))
    if rule["source_port"] is not None:
        normal["source_port"] = sorted(rule["source_port"])
    if rule["destination_port"] is not None:
        normal["destination_port"] = sorted(rule["destination_port"])
    if rule["dscp"] is not None:
        normal["dscp"] = sorted(set(rule["dscp"]))
    further: dict[str, Any] = {key: sorted(rule[key] or ()) for key in FURTHER if rule.get(key) is not None}
    normal.update(further)  # type: ignore[typeddict-item]
    return normal


def _check(section: XdpSection) -> None:
    rules, interfaces = section["rules"], section["interfaces"]
    devices = [interface["device"] for interface in interfaces]
    if len(rules) > MAX_ENTRIES:
        raise Refused(
            f"filtering: {len(rules)} rules on one host, at most {MAX_ENTRIES} fit: merge rules that do the same"
        )
    if len(devices) > MAX_DEVICES:
        raise Refused(f"filtering: {len(devices)} filtered interfaces on one host, at most {MAX_DEVICES} fit")
    if len(set(devices)) < len(devices):
        raise Refused(f"filtering: an interface is listed twice among {', '.join(devices)}")
    for rule in rules:
        if len(rule["name"].encode()) > MAX_NAME:
            raise Refused(f"filtering rule {rule['name']!r}: the name is longer than {MAX_NAME} bytes")
        if stray := set(rule["devices"]) - set(devices):
            raise Refused(f"filtering rule {rule['name']!r}: {', '.join(sorted(stray))} is not a filtered interface")
        for prefix in (*(rule["source"] or ()), *(rule["destination"] or ())):
            parse_prefix(prefix)
