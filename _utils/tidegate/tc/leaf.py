"""The discipline in which a class's packets wait: how ``tc`` is told, and whether what it shows is that. Pure.

A leaf's qdisc is called like its class (``9c2:`` below ``1de:9c2``). Its options can change while packets wait in it;
its kind cannot, for the new one starts empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tidegate.tc.queues import lower
from tidegate.tc.section import Leaf

_SCALES = {"us": 1, "ms": 1_000, "s": 1_000_000}
_SIZES = {"b": 1, "Kb": 2**10, "Mb": 2**20, "Gb": 2**30}
_TIME_ROUNDING = 0.02
_COUNTS = ("limit", "flows", "flow_limit")
_TIMES = ("target", "interval", "rtt")
_WORDS = ("diffserv", "isolation")
_FLAGS = {"ecn": ("ecn", "noecn"), "ack_filter": ("ack-filter", "no-ack-filter")}
PLAIN = "pfifo"
"""What the kernel gives a class by itself; it is not shown."""


@dataclass(frozen=True)
class LiveLeaf:
    """The qdisc below one class, as ``tc qdisc show`` tells it."""

    kind: str
    handle: str
    words: tuple[str, ...] = ()

    def ours(self, minor: int) -> bool:
        """Whether it is called as Tidegate calls the one of this class."""
        return self.handle == handle(minor)


def handle(minor: int) -> str:
    """What the qdisc of a class is called: like the lower half of the class's id."""
    return f"{lower(minor):x}:"


def told(leaf: Leaf) -> str:
    """The discipline and its options as ``tc qdisc add`` takes them; a cake is as fast as its class lets it be."""
    words = [leaf["kind"], *(["unlimited"] if leaf["kind"] == "cake" else [])]
    for name, value in leaf.items():
        if name in _FLAGS:
            words.append(_FLAGS[name][0 if value else 1])
        elif name in _WORDS:
            words.append(str(value))
        elif name != "kind":
            words += [name, str(value)]
    return " ".join(words)


def deviations(leaf: Leaf, live: LiveLeaf) -> list[str]:
    """What differs in its options, as ``limit 10p → 1000``; what tc does not show is taken to be right."""
    return list(_deviations(leaf, live)) if leaf["kind"] == live.kind else [f"{live.kind} → {leaf['kind']}"]


def _deviations(leaf: Leaf, live: LiveLeaf) -> Iterator[str]:
    shown = dict(pairwise(live.words))
    for name, value in leaf.items():
        same = _lasts if name in _TIMES else _counts
        if name in (*_COUNTS, *_TIMES) and name in shown and not same(shown[name], str(value)):
            yield f"{name} {shown[name]} → {value}"
        elif name in _WORDS and value not in live.words:
            yield f"{name} → {value}"
        elif name in _FLAGS and (_FLAGS[name][0] in live.words) != value:
            yield f"{name} → {str(value).lower()}"


def _counts(shown: str, wanted: str) -> bool:
    """``1000p`` is packets, ``15Kb`` bytes within what tc rounds, a bare number flows."""
    matched = re.fullmatch(r"(\d+)([pA-Za-z]*)", shown)
    if not matched:
        return False
    scale = _SIZES.get(matched[2], 1)
    return abs(int(matched[1]) * scale - int(wanted)) <= (scale // 64 if scale > 1 else 0)


def _lasts(shown: str, wanted: str) -> bool:
    figures = [re.fullmatch(r"([0-9.]+)(us|ms|s)", text) for text in (shown, wanted)]
    if not figures[0] or not figures[1]:
        return False
    one, other = (float(each[1]) * _SCALES[each[2]] for each in figures if each)
    return abs(one - other) <= _TIME_ROUNDING * other
