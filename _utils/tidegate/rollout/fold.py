"""From a journal to where the rollout stands. Pure, and quick enough to replay a hundred thousand events.

``now`` is a clock that never jumps and means nothing after a restart: what was under way then begins its time anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidegate.rollout.event import Event
from tidegate.rollout.state import (
    FINISHED,
    LEFT_BEHIND,
    MOVING,
    TOUCHED,
    UNSETTLED,
    HostState,
    Job,
    Phase,
    State,
    WaveState,
)
from tidegate.rollout.verdict import Verdict, counts, lost, worst

TRIES = 2
"""How often a host is brought to the release when nobody confirmed it in time: that was not the host's fault."""

_BEGUN = {"apply": Phase.APPLYING, "confirm": Phase.CONFIRMING, "back": Phase.RETURNING}
_ENDED = {
    "ok": Phase.OK,
    "applied": Phase.APPLIED,
    "changed": Phase.CHANGED,
    "failed": Phase.FAILED,
    "reverted": Phase.REVERTED,
}


def fold(state: State, events: Iterable[Event], now: float) -> State:
    """The state after these events. Events of a kind that says nothing in this state change nothing."""
    folding = _Folding(state, now)
    for event in events:
        folding.add(event)
    return folding.state()


def assignments(before: State, event: Event, after: State) -> dict[str, str | None]:
    """What the store has to assign together with this event: host → release, ``None`` for no release at all.

    Args:
        before: The state without the event.
        event: What is about to be written.
        after: The state with it.
    """
    brief, body = before.brief, event.body
    match event.kind:
        case "job" if body["act"] == "apply":
            return dict.fromkeys(body["hosts"], brief.release)
        case "job" if body["act"] == "back":
            return {host: brief.before[host] for host in body["hosts"]}
        case "returned" | "lost":
            left = LEFT_BEHIND | {Phase.WAITING}
            return {host: brief.before[host] for host in body["hosts"] if after.hosts[host].phase in left}
        case "superseded":
            return {host: brief.before[host] for host, at in before.hosts.items() if at.phase in MOVING}
        case "finished" if body["status"] == "completed":
            return dict.fromkeys(brief.unchanged, brief.release)
    return {}


