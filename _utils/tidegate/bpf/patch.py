"""What a few changed prefixes change in tables of many: the difference is found without touching the rest. Pure.

A list of a hundred thousand prefixes of which ten are others is compared in pieces, at the speed of comparing strings;
then only the keys that the ten concern get a new word. That is exact where one entry's prefixes changed and all other
entries' are few: what stands inside a changed prefix and belongs to the changed list itself has that list's bit anyway.
Everywhere else the answer is ``None``, and the tables are made anew.

Prefixes must be spelt as ``str(ip_network)`` spells them, each once in a list, which is how a plan has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from tidegate.bpf.prefixes import Conditions, spelt_word, table_and_key

MOST_CHANGED = 1_000
"""Prefixes; for more the tables are better made anew."""
FEW = 1_000
"""Prefixes of all the entries that did not change."""
_PIECE, _WINDOW = 512, 64
Network = IPv4Network | IPv6Network


@dataclass
class Patch:
    """For each table what is written into it and what is taken out, by key."""

    written: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    removed: dict[str, list[bytes]] = field(default_factory=dict)


def patch(before: Conditions, after: Conditions, side: str, any_word: int) -> Patch | None:
    """What turns one side's tables for ``before`` into those for ``after``; ``None`` where they are to be made anew.

    Args:
        before: The prefixes that each entry named, in order, ``None`` if it named none.
        after: Those that it names now.
        side: ``source`` or ``destination``.
        any_word: The entries that name none.
    """
    if [each is None for each in before] != [each is None for each in after]:
        return None
    changed = [number for number, (was, will) in enumerate(zip(before, after, strict=True)) if was != will]
    if not changed:
        return Patch()
    others = [each for number, each in enumerate(after) if number != changed[0] and each]
    if len(changed) > 1 or sum(map(len, others)) > FEW:
        return None
    was, will = before[changed[0]] or [], after[changed[0]] or []
    difference = differing(was, will)
    if difference is None:
        return None
    touched = {ip_network(text) for text in difference}
    few = [
        [ip_network(text) for text in each or ()] if number != changed[0] else [] for number, each in enumerate(after)
    ]
    touched |= {one for each in few for one in each if any(_inside(one, other) for other in touched)}
    return _patched(touched, few, changed[0], frozenset(will), side, any_word)


def differing(before: Sequence[str], after: Sequence[str]) -> set[str] | None:
    """What is in one of two lists and not in the other; ``None`` if it is more than ``MOST_CHANGED``.

    Both lists are walked piece by piece; where they part, the next few of each say which of them has more.
    """
    found: list[str] = []
    at, to = 0, 0
    while at < len(before) and to < len(after):
        piece = _PIECE
        while piece and before[at : at + piece] != after[to : to + piece]:
            piece //= 2
        if piece:
            at, to = at + piece, to + piece
            continue
        in_after, in_before = _ahead(before[at], after, to), _ahead(after[to], before, at)
        if in_after is None and in_before is None:
            in_after = in_before = 1
        elif in_after is not None and (in_before is None or in_after <= in_before):
            in_before = 0
        else:
            in_after = 0
        found += before[at : at + (in_before or 0)]
        found += after[to : to + (in_after or 0)]
        at, to = at + (in_before or 0), to + (in_after or 0)
        if len(found) > 2 * MOST_CHANGED:
            return None
    rest = [*before[at:], *after[to:]]
    if len(found) + len(rest) > 2 * MOST_CHANGED:
        return None
    return set(found + rest)


def _ahead(text: str, texts: Sequence[str], start: int) -> int | None:
    window = list(texts[start : start + _WINDOW])
    return window.index(text) if text in window else None


def _patched(
    touched: set[Network], few: list[list[Network]], changed: int, will: frozenset[str], side: str, any_word: int
) -> Patch:
    """Every touched prefix as it shall be; what no entry names any more goes."""
    made = Patch()
    for network in touched:
        table, key = table_and_key(side, str(network))
        named = str(network) in will or any(network in each for each in few)
        if not named:
            made.removed.setdefault(table, []).append(key)
            continue
        word = any_word | sum(1 << n for n, each in enumerate(few) if any(_inside(network, one) for one in each))
        if any(str(network.supernet(new_prefix=length)) in will for length in range(network.prefixlen, -1, -1)):
            word |= 1 << changed
        made.written.setdefault(table, {})[key] = spelt_word(word)
    return made


def _inside(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]
