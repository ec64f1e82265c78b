"""What the state functions return: one function per state, plain data in, Salt's return out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from salt.exceptions import SaltException

from tidegate.host import boot, generation, record, transaction
from tidegate.host.errors import Refused, TidegateError
from tidegate.host.generation import Generation
from tidegate.host.order import Order, whose
from tidegate.host.plan import Plan
from tidegate.host.record import Transaction
from tidegate.minion import master, stage
from tidegate.minion.stage import Sources, Staged

Return = dict[str, Any]
_PREVIEW = "tidegate.preview"
_LEFT_ALONE = "tidegate.left_alone"


def staged(
    name: str,
    plan: Callable[[], Plan],
    sources: Callable[[], Sources],
    timeout: int,
    order: Mapping[str, Any],
    operations: Mapping[str, Any],
    test: bool,
    context: MutableMapping[str, Any],
) -> Return:
    """``traffic.staged``: the plan is a generation on disk, proven, and the dead-man armed if it changes anything.

    ``order`` is who asks, as `Order.of` takes it; ``operations`` what the master serves beside the plan.
    """

    def act() -> Return:
        asked = Order.of(**order)
        operation = operations.get("left_alone")
        if not test:
            record.remember_left_alone(operation)
        if operation:
            return _left_alone(name, operation, asked, context)
        found = stage.preview(plan(), sources()) if test else stage.prepare(plan(), sources(), timeout, asked)
        if test:
            context[_PREVIEW] = {key: list(lines) for key, lines in found.changes.items()}
        return _staged_return(name, found, test)

    return _guarded(name, act)


def restored_at_boot(name: str, test: bool, context: Mapping[str, Any]) -> Return:
    """``traffic.restored_at_boot``: a boot finds its way back to the confirmed generation without anybody's help."""
    if _LEFT_ALONE in context:
        return _return(name, True, str(context[_LEFT_ALONE]))

    def act() -> Return:
        target = transaction.target()
        with_bird = target is not None and target.has("bird.json")
        lines = boot.lacking(with_bird) if test else boot.ensure(with_bird)
        return _changed(name, "boot", lines, "a boot restores the confirmed generation", None if test else True)

    return _guarded(name, act)


def withdrawn(name: str, test: bool) -> Return:
    """``bird.withdrawn``: what the new generation no longer announces is withdrawn, before anything else changes."""
    if test:
        return _return(name, True, "withdrawals are shown with bird.applied")
    return _guarded(name, lambda: _changed(name, "announcements", transaction.withdraw(), "nothing to withdraw"))


def applied(name: str, subsystem: str, test: bool, context: Mapping[str, Any]) -> Return:
    """``xdp.applied``, ``tc.applied``, ``bird.applied``: one subsystem of the staged generation runs."""
    if test:
        lines = context.get(_PREVIEW, {}).get(subsystem, [])
        return _changed(name, subsystem, lines, f"{subsystem} is as planned", None)
    return _guarded(name, lambda: _changed(name, subsystem, transaction.apply(subsystem), f"{subsystem} is as planned"))


def confirmed(
    name: str, opts: Mapping[str, Any], wait: float, settle: float, by: str, order: Mapping[str, Any], test: bool
) -> Return:
    """``traffic.confirmed``: healthy, the master reached over the new configuration, and therefore permanent.

    With ``by="engine"`` it is healthy and the master reached, and a rollout's engine makes it permanent.
    """
    if test:
        return _return(name, True, "a change would be confirmed after local health and a round trip to the master")

    def act() -> Return:
        asked, change = Order.of(**order), record.read()
        if by not in ("host", "engine"):
            raise Refused(f"by is to be host or engine, not {by!r}; a change under way undoes itself")
        if change is None:
            return _return(name, True, f"generation {_id(generation.linked('confirmed'))} is confirmed; {_IDLE}")
        if by == "host" and change.owner not in (None, asked.owner):
            # A highstate in the middle of a rollout must not decide what the rollout has yet to decide.
            return _return(name, True, _waiting(change))
        if by == "engine":
            proven = transaction.prove(lambda: master.reach(opts), wait, asked)
            return _return(name, True, _waiting(proven) if proven else _IDLE)
        return _confirm(name, opts, wait, settle, asked)

    return _guarded(name, act)


_IDLE = "nothing was under way"


def _confirm(name: str, opts: Mapping[str, Any], wait: float, settle: float, order: Order) -> Return:
    before = generation.linked("confirmed")
    target = transaction.confirm(lambda: master.reach(opts), wait, settle, order)
    if target is None:
        return _return(name, True, f"generation {_id(before)} is confirmed; {_IDLE}")
    home = "masterless: local health only" if master.is_masterless(opts) else "the master was reached"
    changes = {"generation": {"old": _id(before), "new": target.id}} if _id(before) != target.id else {}
    return _return(name, True, f"generation {target.id} is healthy and confirmed ({home})", changes)


def _waiting(change: Transaction) -> str:
    seconds = change.remaining(time.time())
    return f"generation {change.generation} waits for {whose(change.owner)} to confirm it; undone in {seconds} s"


def _left_alone(name: str, operation: Mapping[str, Any], order: Order, context: MutableMapping[str, Any]) -> Return:
    until = operation.get("until") or "somebody ends it"
    told = f"left alone: {operation.get('who')}, {operation.get('why')}, until {until}"
    context[_LEFT_ALONE] = told
    # A rollout that believed in this success would promote a host that it never reached.
    return _return(name, order.owner is None, told)


def _staged_return(name: str, found: Staged, test: bool) -> Return:
    this = f"generation {found.generation.id} (plan {str(found.generation.plan)[:12]})"
    way = f"; the change to generation {found.overtook} made way and was undone" if found.overtook else ""
    if not found.is_needed:
        changes = {"generation": {"old": found.overtook, "new": found.confirmed}} if found.overtook else {}
        return _return(name, True, f"{this} is what this host runs{way}", changes)
    touches = f"changes {', '.join(found.changes)}" if found.changes else "changes nothing that runs"
    changes = {"generation": {"old": found.confirmed, "new": found.generation.id}}
    if test:
        return _return(name, None, f"{this} would be applied; it {touches}", changes)
    change = record.read()
    seconds = change.remaining(time.time()) if change else 0
    return _return(name, True, f"{this} {touches}; it is undone in {seconds} s unless it is confirmed{way}", changes)


def _changed(name: str, what: str, lines: list[str], same: str, result: bool | None = True) -> Return:
    if not lines:
        return _return(name, True, same)
    return _return(name, result, f"{what} {'would change' if result is None else 'changed'}", {what: lines})


def _id(found: Generation | None) -> str:
    return found.id if found else "none"


def _guarded(name: str, act: Callable[[], Return]) -> Return:
    try:
        return act()
    except TidegateError as error:
        return _return(name, False, str(error))
    except SaltException as error:
        return _return(name, False, f"Salt failed ({type(error).__name__}: {error}); a change under way undoes itself")


def _return(name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None) -> Return:
    return {"name": name, "result": result, "comment": comment, "changes": dict(changes or {})}
