"""Reading what ``tc`` shows. Pure: text in, figures out.

Classes come as JSON or as text, with exit status 0 both times: iproute2 6.1 (Debian 12) prints text for
``tc -j class show``. Qdiscs are read from their text, whose first line has been the same in every version.

A figure is a ``Span``: everything that may have been asked for, given what is shown (``tidegate.tc.figures``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from tidegate.tc.figures import BYTES, Span, exact_rate, size_span, split, text_rate, text_size
from tidegate.tc.leaf import LiveLeaf
from tidegate.tc.queues import MOST, at
from tidegate.tc.tree import MAJOR, ROOT

_QDISC = re.compile(r"^qdisc (\S+) (\S+) dev (\S+) (root|parent \S+)", re.MULTILINE)
_CLASS = re.compile(
    r"^class htb (\w+):(\S+) (?:parent \w+:(\S*)|root)(?: leaf \S+)?(?: prio (\d+))?(?: quantum (\d+))?"
    r" rate (\S+) ceil (\S+) .*?\bburst (\S+) .*?\bcburst (\S+).*\n"
    r"(?: Sent (\d+) bytes (\d+) pkt \(dropped (\d+), overlimits (\d+) .*\n backlog (\d+)(\w+) (\d+)p)?",
    re.MULTILINE,
)
"""A class as every known version prints it, in one go; anything else is read word by word, and refused if it is odd."""
_LEAF = re.compile(r"^qdisc (\S+) (\S+) dev (\S+) parent (\w+:\w+) ?(.*)$", re.MULTILINE)
_MQ_CLASS = re.compile(rf"^class mq {ROOT:x}:", re.MULTILINE)
_DIRECT = re.compile(r"\bdirect_packets_stat (\d+)")
_SENT = re.compile(r"Sent (\d+) bytes (\d+) pkt \(dropped (\d+), overlimits (\d+) ")
_BACKLOG = re.compile(r"backlog (\S+) (\d+)p")


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
    parent: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is the root of a Tidegate tree, or of the trees of queues."""
        return self.root and (self.kind, self.handle) in (("htb", f"{MAJOR:x}:"), ("mq", f"{ROOT:x}:"))

    @property
    def foreign(self) -> bool:
        """Whether somebody chose it as the root of the device."""
        return self.root and self.handle != "0:" and not self.ours


def qdiscs(text: str) -> list[Qdisc]:
    """What ``tc qdisc show`` printed."""
    return [
        Qdisc(kind, handle, device, place == "root", place.removeprefix("parent ") if place != "root" else "")
        for kind, handle, device, place in _QDISC.findall(text)
    ]


def branches(text: str, device: str) -> dict[int, Qdisc]:
    """What stands below the queues of our ``mq`` on one device, by the queue's number, from ``tc qdisc show``."""
    under = f"{ROOT:x}:"
    return {
        int(each.parent.removeprefix(under), 16): each
        for each in qdiscs(text)
        if each.device == device and each.parent.startswith(under)
    }


def direct(text: str, device: str) -> int:
    """Packets that passed beside the trees on one device, since these were planted, from ``tc qdisc show``."""
    lines = (line for line in text.splitlines() if line.startswith("qdisc htb ") and f" dev {device} " in line)
    return sum(int(found[1]) for line in lines if _is_ours(line.split()[2], True) and (found := _DIRECT.search(line)))


def leaves(text: str, device: str) -> dict[int, LiveLeaf]:
    """The qdiscs below our classes on one device, by the class's minor, from ``tc qdisc show``."""
    return {
        _number(parent): LiveLeaf(kind, handle, tuple(words.split()))
        for kind, handle, where, parent, words in _LEAF.findall(text)
        if where == device and handle != "0:" and _is_ours(parent, True)
    }


def classes(output: str) -> dict[int, LiveClass]:
    """Our classes by minor, from ``tc [-j] -s -d class show dev DEVICE``; those of other qdiscs are left out.

    Which are ours, the output tells itself: below our ``mq`` each queue has a tree, else there is one.

    Raises:
        ValueError: the output is neither the JSON nor the text of any iproute2 that is known.
    """
    found = _from_json(output) if output.lstrip().startswith("[") else _from_text(output)
    return {each.minor: each for each in found}


