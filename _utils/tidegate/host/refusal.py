"""When a change may not begin, go on, or be touched by who asks."""

from __future__ import annotations

import time

from tidegate.host import record
from tidegate.host.errors import Failed, Refused
from tidegate.host.generation import Generation
from tidegate.host.order import Order, whose
from tidegate.host.record import Transaction


def of_a_second_change(target: Generation) -> None:
    """One change at a time, and none to a generation that was undone until somebody says so.

    Raises:
        Refused: a change is under way, or ``target`` was undone on this host.
    """
    change = record.read()
    if change is not None and change.is_live():
        raise Refused(
            f"a change to generation {change.generation} is under way and not confirmed; it undoes itself in "
            f"{change.remaining(time.time())} s (or now: traffic.revert)"
        )
    entry = record.why_reverted(target)
    if entry:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(entry["at"]))
        raise Refused(
            f"generation {target.id} was undone on this host at {when}: {entry['reason']}. It is not tried again by "
            f"itself; to allow it: traffic.retry {target.id}"
        )


def of_a_change_that_is_over(change: Transaction) -> None:
    """What was read before the lock was held may be over since; the caller holds it now.

    Raises:
        Failed: it is not the change under way any more.
    """
    current = record.read()
    if current is None or (current.generation, current.armed_at) != (change.generation, change.armed_at):
        raise Failed(f"the change to generation {change.generation} is over: it was undone meanwhile")


def of_others(change: Transaction, order: Order) -> None:
    """A rollout touches its own changes; a person may touch any.

    Raises:
        Refused: the change is somebody else's.
    """
    if order.owner is not None and change.owner != order.owner:
        raise Refused(
            f"the change under way, to generation {change.generation}, is {whose(change.owner)}'s and not "
            f"{whose(order.owner)}'s"
        )