class _Folding:
    """A state that is being changed; nobody sees it before it is whole."""

    def __init__(self, state: State, now: float) -> None:
        self._now = now
        self._at: float | None = None
        self._begin = state
        self._hosts = dict(state.hosts)
        self._waves = dict(state.waves)
        self._jobs = {jid: (job, set(job.hosts)) for jid, job in state.jobs.items()}
        self._rest: dict[str, Any] = {
            name: getattr(state, name)
            for name in ("status", "reason", "waiting", "going_back", "after_reverse", "withdrawn", "problems",
                         "cleared", "seq")
        }  # fmt: skip
        self._unsettled: dict[str, int] = {}
        self._wave_of = state.brief.wave_of

    def state(self) -> State:
        jobs = {jid: replace(job, hosts=frozenset(left)) for jid, (job, left) in self._jobs.items()}
        return replace(self._begin, hosts=self._hosts, waves=self._waves, jobs=jobs, **self._rest)

    def add(self, event: Event) -> None:
        self._at = event.at.timestamp() if event.at else None
        if self._rest["status"] not in FINISHED:
            _HANDLERS[event.kind](self, event.body, event)
        self._rest["seq"] = max(self._rest["seq"], event.seq)

    # --- what people ask for -----------------------------------------------------------------------------------------

    def started(self, body: Mapping[str, Any], event: Event) -> None:
        self._to("checking")

    def paused(self, body: Mapping[str, Any], event: Event) -> None:
        if self._rest["status"] in ("checking", "running"):
            self._to("paused", event.why)

    def resumed(self, body: Mapping[str, Any], event: Event) -> None:
        if self._rest["status"] in ("paused", "stopped", "blocked"):
            for name, wave in self._waves.items():
                if wave.status == "back":
                    self._wave(name, status="stopped")
            self._go_on()

    def approved(self, body: Mapping[str, Any], event: Event) -> None:
        name = body["wave"]
        if name in self._waves:
            self._wave(name, approved=event.who or "somebody")

    def retried(self, body: Mapping[str, Any], event: Event) -> None:
        if self._rest["status"] == "blocked":
            self._go_on()
            return
        named = self._hosts if body["hosts"] is None else body["hosts"]
        wanted = [host for host in named if host in self._hosts]
        stuck = [host for host in wanted if self._hosts[host].phase is Phase.STUCK]
        for host in stuck:
            self._host(host, Phase.UNKNOWN, "to be brought back once more")
        if stuck:
            self._reverse([self._wave_of[host] for host in stuck], self._rest["after_reverse"])
            return
        again = [host for host in wanted if self._hosts[host].phase in LEFT_BEHIND | {Phase.SKIPPED, Phase.BACK}]
        for host in again:
            self._set(host, HostState(again=True, since=self._now))
        for name in {self._wave_of[host] for host in again}:
            was = self._waves[name]
            self._waves[name] = WaveState("running", approved=was.approved, since=self._now, began=was.began)
        if again and self._rest["status"] == "stopped":
            self._go_on()

    def skipped(self, body: Mapping[str, Any], event: Event) -> None:
        may = LEFT_BEHIND | {Phase.WAITING, Phase.STUCK, Phase.BACK}
        for host in body["hosts"]:
            if host in self._hosts and self._hosts[host].phase in may:
                self._host(host, Phase.SKIPPED, event.why)
        self._rest["problems"] = {
            host: why for host, why in self._rest["problems"].items() if host not in body["hosts"]
        }
        if self._rest["status"] == "blocked" and not self._rest["problems"]:
            self._rest["cleared"] = True
            self._to("running")
        self._complete(self._wave_of[host] for host in body["hosts"] if host in self._hosts)
        self._advance()

    def aborted(self, body: Mapping[str, Any], event: Event) -> None:
        self._rest["going_back"] = ()
        self._to("aborting", event.why)

    def rollback(self, body: Mapping[str, Any], event: Event) -> None:
        names = list(self._waves if body["waves"] is None else body["waves"])
        self._reverse(names, "rolled-back" if body["waves"] is None else "stopped", event.why)

    def superseded(self, body: Mapping[str, Any], event: Event) -> None:
        self._to("superseded", f"rollout {body['by']} has taken over")

    # --- what the engine has done ------------------------------------------------------------------------------------

    def checked(self, body: Mapping[str, Any], event: Event) -> None:
        self._rest["problems"] = dict(body["problems"])
        self._rest["cleared"] = not body["problems"]
        if self._rest["status"] == "checking":
            count = len(body["problems"])
            several = "1 host is not as it should be" if count == 1 else f"{count} hosts are not as they should be"
            self._to("blocked", several) if count else self._to("running")

    def wave(self, body: Mapping[str, Any], event: Event) -> None:
        self._wave(body["wave"], status="running", since=self._now)
        self._rest["waiting"] = None
        self._complete([body["wave"]])

    def job(self, body: Mapping[str, Any], event: Event) -> None:
        jid, act, hosts = body["jid"], body["act"], body["hosts"]
        self._jobs[jid] = (Job(jid, act, body["wave"], frozenset(), self._now), set(hosts))
        for host in hosts:
            before = self._hosts[host]
            tries = before.tries + (act == "apply")
            self._set(host, HostState(_BEGUN[act], "", tries, jid, before.again, self._now))
        if act == "apply":
            self._rest["waiting"] = None
            if self._waves[body["wave"]].began is None:
                self._wave(body["wave"], began=self._at)
            count = sum(self._begin.brief.withdraws.get(host, 0) for host in hosts)
            if count:
                self._rest["withdrawn"] = (*self._rest["withdrawn"], (self._now, count))

    def returned(self, body: Mapping[str, Any], event: Event) -> None:
        job, hosts = self._close(body["jid"], body["hosts"])
        for host in hosts:
            told = body["hosts"][host]
            self._ended(host, job.act, told["outcome"], told["reason"])
        self._settle(hosts)

    def lost(self, body: Mapping[str, Any], event: Event) -> None:
        job, hosts = self._close(body["jid"], body["hosts"])
        for host in hosts:
            self._host(host, Phase.STUCK if job.act == "back" else Phase.UNKNOWN, body["hosts"][host])
        self._settle(hosts)

    def judged(self, body: Mapping[str, Any], event: Event) -> None:
        before = self._waves[body["wave"]]
        verdicts = tuple(map(Verdict.of, body["verdicts"]))
        failed = worst(verdicts) == "fail"
        self._wave(
            body["wave"],
            round=body["round"],
            verdicts=verdicts,
            soaked=before.soaked + (body["elapsed"] if counts(verdicts) else 0.0),
            inconclusive=before.inconclusive + 1 if lost(verdicts) and not failed else 0,
            since=self._now,
        )

    def promoted(self, body: Mapping[str, Any], event: Event) -> None:
        self._wave(body["wave"], status="promoted", inconclusive=0)
        self._rest["waiting"] = None

    def stopped(self, body: Mapping[str, Any], event: Event) -> None:
        if body["wave"] and self._waves[body["wave"]].status != "waiting":
            self._wave(body["wave"], status="stopped")
        self._to("stopped", body["reason"])

    def reversing(self, body: Mapping[str, Any], event: Event) -> None:
        everything = set(body["waves"]) >= {wave for wave in self._waves if self._has(wave, TOUCHED)}
        self._reverse(body["waves"], "rolled-back" if everything else "stopped", body["reason"])

    def waits(self, body: Mapping[str, Any], event: Event) -> None:
        self._rest["waiting"] = body["reason"]

    def finished(self, body: Mapping[str, Any], event: Event) -> None:
        self._to(body["status"], body["reason"])

    # --- how ---------------------------------------------------------------------------------------------------------

    def _to(self, status: str, reason: str = "") -> None:
        self._rest["status"], self._rest["reason"], self._rest["waiting"] = status, reason, None

    def _go_on(self) -> None:
        """After a pause or a stop: the look first if it has not been; what was judged badly or undone is so anew."""
        self._to("running" if self._rest["cleared"] else "checking")
        for host, at in self._hosts.items():
            if at.phase is Phase.BACK and self._waves[self._wave_of[host]].status != "back":
                self._set(host, HostState(again=True, since=self._now))
        for name, wave in self._waves.items():
            if wave.status == "stopped":
                self._wave(name, status="running", inconclusive=0, verdicts=(), soaked=0.0)
            elif wave.inconclusive or worst(wave.verdicts) == "fail" or _wants_people(wave.verdicts):
                self._wave(name, inconclusive=0, verdicts=())
        self._complete(self._waves)

    def _set(self, name: str, state: HostState) -> None:
        was, is_ = self._hosts[name].phase in UNSETTLED, state.phase in UNSETTLED
        self._hosts[name] = state
        wave = self._wave_of[name]
        if was != is_ and wave in self._unsettled:
            self._unsettled[wave] += is_ - was

    def _host(self, name: str, phase: Phase, reason: str = "") -> None:
        before = self._hosts[name]
        self._set(name, HostState(phase, reason, before.tries, None, before.again, self._now))

    def _wave(self, name: str, **changes: Any) -> None:
        self._waves[name] = replace(self._waves[name], **changes)

    def _has(self, wave: str, phases: frozenset[Phase]) -> bool:
        return any(self._hosts[host].phase in phases for host in self._begin.brief.wave(wave).hosts)

    def _close(self, jid: str, hosts: Iterable[str]) -> tuple[Job, list[str]]:
        """The job, and those of the hosts that it still waits for: the first word of a host counts, and no other."""
        if jid not in self._jobs:
            return _NO_JOB, []
        job, left = self._jobs[jid]
        known = [host for host in hosts if host in left]
        left.difference_update(known)
        if not left:
            del self._jobs[jid]
        return job, known

    def _ended(self, host: str, act: str, outcome: str, reason: str) -> None:
        if act == "back" and outcome in ("ok", "changed"):
            self._host(host, Phase.BACK, reason)
            if self._rest["status"] == "running":
                # Somebody said to go on while it was still on its way back.
                self._set(host, HostState(again=True, since=self._now))
        elif act == "back":
            self._host(host, Phase.STUCK, reason)
        elif outcome == "expired" and self._hosts[host].tries < TRIES:
            self._set(host, HostState(Phase.WAITING, reason, self._hosts[host].tries, None, True, self._now))
        else:
            self._host(host, _ENDED.get(outcome, Phase.REVERTED), reason)

    def _settle(self, hosts: Iterable[str]) -> None:
        self._complete({self._wave_of[host] for host in hosts})
        self._advance()

    def _complete(self, waves: Iterable[str]) -> None:
        """Waves of which no host is on its way any more are ready to be judged."""
        for name in waves:
            if self._waves[name].status == "running" and not self._unsettled_of(name):
                self._wave(name, status="judging", since=self._now, settled=self._at)

    def _unsettled_of(self, wave: str) -> int:
        """How many hosts of a wave are on their way. Counted once: a long journal asks for every host that returns."""
        if wave not in self._unsettled:
            hosts = self._begin.brief.wave(wave).hosts
            self._unsettled[wave] = sum(self._hosts[host].phase in UNSETTLED for host in hosts)
        return self._unsettled[wave]

    def _reverse(self, names: Iterable[str], after: str, reason: str = "") -> None:
        wanted = set(names)
        touched = [name for name in self._waves if name in wanted and self._has(name, TOUCHED | {Phase.RETURNING})]
        self._rest["going_back"] = tuple(reversed(touched))
        self._rest["after_reverse"] = after
        for name in touched:
            self._wave(name, status="returning")
        self._to("reversing", reason or self._rest["reason"])
        self._advance()

    def _advance(self) -> None:
        """Waves that are back are done with; the rollout is, when all are."""
        if self._rest["status"] != "reversing":
            return
        left = list(self._rest["going_back"])
        while left and not self._has(left[0], TOUCHED | {Phase.RETURNING}):
            self._wave(left.pop(0), status="back", began=None)
        self._rest["going_back"] = tuple(left)
        if not left and self._rest["after_reverse"] == "stopped":
            self._to("stopped", self._rest["reason"])


def _wants_people(verdicts: Iterable[Verdict]) -> bool:
    return any(verdict.then == "pause" for verdict in verdicts)


_NO_JOB = Job("", "apply", "", frozenset(), 0.0)
_HANDLERS: dict[str, Callable[[_Folding, Mapping[str, Any], Event], None]] = {
    "started": _Folding.started,
    "paused": _Folding.paused,
    "resumed": _Folding.resumed,
    "approved": _Folding.approved,
    "retried": _Folding.retried,
    "skipped": _Folding.skipped,
    "aborted": _Folding.aborted,
    "rollback": _Folding.rollback,
    "superseded": _Folding.superseded,
    "checked": _Folding.checked,
    "wave": _Folding.wave,
    "job": _Folding.job,
    "returned": _Folding.returned,
    "lost": _Folding.lost,
    "judged": _Folding.judged,
    "promoted": _Folding.promoted,
    "stopped": _Folding.stopped,
    "reversing": _Folding.reversing,
    "waiting": _Folding.waits,
    "finished": _Folding.finished,
}
