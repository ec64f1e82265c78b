"""Trees in the queues of an interface: queues that are there, and classes for all of them."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.policy.errors import KeyPath, Problem
from tidegate.policy.shaping import Tree, classes_of, walk
from tidegate.policy.validation import Draft
from tidegate.tc.queues import MOST
from tidegate.tc.section import MOST_CLASSES


def check_queues(draft: Draft, tree: Tree, path: KeyPath) -> Iterator[Problem]:
    """Queues that are not there on the way in, or that must stay empty; the guarantees fit, see ``tc/queues.py``."""
    if tree.queues is None:
        return
    path = (*path, "queues")
    classes = dict(classes_of(tree, draft.policy.shaping_profiles))
    if tree.direction == "in":
        yield Problem("only what is sent has queues to choose from", path, tree.queues, "none, or direction: out")
    if classes and len(classes) < tree.queues:
        message = f"{tree.queues} queues for {len(classes)} classes, and a class stands whole in one"
        yield Problem(message, path, tree.queues, f"at most {len(classes)}")
    if (count := len(list(walk(classes)))) > MOST_CLASSES - MOST:
        yield Problem(f"{count} classes beside the queues", path, expected=f"at most {MOST_CLASSES - MOST} classes")
