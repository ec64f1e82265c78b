"""From a rollout's state to what there is to see of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.rollout.brief import PlannedWave
from tidegate.rollout.machine import APPROVAL
from tidegate.rollout.safety import margins
from tidegate.rollout.standing import awaits_approval, needs_approval, standing
from tidegate.rollout.state import LEFT_BEHIND, Job, Phase, State
from tidegate.rollout.verdict import Verdict
from tidegate.rollout.view import Engine, GateView, HostView, JobView, Margin, PopView, View, WaveView, counted

if TYPE_CHECKING:
    from tidegate.rollout.journal import Rollout

FAILED = (LEFT_BEHIND - {Phase.UNKNOWN}) | {Phase.STUCK}
"""Phases that the budget of failed hosts counts, as `safety.over_budget` does."""


def overview(rollout: Rollout, state: State, engine: Engine | None, at: datetime) -> View:
    """What there is to see of a rollout.

    Args:
        rollout: Its entry in the store.
        state: What its journal folds to, on a clock of POSIX seconds.
        engine: Who drives it.
        at: Now.
    """
    brief = state.brief
    wave = state.current
    return View(
        number=rollout.number,
        release=rollout.release,
        before=_most_frequent(brief.before[host] for host in brief.hosts if host in brief.before),
        strategy=brief.strategy,
        who=rollout.who,
        why=rollout.why,
        created_at=rollout.created_at,
        finished_at=rollout.finished_at,
        supersedes=rollout.supersedes,
        status=state.status,
        reason=state.reason,
        standing=standing(state),
        approval=wave.name if wave and awaits_approval(state) else None,
        waiting=state.waiting,
        counts=counted(state.hosts.values()),
        unchanged=len(brief.unchanged),
        waves=tuple(_wave(state, planned) for planned in brief.waves),
        pops=tuple(_pops(state)),
        floors=tuple(Margin(name, up, least, up - least) for name, (up, least) in margins(state).items()),
        budgets=tuple(_budgets(state, at.timestamp())),
        jobs=tuple(_job(job, at.timestamp()) for job in state.jobs.values()),
        hosts=tuple(_noteworthy(state)),
        problems=dict(state.problems),
        going_back=state.going_back,
        on_failure=brief.on_failure,
        engine=engine,
        seq=state.seq,
        at=at,
    )


def _wave(state: State, planned: PlannedWave) -> WaveView:
    stands = state.waves[planned.name]
    told = {verdict.gate: verdict for verdict in stands.verdicts}
    names = (*planned.gates, *(name for name in told if name not in planned.gates))
    return WaveView(
        planned.name,
        stands.status,
        len(planned.hosts),
        counted(state.hosts[host] for host in planned.hosts),
        planned.soak,
        min(stands.soaked, planned.soak),
        stands.round,
        stands.inconclusive,
        (stands.approved or "") if needs_approval(planned.gates) else None,
        tuple(_gate(name, told.get(name), stands.approved) for name in names),
    )


def _gate(name: str, verdict: Verdict | None, approved: str | None) -> GateView:
    if verdict is not None:
        return GateView(name, verdict.outcome, verdict.reason, verdict.evidence, verdict.then)
    if name == APPROVAL and approved:
        return GateView(name, "pass", f"{approved} approved it", {})
    return GateView(name, None, "", {})


def _pops(state: State) -> Iterable[PopView]:
    hosts: dict[str, list[str]] = {}
    waves: dict[str, list[str]] = {}
    for wave in state.brief.waves:
        for host in wave.hosts:
            pop = state.brief.pops[host]
            hosts.setdefault(pop, []).append(host)
            if wave.name not in waves.setdefault(pop, []):
                waves[pop].append(wave.name)
    for pop in sorted(hosts):
        yield PopView(pop, len(hosts[pop]), counted(state.hosts[host] for host in hosts[pop]), tuple(waves[pop]))


def _budgets(state: State, now: float) -> Iterable[Margin]:
    phases = [host.phase for host in state.hosts.values()]
    failed = sum(phase in FAILED for phase in phases)
    unknown = phases.count(Phase.UNKNOWN)
    budget, breaker = state.brief.budget, state.brief.breaker
    yield Margin("failed hosts", failed, budget.failed, budget.failed - failed)
    yield Margin("unknown hosts", unknown, budget.unknown, budget.unknown - unknown)
    gone = sum(number for then, number in state.withdrawn if now - then < breaker.within)
    left = None if breaker.most is None else breaker.most - gone
    yield Margin(f"withdrawals in {breaker.within:g} s", gone, breaker.most, left)


def _job(job: Job, now: float) -> JobView:
    return JobView(job.jid, job.act, job.wave, tuple(sorted(job.hosts)), max(now - job.since, 0.0))


def _noteworthy(state: State) -> Iterable[HostView]:
    phases = LEFT_BEHIND | {Phase.STUCK, Phase.SKIPPED}
    for wave in state.brief.waves:
        for host in wave.hosts:
            found = state.hosts[host]
            if found.phase in phases:
                pop = state.brief.pops[host]
                yield HostView(host, pop, wave.name, found.phase.value, found.reason, found.tries)


def _most_frequent(releases: Iterable[str | None]) -> tuple[str | None, ...]:
    found: dict[str | None, int] = {}
    for release in releases:
        found[release] = found.get(release, 0) + 1
    return tuple(sorted(found, key=lambda release: (-found[release], release or "")))
