"""What a device's tree stands on: the root qdisc, and one below each queue where there are queues. Pure.

A queue in which no class stands has a tree without classes: HTB passes on what it has no class for. None is deleted
alone, ever: below ``mq`` the kernel would put nothing in its place, and drop what comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.tc import queues
from tidegate.tc.show import Qdisc
from tidegate.tc.tree import ROOT, Tree, class_id

_PLAIN = "pfifo_fast"
"""What every kernel has, and puts below a queue by itself."""


@dataclass(frozen=True)
class Roots:
    """What is at the root of a device and below the queues of our ``mq``, held against what the tree needs there."""

    tree: Tree
    top: Qdisc
    below: Mapping[int, Qdisc] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether the root is ours, and of the kind that the tree needs."""
        return self.top.ours and (self.top.kind, self.top.handle) == self.tree.root

    @property
    def turned(self) -> bool:
        """Whether the root is ours and of the other kind: the tree is made again while packets pass unshaped."""
        return self.top.ours and not self.right

    @property
    def missing(self) -> tuple[int, ...]:
        """The queues that have no tree."""
        wanted = range(1, self.tree.queues + 1)
        return tuple(queue for queue in wanted if not self.right or not _planted(queue, self.below.get(queue)))

    @property
    def surplus(self) -> tuple[int, ...]:
        """The queues that have a tree and shall have none."""
        if not self.right:
            return ()
        return tuple(queue for queue, each in self.below.items() if queue > self.tree.queues and _planted(queue, each))

    def lines(self) -> list[str]:
        """What differs, as people read it."""
        device, wanted = self.tree.device, " ".join(self.tree.root)
        found = [] if self.right else [f"+ {device} {wanted}"]
        if self.top.foreign:
            found = [f"~ {device} {self.top.kind} {self.top.handle} → {wanted}: adopted"]
        if self.turned:
            found = [f"~ {device} {self.top.kind} {self.top.handle} → {wanted}: made again, unshaped meanwhile"]
        found += [f"+ {device} queue {queue} htb {_handle(queue)}" for queue in self.missing]
        return found + [f"- {device} queue {queue} htb {_handle(queue)}" for queue in self.surplus]

    def planting(self) -> list[str]:
        """Batch lines for the root and the queues that have no tree."""
        device, (kind, handle) = self.tree.device, self.tree.root
        # The other kind's handle may be a queue's, and the kernel moves no qdisc: it goes first.
        lines = [f"qdisc del dev {device} root handle {self.top.handle}"] if self.turned else []
        if not self.right:
            verb, words = "replace" if self.top.foreign else "add", kind if kind == "mq" else f"{kind} default 0"
            lines.append(f"qdisc {verb} dev {device} root handle {handle} {words}")
        return lines + [
            f"qdisc replace dev {device} parent {ROOT:x}:{queue:x} handle {_handle(queue)} htb default 0"
            for queue in self.missing
        ]

    def clearing(self) -> list[str]:
        """Batch lines that put the kernel's own in the place of trees that are not wanted, once they are empty."""
        device = self.tree.device
        return [f"qdisc replace dev {device} parent {ROOT:x}:{queue:x} {_PLAIN}" for queue in self.surplus]


def _planted(queue: int, found: Qdisc | None) -> bool:
    return found is not None and (found.kind, found.handle) == ("htb", _handle(queue))


def _handle(queue: int) -> str:
    return class_id(queues.at(queue, 0))
