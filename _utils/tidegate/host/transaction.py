"""The host transaction: arm, apply, confirm, or be undone. All or nothing, whatever dies.

``arm`` → ``apply`` each subsystem → ``confirm``. From ``arm`` on, the dead-man restores the confirmed generation
unless ``confirm`` has moved that link; moving it is the one instant at which the new generation becomes the one to
go back to. Every function reads what is on disk and live first, so each may be repeated after a crash in any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tidegate.bird import live as bird
from tidegate.host import deadman, durable, generation, record
from tidegate.host.check import Check, worst
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.generation import Generation
from tidegate.host.paths import paths
from tidegate.host.record import Transaction
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


def arm(target: Generation, timeout: int) -> Transaction:
    """Begin a change: from here on it undoes itself after ``timeout`` seconds.

    Raises:
        Refused: another change is under way, or this one was undone before and nobody has allowed it again.
        Failed: the dead-man could not be armed; nothing was changed.
    """
    with record.locked(_PATIENCE):
        _refuse_second(target)
        confirmed = _confirmed()
        before = {each.name: each.health.baseline() for each in SUBSYSTEMS if target.has(each.artefact)}
        change = Transaction(target.id, confirmed.id, timeout, time.time(), record.boot_id(), before=before)
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
        _still(change)
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


def confirm(reach: Callable[[], None], wait: float, settle: float) -> Generation | None:
    """Make the change under way permanent, once the host is healthy and ``reach`` (the way home) returns.

    Both must begin to hold within ``wait`` seconds and then hold for ``settle`` seconds on end, else the change is
    undone at once. ``settle`` is there because routing answers late: a changed import policy takes effect when the
    neighbor has sent its routes again (RFC 2918), and a lost way home is not lost at the instant of the change.
    Returns the confirmed generation, or ``None`` if no change was under way.

    Raises:
        Failed: not healthy, or no way home; the text says which, and that the change was undone.
    """
    change = record.read()
    if change is None:
        return None
    target = generation.load(change.generation)
    why = _prove(lambda: _unproven(target, change, reach), wait, settle)
    with record.locked(_PATIENCE):
        _still(change)
        if why:
            _undo(change, why)
            raise Failed(f"{why}. {_undone(change)}")
        _commit(target)
    return target


def revert(reason: str) -> Generation | None:
    """Undo the change under way; ``None`` if there is none."""
    with record.locked(_PATIENCE):
        change = record.read()
        if change is None:
            return None
        return _undo(change, reason)


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


def undo_unattended(reason: str) -> list[str]:
    """What the dead-man and the boot do: restore the confirmed generation and close the change; return failures."""
    with record.locked(_PATIENCE, insist=True):
        change = record.read()
        confirmed = _confirmed()
        failures = restore(confirmed)
        if not failures and change is not None:
            _close(change, confirmed, reason)
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
        _still(change)
        try:
            lines = each.live.diff(target.directory)
            act(each, target, change.remaining(time.time()) + _SECOND_LINE)
            record.write(change.after(name))
        except (TidegateError, OSError) as error:
            _undo(change, f"{name} could not be applied: {error}")
            raise Failed(f"{error}\n{_undone(change)}") from error
    return lines


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


def _undo(change: Transaction, reason: str) -> Generation:
    confirmed = _confirmed()
    failures = restore(confirmed)
    if failures:
        # The dead-man stays armed and will try again.
        raise Failed(f"{reason}; and going back to {confirmed.id} failed: {'; '.join(failures)}")
    _close(change, confirmed, reason)
    deadman.disarm()
    return confirmed


def _close(change: Transaction, confirmed: Generation, reason: str) -> None:
    if change.generation != confirmed.id:
        record.remember_reverted(generation.load(change.generation), reason)
    record.clear()


def _undone(change: Transaction) -> str:
    return f"The change was undone: this host runs generation {change.previous} again."


def _still(change: Transaction) -> None:
    current = record.read()
    if current is None or (current.generation, current.armed_at) != (change.generation, change.armed_at):
        raise Failed(f"the change to generation {change.generation} is over: it was undone meanwhile")


def _refuse_second(target: Generation) -> None:
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


def _confirmed() -> Generation:
    confirmed = generation.linked("confirmed")
    if confirmed is None:
        raise Refused(f"{paths().state}/confirmed is missing: this host has no generation to go back to")
    return confirmed
