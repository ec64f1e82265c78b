"""Which queueing disciplines a kernel has: they are tried where nobody is, in a network namespace made for it."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.tc import command, leaf
from tidegate.tc.tree import Tree


def lacking(trees: Sequence[Tree]) -> list[str]:
    """The queueing disciplines that classes ask for and the kernel does not have, by name."""
    asking: dict[str, str] = {}
    for tree in trees:
        for each in tree.leaves:
            if each.leaf:
                asking.setdefault(each.leaf["kind"], f"class {each.name} of {tree.device}")
    return [
        f"this kernel has no {kind}, which {who} asks for: load the module sch_{kind},"
        f" or choose another leaf ({refusal})"
        for kind, who in sorted(asking.items())
        if (refusal := command.try_in_empty_namespace([f"qdisc add dev lo root handle 1: {leaf.told({'kind': kind})}"]))
    ]
