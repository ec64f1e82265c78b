"""The host transaction: arm, apply, confirm, or be undone. All or nothing, whatever dies.

``arm`` → ``apply`` each subsystem → ``confirm``. From ``arm`` on, the dead-man restores the confirmed generation
unless ``confirm`` has moved that link; moving it is the one instant at which the new generation becomes the one to
go back to. Every function reads what is on disk and live first, so each may be repeated after a crash in any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tidegate.bird import live as bird
from tidegate.host import deadman, durable, fence, generation, record, refusal
from tidegate.host.check import Check, worst
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.generation import Generation
from tidegate.host.order import PERSON, Order, whose
from tidegate.host.paths import paths
from tidegate.host.record import Kind, Transaction
from tidegate.host.subsystems import SUBSYSTEMS, Subsystem, subsystem

_PATIENCE = 20.0
# BIRD's own timer and the data path's deadline are the second line: they fire after the dead-man, not before it.
_SECOND_LINE = 15


def diff(target: Generation) -> dict[str, list[str]]:
    """What applying ``target`` would change, by subsystem; only those that would change at all."""
    found = {each.name: each.live.diff(target.directory) for each in SUBSYSTEMS if target.has(each.artefact)}
    return {name: lines for name, lines in found.items() if lines}


def problems(target: Generation) -> list[str]:
    """Why this host cannot run ``target``: every subsystem is asked, so all reasons come at once."""
    return [why for each in SUBSYSTEMS if target.has(each.artefact) for why in each.live.problems(target.directory)]


def dropped(target: Generation) -> list[str]:
    """Subsystems that the confirmed generation manages and ``target`` does not speak of: missing never means remove."""
    confirmed = generation.linked("confirmed")
    if confirmed is None or target.is_initial:
        return []
    return [each.name for each in SUBSYSTEMS if confirmed.has(each.artefact) and not target.has(each.artefact)]


def target() -> Generation | None:
    """The generation this host is on its way to, else the one it runs."""
    change = record.read()
    return generation.load(change.generation) if change else generation.linked("running")


def arm(target: Generation, timeout: int, order: Order = PERSON) -> Transaction:
    """Begin a change: from here on it undoes itself after ``timeout`` seconds.

    Raises:
        Refused: another change is under way, this one was undone before and nobody has allowed it again, or the
            engine that orders it has lost its lease.
        Failed: the dead-man could not be armed; nothing was changed.
    """
    with record.locked(_PATIENCE):
        fence.admit(order.fence)
        if order.again:
            record.allow(target)
        refusal.of_a_second_change(target)
        confirmed = _confirmed()
        before = {each.name: each.health.baseline() for each in SUBSYSTEMS if target.has(each.artefact)}
        change = Transaction(
            target.id, confirmed.id, timeout, time.time(), record.boot_id(), before=before, owner=order.owner
        )
        runtime = confirmed.runtime or target.runtime
        if runtime is None:
            raise Refused(f"generation {target.id} names no runtime for the dead-man")
        durable.point(paths().state / "restore", f"runtimes/{runtime}")
        record.write(change)
        try:
            deadman.arm(paths().state / "runtimes" / runtime, timeout)
        except TidegateError:
            record.clear()
            raise
        generation.point("running", target)
        return change


def make_way(target: Generation, order: Order) -> Transaction | None:
    """Undo a change under way to another generation, because a rollout wants ``target``; return what was undone.

    Only a rollout does that: an engine has to bring a host on its way, or back, whatever it was in the middle of.

    Raises:
        Refused: the engine has lost its lease.
        Failed: the confirmed generation could not be restored; the dead-man will try again.
    """
    if order.owner is None:
        return None
    with record.locked(_PATIENCE):
        fence.admit(order.fence)
        change = record.read()
        if change is None or change.generation == target.id:
            return None
        _undo(change, f"overtaken by {whose(order.owner)}", "overtaken")
        return change


def take_up(target: Generation, order: Order) -> Transaction | None:
    """Go on with the change to ``target`` that is under way, under the dead-man it has; ``None`` if there is none.

    The change becomes the rollout's that takes it up; a plain highstate leaves it whose it is.
    """
    change = record.read()
    if change is None or change.generation != target.id or not change.is_live():
        return None
    if order.owner in (None, change.owner):
        return change
    with record.locked(_PATIENCE):
        refusal.of_a_change_that_is_over(change)
        # Read again: a step of the change may have been recorded meanwhile.
        taken = replace(record.read() or change, owner=order.owner)
        record.write(taken)
        return taken


def apply(name: str) -> list[str]:
    """Apply one subsystem of the change under way; what fails is undone at once.

    Returns what changed, a line each; empty if no change is under way or the host already runs it.

    Raises:
        Failed: the subsystem could not be applied, and the confirmed generation was restored.
    """
    return _step(name, lambda each, target, seconds: each.live.apply(target.directory, seconds))


def withdraw() -> list[str]:
    """Withdraw what the change under way no longer announces, before anything else is touched."""
    change = record.read()
    if change is None:
        return []
    target = generation.load(change.generation)
    if not target.has(subsystem("bird").artefact):
        return []
    with record.locked(_PATIENCE):
        refusal.of_a_change_that_is_over(change)
        try:
            return bird.withdraw(target.directory)
        except TidegateError as error:
            _undo(change, f"withdrawing failed: {error}")
            raise Failed(f"{error}. {_undone(change)}") from error


def checks(target: Generation, change: Transaction | None = None) -> list[Check]:
    """Health of every subsystem against ``target``, and against what was before the change."""
    before = change.before if change else {}
    found: list[Check] = []
    for each in SUBSYSTEMS:
        if not target.has(each.artefact):
            continue
        try:
            found += each.health.checks(target.directory, before.get(each.name, {}))
        except (TidegateError, OSError) as error:
            found.append(Check(each.name, "unknown", f"could not be read: {error}"))
    return found


def confirm(reach: Callable[[], None], wait: float, settle: float, order: Order = PERSON) -> Generation | None:
    """Make the change under way permanent, once the host is healthy and ``reach`` (the way home) returns.

    Both must begin to hold within ``wait`` seconds and then hold for ``settle`` seconds on end, else the change is
    undone at once. ``settle`` is there because routing answers late: a changed import policy takes effect when the
    neighbor has sent its routes again (RFC 2918), and a lost way home is not lost at the instant of the change.
    Returns the confirmed generation, or ``None`` if no change was under way.

    Raises:
        Refused: the change is not the rollout's that orders this, or its engine has lost its lease; nothing was done.
        Failed: not healthy, or no way home; the text says which, and that the change was undone.
    """
    change = _pending(order)
    if change is None:
        return None
    target = generation.load(change.generation)
    why = _prove(lambda: _unproven(target, change, reach), wait, settle)
    with record.locked(_PATIENCE):
        # Again: another engine may have come while this one waited.
        fence.admit(order.fence)
        refusal.of_a_change_that_is_over(change)
        if why:
            _undo(change, why)
            raise Failed(f"{why}. {_undone(change)}")
        _commit(target)
    return target


def prove(reach: Callable[[], None], wait: float, order: Order) -> Transaction | None:
    """Like `confirm`, but it is left to the rollout to make the change permanent, and to wait for late answers.

    Health and the way home must hold once within ``wait`` seconds, else the change is undone at once. Returns the
    change, which goes on to be under way, or ``None`` if none was.

    Raises:
        Refused, Failed: as `confirm`.
    """
    change = _pending(order)
    if change is None:
        return None
    target = generation.load(change.generation)
    why = _prove(lambda: _unproven(target, change, reach), wait, settle=0)
    with record.locked(_PATIENCE):
        refusal.of_a_change_that_is_over(change)
        if why:
            _undo(change, why)
            raise Failed(f"{why}. {_undone(change)}")
    return change


def revert(reason: str, order: Order = PERSON) -> Generation | None:
    """Undo the change under way; ``None`` if there is none.

    Raises:
        Refused: the change is another rollout's, or the engine that orders this has lost its lease.
    """
    with record.locked(_PATIENCE):
        fence.admit(order.fence)
        change = record.read()
        if change is None:
            return None
        refusal.of_others(change, order)
        return _undo(change, reason, "asked")


def restore(target: Generation) -> list[str]:
    """Make the host run ``target`` for good, every subsystem, going on past one that fails; return the failures."""
    failures = []
    running = generation.linked("running")
    for each in SUBSYSTEMS:
        try:
            if target.has(each.artefact):
                each.live.apply(target.directory, None)
            elif target.is_initial or (running is not None and running.has(each.artefact)):
                each.live.remove()
        except (TidegateError, OSError) as error:
            failures.append(f"{each.name}: {error}")
    if not failures:
        generation.point("running", target)
    return failures


def undo_unattended(reason: str, kind: Kind) -> list[str]:
    """What the dead-man and the boot do: restore the confirmed generation and close the change; return failures."""
    with record.locked(_PATIENCE, insist=True):
        change = record.read()
        confirmed = _confirmed()
        failures = restore(confirmed)
        if not failures and change is not None:
            _close(change, confirmed, reason, kind)
            deadman.stop_timer()
        return failures


def _step(name: str, act: Callable[[Subsystem, Generation, int], None]) -> list[str]:
    change = record.read()
    if change is None:
        return []
    each, target = subsystem(name), generation.load(change.generation)
    if not target.has(each.artefact):
        return []
    with record.locked(_PATIENCE):
        refusal.of_a_change_that_is_over(change)
        try:
            lines = each.live.diff(target.directory)
            act(each, target, change.remaining(time.time()) + _SECOND_LINE)
            # Whose it is may have changed since it was read.
            record.write((record.read() or change).after(name))
        except (TidegateError, OSError) as error:
            _undo(change, f"{name} could not be applied: {error}")
            raise Failed(f"{error}\n{_undone(change)}") from error
    return lines


def _pending(order: Order) -> Transaction | None:
    if order.fence is not None:
        with record.locked(_PATIENCE):
            fence.admit(order.fence)
    change = record.read()
    if change is not None:
        refusal.of_others(change, order)
    return change


def _prove(unproven: Callable[[], str], wait: float, settle: float) -> str:
    """Why the change cannot be confirmed, or an empty string once it has held for ``settle`` seconds."""
    begun = time.monotonic()
    good_since: float | None = None
    while True:
        why, now = unproven(), time.monotonic()
        if why and now - begun >= wait:
            return why
        good_since = None if why else (good_since or now)
        if good_since is not None and now - good_since >= settle:
            return ""
        time.sleep(0.5)


def _unproven(target: Generation, change: Transaction, reach: Callable[[], None]) -> str:
    # Read again: a step of the change may have been recorded meanwhile.
    applied = (record.read() or change).applied
    missing = [each.name for each in SUBSYSTEMS if target.has(each.artefact) and each.name not in applied]
    if missing:
        return f"not applied as a whole: {', '.join(missing)} missing"
    found = checks(target, change)
    if worst(found) != "ok":
        poor = [f"{check.name} is {check.status}: {check.reason}" for check in found if check.status != "ok"]
        return "not healthy: " + ("; ".join(poor) or "no subsystem could be checked")
    try:
        reach()
    except TidegateError as error:
        return f"healthy, but no way home: {error}"
    return ""


def _commit(target: Generation) -> None:
    generation.point("confirmed", target)
    # From here on every path leads to the new generation: what dies now is completed by the dead-man or the boot.
    for each in SUBSYSTEMS:
        if target.has(each.artefact):
            each.live.confirm(target.directory)
    durable.point(paths().state / "restore", f"runtimes/{target.runtime}")
    record.clear()
    deadman.disarm()
    generation.prune()


def _undo(change: Transaction, reason: str, kind: Kind = "failed") -> Generation:
    confirmed = _confirmed()
    failures = restore(confirmed)
    if failures:
        # The dead-man stays armed and will try again.
        raise Failed(f"{reason}; and going back to {confirmed.id} failed: {'; '.join(failures)}")
    _close(change, confirmed, reason, kind)
    deadman.disarm()
    return confirmed


def _close(change: Transaction, confirmed: Generation, reason: str, kind: Kind) -> None:
    if change.generation != confirmed.id:
        record.remember_reverted(generation.load(change.generation), reason, kind, change.owner)
    record.clear()


def _undone(change: Transaction) -> str:
    return f"The change was undone: this host runs generation {change.previous} again."


def _confirmed() -> Generation:
    confirmed = generation.linked("confirmed")
    if confirmed is None:
        raise Refused(f"{paths().state}/confirmed is missing: this host has no generation to go back to")
    return confirmed
