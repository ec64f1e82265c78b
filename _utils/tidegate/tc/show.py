"""Reading what ``tc`` shows. Pure: text in, figures out.

Classes come as JSON or as text, with exit status 0 both times: iproute2 6.1 (Debian 12) prints text for
``tc -j class show``. Qdiscs are read from their text, whose first line has been the same in every version.

tc rounds on the way in and on the way out, so a figure is a ``Span``: everything that may have been
asked for, given what is shown.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from tidegate.tc.leaf import LiveLeaf
from tidegate.tc.tree import MAJOR

_QDISC = re.compile(r"^qdisc (\S+) (\S+) dev (\S+) (root|parent \S+)", re.MULTILINE)
_CLASS = re.compile(
    rf"^class htb {MAJOR:x}:(\S+) (?:parent {MAJOR:x}:(\S*)|root)(?: leaf \S+)?(?: prio (\d+))?(?: quantum (\d+))?"
    r" rate (\S+) ceil (\S+) .*?\bburst (\S+) .*?\bcburst (\S+).*\n"
    r"(?: Sent (\d+) bytes (\d+) pkt \(dropped (\d+), overlimits (\d+) .*\n backlog (\d+)(\w+) (\d+)p)?",
    re.MULTILINE,
)
"""A class as every known version prints it, in one go; anything else is read word by word, and refused if it is odd."""
_LEAF = re.compile(rf"^qdisc (\S+) (\S+) dev (\S+) parent {MAJOR:x}:([0-9a-f]+) ?(.*)$", re.MULTILINE)
_SENT = re.compile(r"Sent (\d+) bytes (\d+) pkt \(dropped (\d+), overlimits (\d+) ")
_BACKLOG = re.compile(r"backlog (\S+) (\d+)p")
_BITS = {"bit": 1, "Kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9, "Tbit": 10**12}
_BYTES = {"b": 1, "Kb": 2**10, "Mb": 2**20, "Gb": 2**30}
_SIZE_ROUNDING = {"b": 0, "Kb": 16, "Mb": 1024, "Gb": 2**20}
_BURST_LOST = 2.2e-6
"""Seconds. tc keeps bursts as time: whole microseconds when it writes and again when it reads, 64 ns ticks between."""


class Span(NamedTuple):
    """What a shown figure may stand for, both ends included."""

    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


class Counters(NamedTuple):
    """What went through a class since it was made; ``backlog`` in bytes, ``queued`` in packets."""

    bytes: int
    packets: int
    drops: int
    overlimits: int
    backlog: int
    queued: int


class LiveClass(NamedTuple):
    """One HTB class of ours as the kernel has it; rates in bit/s, sizes in bytes, parent 0 is the qdisc itself.

    ``priority`` and ``quantum`` are ``None`` for inner classes, which have neither.
    """

    minor: int
    parent: int
    priority: int | None
    quantum: int | None
    rate: Span
    ceiling: Span
    burst: Span
    cburst: Span
    counters: Counters | None = None


@dataclass(frozen=True)
class Qdisc:
    """One qdisc: ``handle`` is ``0:`` for those that the kernel attached by itself."""

    kind: str
    handle: str
    device: str
    root: bool

    @property
    def ours(self) -> bool:
        """Whether it is the root of a Tidegate tree."""
        return self.root and self.kind == "htb" and self.handle == f"{MAJOR:x}:"

    @property
    def foreign(self) -> bool:
        """Whether somebody chose it as the root of the device."""
        return self.root and self.handle != "0:" and not self.ours


def qdiscs(text: str) -> list[Qdisc]:
    """What ``tc qdisc show`` printed."""
    return [Qdisc(kind, handle, device, at == "root") for kind, handle, device, at in _QDISC.findall(text)]


def leaves(text: str, device: str) -> dict[int, LiveLeaf]:
    """The qdiscs below our classes on one device, by the class's minor, from ``tc qdisc show``."""
    return {
        int(minor, 16): LiveLeaf(kind, handle, tuple(words.split()))
        for kind, handle, at, minor, words in _LEAF.findall(text)
        if at == device and handle != "0:"
    }


def classes(output: str) -> dict[int, LiveClass]:
    """Our classes by minor, from ``tc [-j] -s -d class show dev DEVICE``; those of other qdiscs are left out.

    Raises:
        ValueError: the output is neither the JSON nor the text of any iproute2 that is known.
    """
    found = _from_json(output) if output.lstrip().startswith("[") else _from_text(output)
    return {each.minor: each for each in found}


