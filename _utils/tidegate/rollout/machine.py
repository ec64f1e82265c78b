"""What a rollout does next: a pure function of its state, the time, and what goes on elsewhere.

`due` names actions that may all be repeated. It is asked at every step, and says the same until an event changes the
state: so an engine that is killed anywhere only has to read its journal and ask again.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rollout import safety
from tidegate.rollout.action import Action, Follow, Judge, Launch, Look, Record
from tidegate.rollout.brief import PlannedWave
from tidegate.rollout.event import Event
from tidegate.rollout.fold import fold
from tidegate.rollout.safety import Elsewhere
from tidegate.rollout.state import ARRIVED, MOVING, TOUCHED, Phase, State, WaveState
from tidegate.rollout.verdict import worst

GATHER = 10.0
"""Seconds after which those hosts of a job that have applied are confirmed, without waiting for its slowest."""

SPARED = 0.1
"""Seconds for each host of a promoted wave between two rounds of its gates: a master has other returns to take in."""

APPROVAL = "approval"
"""The gate that people are; no program judges it."""


def transition(state: State, event: Event, now: float, elsewhere: Elsewhere) -> tuple[State, list[Action]]:
    """The state after an event, and what is due then."""
    after = fold(state, [event], now)
    return after, due(after, now, elsewhere)


def due(state: State, now: float, elsewhere: Elsewhere) -> list[Action]:
    """What is to be done now.

    Args:
        state: Where the rollout stands.
        now: Seconds of a clock that never jumps, the one that `fold` was given.
        elsewhere: What is not this rollout's own.
    """
    follow: list[Action] = [Follow(job) for job in state.jobs.values()]
    match state.status:
        case "checking":
            return follow or [Look(tuple(host for host in state.hosts if state.hosts[host].phase is Phase.WAITING))]
        case "running" | "paused":
            return [*follow, *_forward(state, now, elsewhere)]
        case "stopped":
            return [*follow, *_after_stop(state)]
        case "reversing":
            return [*follow, *_back(state)]
        case "aborting":
            return [*follow, *_abort(state)]
    return follow


def _forward(state: State, now: float, elsewhere: Elsewhere) -> Iterator[Action]:
    wave = state.current
    stop = _against(state)
    if stop:
        yield stop
        return
    yield from _confirm(state, now)
    yield from _judge(state, now)
    if state.status == "paused":
        return
    if wave is None:
        if not state.jobs:
            yield _finish("completed", _left_behind(state))
        return
    match state.waves[wave.name].status:
        case "waiting":
            yield from _begin(state, wave, elsewhere)
        case "running":
            yield from _apply(state, wave, now, elsewhere)
        case "judging":
            yield from _promote(state, wave)


def _begin(state: State, wave: PlannedWave, elsewhere: Elsewhere) -> Iterator[Action]:
    if elsewhere.frozen and not state.brief.override_freeze:
        yield from _wait(state, elsewhere.frozen)
    else:
        yield Record(Event("wave", {"wave": wave.name}))


def _apply(state: State, wave: PlannedWave, now: float, elsewhere: Elsewhere) -> Iterator[Action]:
    for host in wave.hosts:
        if host in elsewhere.held and state.hosts[host].phase is Phase.WAITING:
            yield Record(Event("skipped", {"hosts": [host]}, why=elsewhere.held[host]))
            return
    choice = safety.choose(state, wave, now, elsewhere)
    if choice.hosts:
        yield Launch("apply", wave.name, choice.hosts, choice.again)
    elif choice.never:
        yield _stop(choice.why, wave.name)
    elif choice.why and not _moving(state):
        yield from _wait(state, choice.why)


def _confirm(state: State, now: float) -> Iterator[Action]:
    """Hosts that have applied, once nobody else is about to, or after a while: not one job for each host."""
    applying = any(job.act == "apply" for job in state.jobs.values())
    for wave in state.brief.waves:
        hosts = [host for host in wave.hosts if state.hosts[host].phase is Phase.APPLIED]
        if hosts and (not applying or now - min(state.hosts[host].since for host in hosts) >= GATHER):
            yield Launch("confirm", wave.name, tuple(hosts[: state.brief.pace.slice]))


def _judge(state: State, now: float) -> Iterator[Action]:
    """The wave that is complete, and all that were promoted, as long as the rollout lasts."""
    if state.current is None:
        return
    for wave in state.brief.waves:
        at = state.waves[wave.name]
        if at.status in ("judging", "promoted") and _arrived(state, wave) and now - at.since >= _pause(state, wave, at):
            yield Judge(wave.name, at.round + 1)


def _pause(state: State, wave: PlannedWave, at: WaveState) -> float:
    """Seconds before the next round of a wave's gates: none before the first, and the last ends with the soak."""
    if not at.round:
        return 0.0
    if at.status == "promoted":
        return max(state.brief.pace.interval, SPARED * len(wave.hosts))
    left = wave.soak - at.soaked
    return min(state.brief.pace.interval, left) if _passed(at) and left > 0 else state.brief.pace.interval


