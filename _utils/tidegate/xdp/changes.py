"""What differs between two sets of rules, and in what is balanced, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.balancing.changes import changes as balancing
from tidegate.bpf.section import PortRange
from tidegate.xdp.desired import Desired
from tidegate.xdp.section import Rule, XdpSection

_FEW = 5
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6"}


def changes(old: Desired | None, new: Desired) -> list[str]:
    """One line for each rule that is new (+), gone (-) or different (~), and one if only their order changed; then
    balancing, then who always gets through."""
    before, after = _by_name(old["rules"] if old else ()), _by_name(new["rules"])
    lines = [f"- rule {name}: {_words(rules)}" for name, rules in before.items() if name not in after]
    for name, rules in after.items():
        if name not in before:
            lines.append(f"+ rule {name}: {_words(rules)}")
        elif before[name] != rules:
            lines.append(f"~ rule {name}: {_difference(before[name], rules)}")
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        lines.append(f"~ order of rules: {', '.join(after)}")
    return [*lines, *balancing(old.get("balancing") if old else None, new.get("balancing")), *_management(old, new)]


def _by_name(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """A policy's rule may be several matchers here; they share its name."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule["name"], []).append(rule)
    return found


def _words(rules: list[Rule]) -> str:
    return "; or ".join(describe(rule) for rule in rules)


def _difference(old: list[Rule], new: list[Rule]) -> str:
    """Before and after if the words differ; else it is a set's content that changed."""
    if _words(old) != _words(new):
        return f"{_words(old)} → {_words(new)}"
    gained, lost = _prefixes(new) - _prefixes(old), _prefixes(old) - _prefixes(new)
    if len(gained) + len(lost) <= _FEW:
        named = [f"+{prefix}" for prefix in sorted(gained)] + [f"-{prefix}" for prefix in sorted(lost)]
        return f"{_words(new)}; {' '.join(named)}"
    return f"{_words(new)}; {len(gained)} prefixes come, {len(lost)} go"


def _prefixes(rules: list[Rule]) -> set[str]:
    return {prefix for rule in rules for prefix in (*(rule["source"] or ()), *(rule["destination"] or ()))}


def describe(rule: Rule) -> str:
    """A rule in words: ``drop udp from 2 prefixes, port 53 on eth0``."""
    protocol = rule["protocol"]
    parts: list[str] = [_effect(rule)]
    if protocol is not None:
        parts.append(_PROTOCOLS.get(protocol, f"protocol {protocol}"))
    parts += _end("from", rule["source"], rule["source_port"])
    parts += _end("to", rule["destination"], rule["destination_port"])
    if rule["dscp"] is not None:
        parts.append(f"with DSCP {_listed(rule['dscp'])}")
    parts += _further(rule)
    if len(parts) == 1:
        parts.append("everything")
    return " ".join([*parts, "on", ", ".join(rule["devices"]) or "no interface"])


def _effect(rule: Rule) -> str:
    """What it does: ``limit to 10000 packets/s per source (burst 1000)``."""
    words: str = rule["action"]
    if "mark" in rule:
        words += f" DSCP {rule['mark']}"
    if "limit" in rule:
        limit = rule["limit"]
        lengths = "" if limit["per"] == "rule" or limit["lengths"] == [32, 128] else "/{},/{}".format(*limit["lengths"])
        each = "" if limit["per"] == "rule" else f" per {limit['per']}{lengths}"
        words += f" to {limit['rate']:g} {limit['unit']}/s{each} (burst {limit['burst']})"
    if "drop_budget" in rule:
        words += f" within {rule['drop_budget']:.4g} of all packets"
    return words


def _further(rule: Rule) -> list[str]:
    parts: list[str] = []
    if (flags := rule.get("tcp_flags")) is not None:
        parts.append("with TCP flags " + _listed(f"{value:#04x}/{mask:#04x}" for value, mask in flags))
    if (types := rule.get("icmp_types")) is not None:
        parts.append(f"of type {_listed(types)}")
    if (fragments := rule.get("fragment")) is not None:
        parts.append(f"{_listed(fragments)} fragments")
    if (lengths := rule.get("length")) is not None:
        parts.append(f"of {_ranges(lengths)} bytes")
    return parts


def _ranges(ranges: list[PortRange]) -> str:
    return _listed(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _end(word: str, prefixes: list[str] | None, ports: list[PortRange] | None) -> list[str]:
    parts: list[str] = []
    if prefixes is not None:
        parts.append(prefixes[0] if len(prefixes) == 1 else f"{len(prefixes)} prefixes")
    if ports is not None:
        parts.append(f"port {_ranges(ports)}")
    return [word, *parts] if parts else []


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def _management(old: XdpSection | None, new: XdpSection) -> list[str]:
    before, after = (set(section["management"]["neighbors"]) if section else set() for section in (old, new))
    return [
        *(f"+ management: BGP with {address}" for address in sorted(after - before)),
        *(f"- management: BGP with {address}" for address in sorted(before - after)),
    ]
