"""In which of an interface's queues a class stands, and what part of its rate a queue has. Pure.

With ``queues`` the root is ``mq``, and below each of its queues stands a tree of its own, so that hosts with many
processors need not wait for one lock, and none of the trees is large::

    1dd:                        mq
    ├── 1dd:1 ── 1de:           default 0
    │            └── 1de:1      queue 1   rate = ceil = its part of the interface's rate
    │                └── …      the top-level classes that stand in it, each with all that is inside it
    └── 1dd:2 ── 1df:           queue 2 …

Promised, and tested as laws:

- A class stands in one queue, whole, and which one follows from its name and the number of queues alone: adding or
  removing a class, or changing a rate, moves no other.
- With one queue more, classes move to that queue only; with one less, only those of the last one move (J. Lamping, E.
  Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014).
- The queues' parts add up to the interface's rate at most, and each is as large as the guarantees in it together,
  whatever stands where: the rate is divided in proportion to them, and they are not above the rate. So there is no
  policy whose guarantees fit the interface and not its queues.

What is not: classes in different queues lend each other nothing, so a class never has more than its queue. That suits
many classes of like size, not five of which one is small and may have it all.
"""

from __future__ import annotations

from hashlib import sha256

from tidegate.tc.section import ShapedInterface, TrafficClass
from tidegate.tc.sizes import whole_bytes

MOST = 64
"""Queues of one interface: they have six bits in the data path."""
_SHIFT = 16
_LOWER = (1 << _SHIFT) - 1


def queue_of(name: str, queues: int) -> int:
    """The queue of a top-level class: 1 to ``queues``, by its name."""
    key = int.from_bytes(sha256(name.encode()).digest()[8:16], "big")
    here, following = 0, 0
    while following < queues:
        here = following
        key = (key * 2862933555777941757 + 1) & 0xFFFFFFFFFFFFFFFF
        following = (here + 1) * (1 << 31) // ((key >> 33) + 1)
    return here + 1


def parts(interface: ShapedInterface) -> dict[int, int]:
    """The rate of each queue that classes stand in, in bit/s; empty without queues."""
    sure: dict[int, int] = {}
    for each in interface["classes"]:
        if "queue" in each:
            sure[each["queue"]] = sure.get(each["queue"], 0) + each["guarantee"]
    whole = max(sum(sure.values()), 1)
    return {queue: whole_bytes(interface["rate"] * sure[queue] // whole) for queue in sorted(sure)}


def at(queue: int, minor: int) -> int:
    """A class's number among all of an interface: the lower half of its id, and above it the queue's number."""
    return queue - 1 << _SHIFT | minor


def lower(number: int) -> int:
    """The lower half of a class's id."""
    return number & _LOWER


def above(number: int) -> int:
    """By how much the upper half of a class's id exceeds the first queue's."""
    return number >> _SHIFT


def spread(classes: list[TrafficClass], link: int) -> list[TrafficClass]:
    """The classes with numbers that say their queue; ``link`` is the minor of what stands for a queue, above them."""
    found: list[TrafficClass] = []
    queues: dict[int, int] = {}
    for each in classes:
        queue = queues[each["minor"]] = each["queue"] if "queue" in each else queues[each["parent"]]
        placed: TrafficClass = {**each, "minor": at(queue, each["minor"])}
        placed["parent"] = at(queue, each.get("parent", link))
        if "fallback" in each:
            placed["fallback"] = at(queue, each["fallback"])
        found.append(placed)
    return found