def _from_json(output: str) -> list[LiveClass]:
    shown = json.loads(output)
    queued = any(each["class"] == "mq" and each["handle"].startswith(f"{ROOT:x}:") for each in shown)
    return [
        LiveClass(
            minor=_number(each["handle"]),
            parent=_number(each["parent"]) if "parent" in each else _top(each["handle"]),
            priority=each.get("prio"),
            quantum=each.get("quantum"),
            rate=exact_rate(each["rate"]),
            ceiling=exact_rate(each["ceil"]),
            burst=size_span(each["burst"], 0, each["rate"]),
            cburst=size_span(each["cburst"], 0, each["ceil"]),
            counters=_json_counters(each.get("stats")),
        )
        for each in shown
        if each["class"] == "htb" and _is_ours(each["handle"], queued)
    ]


def _json_counters(stats: dict[str, Any] | None) -> Counters | None:
    if not stats:
        return None
    return Counters(
        stats["bytes"], stats["packets"], stats["drops"], stats["overlimits"], stats["backlog"], stats["qlen"]
    )


def _from_text(output: str) -> list[LiveClass]:
    queued = bool(found := len(_MQ_CLASS.findall(output)))
    quick = _CLASS.findall(output)
    if quick and len(quick) + found == output.count("class "):
        return [_matched(*words) for words in quick if _ours(words[0], queued)]
    blocks = [block for block in re.split(r"^(?=class )", output, flags=re.MULTILINE) if block.strip()]
    strange = next((block for block in blocks if not block.startswith("class ")), None)
    if strange is not None:
        raise ValueError(f"not the output of tc class show: {strange[:80]!r}")
    return [_text_class(block) for block in blocks if block.startswith("class htb ") and _is_ours(block[10:], queued)]


def _matched(
    major: str,
    minor: str,
    parent: str,
    priority: str,
    quantum: str,
    rate: str,
    ceiling: str,
    burst: str,
    cburst: str,
    *sent: str,
) -> LiveClass:
    """One match of ``_CLASS``."""
    above, rates, ceilings = _queue_bits(major), text_rate(rate), text_rate(ceiling)
    size, packets, drops, overlimits, backlog, unit, queued = sent
    counted = (
        Counters(int(size), int(packets), int(drops), int(overlimits), int(backlog) * BYTES[unit], int(queued))
        if size
        else None
    )
    return LiveClass(
        above | int(minor, 16),
        above | int(parent or "0", 16),
        int(priority) if priority else None,
        int(quantum) if quantum else None,
        rates,
        ceilings,
        text_size(burst, rates.high // 8),
        text_size(cburst, ceilings.high // 8),
        counted,
    )


def _text_class(block: str) -> LiveClass:
    words = block.partition("\n")[0].split()
    value = dict(pairwise(words))
    rate, ceiling = text_rate(value["rate"]), text_rate(value["ceil"])
    return LiveClass(
        minor=_number(value["htb"]),
        parent=_number(value["parent"]) if "parent" in value else _top(value["htb"]),
        priority=int(value["prio"]) if "prio" in value else None,
        quantum=int(value["quantum"]) if "quantum" in value else None,
        rate=rate,
        ceiling=ceiling,
        burst=text_size(value["burst"], rate.high // 8),
        cburst=text_size(value["cburst"], ceiling.high // 8),
        counters=_text_counters(block),
    )


def _text_counters(block: str) -> Counters | None:
    sent, backlog = _SENT.search(block), _BACKLOG.search(block)
    if not sent or not backlog:
        return None
    size, unit = split(backlog[1])
    figures = [int(figure) for figure in (*sent.groups(), size * BYTES[unit], backlog[2])]
    return Counters(*figures)


def _is_ours(handle: str, queued: bool) -> bool:
    return _ours(handle.partition(":")[0], queued)


@lru_cache(maxsize=4096)
def _ours(major: str, queued: bool) -> bool:
    return 0 <= int(major, 16) - MAJOR < (MOST if queued else 1)


@lru_cache(maxsize=4096)
def _queue_bits(major: str) -> int:
    """What the number of a class in this tree has above its lower half."""
    return at(int(major, 16) - MAJOR + 1, 0)


def _number(handle: str) -> int:
    major, _, minor = handle.partition(":")
    return _queue_bits(major) | int(minor or "0", 16)


def _top(handle: str) -> int:
    """The qdisc itself, in which the class stands."""
    return _queue_bits(handle.partition(":")[0])
