"""What the state functions return: one function per state, plain data in, Salt's return out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from salt.exceptions import SaltException

from tidegate.host import boot, generation, transaction
from tidegate.host.errors import TidegateError
from tidegate.host.plan import Plan
from tidegate.minion import master, stage
from tidegate.minion.stage import Sources, Staged

Return = dict[str, Any]
_PREVIEW = "tidegate.preview"


def staged(
    name: str,
    plan: Callable[[], Plan],
    sources: Callable[[], Sources],
    timeout: int,
    test: bool,
    context: MutableMapping[str, Any],
) -> Return:
    """``traffic.staged``: the plan is a generation on disk, proven, and the dead-man armed if it changes anything."""

    def act() -> Return:
        found = stage.preview(plan(), sources()) if test else stage.prepare(plan(), sources(), timeout)
        if test:
            context[_PREVIEW] = {key: list(lines) for key, lines in found.changes.items()}
        return _staged_return(name, found, timeout, test)

    return _guarded(name, act)


def restored_at_boot(name: str, test: bool) -> Return:
    """``traffic.restored_at_boot``: a boot finds its way back to the confirmed generation without anybody's help."""

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


def confirmed(name: str, opts: Mapping[str, Any], wait: float, settle: float, test: bool) -> Return:
    """``traffic.confirmed``: healthy, the master reached over the new configuration, and therefore permanent."""
    if test:
        return _return(name, True, "a change would be confirmed after local health and a round trip to the master")

    def act() -> Return:
        before = generation.linked("confirmed")
        target = transaction.confirm(lambda: master.reach(opts), wait, settle)
        if target is None:
            return _return(
                name, True, f"generation {before.id if before else 'none'} is confirmed; nothing was under way"
            )
        old = before.id if before else None
        home = "masterless: local health only" if master.is_masterless(opts) else "the master was reached"
        changes = {"generation": {"old": old, "new": target.id}} if old != target.id else {}
        return _return(name, True, f"generation {target.id} is healthy and confirmed ({home})", changes)

    return _guarded(name, act)


def _staged_return(name: str, found: Staged, timeout: int, test: bool) -> Return:
    this = f"generation {found.generation.id} (plan {str(found.generation.plan)[:12]})"
    if not found.is_needed:
        return _return(name, True, f"{this} is what this host runs")
    touches = f"changes {', '.join(found.changes)}" if found.changes else "changes nothing that runs"
    changes = {"generation": {"old": found.confirmed, "new": found.generation.id}}
    if test:
        return _return(name, None, f"{this} would be applied; it {touches}", changes)
    return _return(name, True, f"{this} {touches}; it is undone in {timeout} s unless it is confirmed", changes)


def _changed(name: str, what: str, lines: list[str], same: str, result: bool | None = True) -> Return:
    if not lines:
        return _return(name, True, same)
    return _return(name, result, f"{what} {'would change' if result is None else 'changed'}", {what: lines})


def _guarded(name: str, act: Callable[[], Return]) -> Return:
    try:
        return act()
    except TidegateError as error:
        return _return(name, False, str(error))
    except SaltException as error:
        return _return(name, False, f"Salt failed ({type(error).__name__}: {error}); a change under way undoes itself")


def _return(name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None) -> Return:
    return {"name": name, "result": result, "comment": comment, "changes": dict(changes or {})}