def _promote(state: State, wave: PlannedWave) -> Iterator[Action]:
    at = state.waves[wave.name]
    if not _arrived(state, wave):
        if all(state.hosts[host].phase is Phase.SKIPPED for host in wave.hosts):
            yield Record(Event("promoted", {"wave": wave.name}))
        else:
            yield _stop(f"no host of {wave.name} has the release", wave.name)
    elif _passed(at) and at.soaked >= wave.soak:
        if APPROVAL in wave.gates and at.approved is None:
            yield from _wait(state, f"somebody's approval of {wave.name}")
        else:
            yield Record(Event("promoted", {"wave": wave.name}))


def _against(state: State) -> Record | None:
    """The stop, if a budget or a gate says so; a gate of a wave that was promoted long ago is as good as any."""
    over = safety.over_budget(state)
    if over:
        return _stop(over, state.current.name if state.current else None)
    for wave in state.brief.waves:
        at = state.waves[wave.name]
        if at.status not in ("judging", "promoted"):
            continue
        bad = next((verdict for verdict in at.verdicts if verdict.outcome == "fail"), None)
        if bad:
            return _stop(f"{wave.name}: gate {bad.gate} failed: {bad.reason}", wave.name)
        if at.inconclusive >= state.brief.pace.rounds:
            unsure = next(each for each in at.verdicts if each.outcome == "inconclusive" and not each.then)
            reason = f"gate {unsure.gate} could not decide in {at.inconclusive} rounds: {unsure.reason}"
            return _stop(f"{wave.name}: {reason}", wave.name)
        people = next((verdict for verdict in at.verdicts if verdict.then == "pause"), None)
        if people and state.status == "running":
            return Record(Event("paused", {}, why=f"{wave.name}: gate {people.gate} needs people: {people.reason}"))
    return None


def _passed(at: WaveState) -> bool:
    return at.round > 0 and worst(at.verdicts) == "pass"


def _arrived(state: State, wave: PlannedWave) -> bool:
    return any(state.hosts[host].phase in ARRIVED for host in wave.hosts)


def _after_stop(state: State) -> Iterator[Action]:
    """What the policy says about a stop, once; what is not confirmed is undone in any case."""
    names = list(state.waves)
    condemned = [number for number, name in enumerate(names) if state.waves[name].status == "stopped"]
    if condemned and state.brief.on_failure != "pause":
        # What came after the wave that failed has the same release in it.
        wanted = names if state.brief.on_failure == "all" else names[condemned[0] :]
        touched = [name for name in wanted if _touched(state, name)]
        if touched:
            yield Record(Event("reversing", {"reason": state.reason, "waves": touched}))
            return
    yield from _undo(state)


def _undo(state: State) -> Iterator[Action]:
    for wave in state.brief.waves:
        hosts = tuple(host for host in wave.hosts if state.hosts[host].phase is Phase.APPLIED)
        if hosts:
            yield Launch("back", wave.name, hosts[: state.brief.pace.slice])


def _back(state: State) -> Iterator[Action]:
    if not state.going_back:
        if not state.jobs:
            yield _finish("rolled-back", state.reason)
        return
    name = state.going_back[0]
    busy = {host for job in state.jobs.values() for host in job.hosts}
    wanted = [host for host in state.brief.wave(name).hosts if state.hosts[host].phase in TOUCHED and host not in busy]
    hosts = safety.choose_back(state, wanted)
    if hosts:
        yield Launch("back", name, hosts)


def _abort(state: State) -> Iterator[Action]:
    yield from _undo(state)
    if not state.jobs and not any(host.phase is Phase.APPLIED for host in state.hosts.values()):
        yield _finish("aborted", state.reason)


def _touched(state: State, name: str) -> bool:
    return any(state.hosts[host].phase in TOUCHED for host in state.brief.wave(name).hosts)


def _moving(state: State) -> bool:
    return any(host.phase in MOVING for host in state.hosts.values())


def _wait(state: State, reason: str) -> Iterator[Action]:
    if state.waiting != reason:
        yield Record(Event("waiting", {"reason": reason}))


def _stop(reason: str, wave: str | None) -> Record:
    return Record(Event("stopped", {"reason": reason, "wave": wave}))


def _finish(status: str, reason: str) -> Record:
    return Record(Event("finished", {"status": status, "reason": reason}))


def _left_behind(state: State) -> str:
    missing = sorted(name for name, host in state.hosts.items() if host.phase not in ARRIVED)
    return f"without {', '.join(missing)}" if missing else ""