def _from_json(output: str) -> list[LiveClass]:
    return [
        LiveClass(
            minor=_minor(each["handle"]),
            parent=_minor(each["parent"]) if "parent" in each else 0,
            priority=each.get("prio"),
            quantum=each.get("quantum"),
            rate=_exact_rate(each["rate"]),
            ceiling=_exact_rate(each["ceil"]),
            burst=_size_span(each["burst"], 0, each["rate"]),
            cburst=_size_span(each["cburst"], 0, each["ceil"]),
            counters=_json_counters(each.get("stats")),
        )
        for each in json.loads(output)
        if each["class"] == "htb" and _is_ours(each["handle"])
    ]


def _json_counters(stats: dict[str, Any] | None) -> Counters | None:
    if not stats:
        return None
    return Counters(
        stats["bytes"], stats["packets"], stats["drops"], stats["overlimits"], stats["backlog"], stats["qlen"]
    )


def _from_text(output: str) -> list[LiveClass]:
    quick = [_matched(*found) for found in _CLASS.findall(output)]
    if quick and len(quick) == output.count("class "):
        return quick
    blocks = [block for block in re.split(r"^(?=class )", output, flags=re.MULTILINE) if block.strip()]
    strange = next((block for block in blocks if not block.startswith("class ")), None)
    if strange is not None:
        raise ValueError(f"not the output of tc class show: {strange[:80]!r}")
    return [_text_class(block) for block in blocks if block.startswith(f"class htb {MAJOR:x}:")]


def _matched(
    minor: str, parent: str, priority: str, quantum: str, rate: str, ceiling: str, burst: str, cburst: str, *sent: str
) -> LiveClass:
    """One match of ``_CLASS``."""
    rates, ceilings = _text_rate(rate), _text_rate(ceiling)
    size, packets, drops, overlimits, backlog, unit, queued = sent
    counted = (
        Counters(int(size), int(packets), int(drops), int(overlimits), int(backlog) * _BYTES[unit], int(queued))
        if size
        else None
    )
    return LiveClass(
        int(minor, 16),
        int(parent or "0", 16),
        int(priority) if priority else None,
        int(quantum) if quantum else None,
        rates,
        ceilings,
        _text_size(burst, rates.high // 8),
        _text_size(cburst, ceilings.high // 8),
        counted,
    )


def _text_class(block: str) -> LiveClass:
    words = block.partition("\n")[0].split()
    value = dict(pairwise(words))
    rate, ceiling = _text_rate(value["rate"]), _text_rate(value["ceil"])
    return LiveClass(
        minor=_minor(value["htb"]),
        parent=_minor(value["parent"]) if "parent" in value else 0,
        priority=int(value["prio"]) if "prio" in value else None,
        quantum=int(value["quantum"]) if "quantum" in value else None,
        rate=rate,
        ceiling=ceiling,
        burst=_text_size(value["burst"], rate.high // 8),
        cburst=_text_size(value["cburst"], ceiling.high // 8),
        counters=_text_counters(block),
    )


def _text_counters(block: str) -> Counters | None:
    sent, backlog = _SENT.search(block), _BACKLOG.search(block)
    if not sent or not backlog:
        return None
    size, unit = _split(backlog[1])
    figures = [int(figure) for figure in (*sent.groups(), size * _BYTES[unit], backlog[2])]
    return Counters(*figures)


def _is_ours(handle: str) -> bool:
    return handle.startswith(f"{MAJOR:x}:")


def _minor(handle: str) -> int:
    return int(handle.partition(":")[2] or "0", 16)


@lru_cache(maxsize=4096)
def _exact_rate(bytes_per_second: int) -> Span:
    return Span(bytes_per_second * 8, bytes_per_second * 8 + 7)


@lru_cache(maxsize=4096)
def _text_rate(text: str) -> Span:
    """``1234Kbit``: from a million on, tc drops what is below a thousandth instead of rounding."""
    number, unit = _split(text)
    rate = number * _BITS[unit]
    return Span(rate, rate + max(7, rate // 1000 if rate >= 10**6 else 0))


@lru_cache(maxsize=4096)
def _text_size(text: str, bytes_per_second: int) -> Span:
    """``15Kb/1``: the part behind the slash is the cell size of a rate table that the kernel no longer uses."""
    number, unit = _split(text.partition("/")[0])
    return _size_span(number * _BYTES[unit], _SIZE_ROUNDING[unit], bytes_per_second)


@lru_cache(maxsize=4096)
def _size_span(size: int, rounding: int, bytes_per_second: int) -> Span:
    return Span(size - rounding - 2, size + rounding + 2 + int(bytes_per_second * _BURST_LOST))


def _split(text: str) -> tuple[int, str]:
    matched = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    if not matched:
        raise ValueError(f"not a figure of tc: {text!r}")
    return int(matched[1]), matched[2]
