"""Conditions on packets, the same in filter rules and shaping classes: whether any packet can meet them all."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bpf.compile import Conditions
from tidegate.policy.addresses import family
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.packets import ICMP, ICMP_TYPES, ICMPV6, TCP, WITH_PORTS, name_of
from tidegate.policy.validation import Draft

FAMILY_OF = {ICMP: 4, ICMPV6: 6}


def conditions(draft: Draft, entry: Conditions, path: KeyPath) -> Iterator[Problem]:
    """Problems of one rule, or of one entry of a class."""
    unknown = [
        *_unknown(draft, entry.source, (*path, "source")),
        *_unknown(draft, entry.destination, (*path, "destination")),
    ]
    yield from unknown
    yield from _ports(entry, path)
    yield from _inside(entry, path)
    if not unknown:
        yield from _families(draft, entry, path)


def _unknown(draft: Draft, targets: tuple[str, ...] | None, path: KeyPath) -> Iterator[Problem]:
    known = draft.names("filtering", "sets") | draft.names("routing", "services")
    for target in targets or ():
        if "/" not in target and target not in known:
            yield Problem(
                "no such set or service", path, target, "a set, a service, or a prefix", suggest(target, known)
            )


def _ports(entry: Conditions, path: KeyPath) -> Iterator[Problem]:
    for key in ("port", "source_port", "destination_port"):
        if getattr(entry, key, None) is None or entry.protocol in WITH_PORTS:
            continue
        if entry.protocol is None:
            yield Problem(
                "ports without a protocol", (*path, key), expected="protocol: tcp, or protocol: udp, beside them"
            )
        else:
            message = f"{name_of(entry.protocol)} has no ports that can be matched"
            yield Problem(message, (*path, key), expected="ports with tcp or udp alone")
    if getattr(entry, "port", None) is not None and (entry.source_port or entry.destination_port):
        yield Problem(
            "'port' already means either side", (*path, "port"), expected="port, or source_port and destination_port"
        )


def _inside(entry: Conditions, path: KeyPath) -> Iterator[Problem]:
    """TCP flags belong to TCP, ICMP types to ICMP; a type's name to the protocol that has it."""
    if getattr(entry, "tcp_flags", None) is not None and entry.protocol != TCP:
        yield Problem("TCP flags without TCP", (*path, "tcp_flags"), expected="protocol: tcp beside them")
    types = getattr(entry, "icmp_type", None)
    if types is None:
        return
    if entry.protocol not in FAMILY_OF:
        expected = "protocol: icmp, or protocol: icmpv6, beside them"
        yield Problem("ICMP types without ICMP", (*path, "icmp_type"), expected=expected)
        return
    for one in types:
        if isinstance(one, str) and entry.protocol not in ICMP_TYPES[one]:
            message = f"{name_of(entry.protocol or 0)} has no type of this name"
            known = sorted(name for name, numbers in ICMP_TYPES.items() if entry.protocol in numbers)
            yield Problem(message, (*path, "icmp_type"), one, f"one of {', '.join(known)}, or a number")


def _families(draft: Draft, entry: Conditions, path: KeyPath) -> Iterator[Problem]:
    source, destination = _families_of(draft, entry.source), _families_of(draft, entry.destination)
    if not source & destination:
        message = f"the source is IPv{_spell(source)}, the destination IPv{_spell(destination)}: no packet is both"
        yield Problem(message, path, expected="source and destination with a family in common")
    elif (needed := FAMILY_OF.get(entry.protocol or 0)) and needed not in source & destination:
        message = f"{name_of(entry.protocol or 0)} is IPv{needed} only, and the prefixes are not"
        yield Problem(message, (*path, "protocol"), name_of(entry.protocol or 0), f"IPv{needed} prefixes beside it")


def _families_of(draft: Draft, targets: tuple[str, ...] | None) -> set[int]:
    """The families of some targets; both where anything is meant, or where something could not be read."""
    if targets is None or any("/" not in target and target not in draft.policy.index.targets for target in targets):
        return {4, 6}
    return {family(prefix) for prefix in draft.policy.index.prefixes(targets)}


def _spell(families: set[int]) -> str:
    return " and IPv".join(map(str, sorted(families)))
