"""Which hosts may begin now: what must hold during the whole of a rollout, whatever its waves say.

At least ``min_pops`` PoPs of every service keep a host that is up; only so many hosts change at once; a PoP sees one
rollout at a time; announcements are not withdrawn too many or too fast. A host that cannot begin now is asked about
again at the next step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.rollout.brief import Brief, Floor, PlannedWave
from tidegate.rollout.state import MOVING, HostState, Phase, State

DOWN = MOVING | {Phase.FAILED, Phase.UNKNOWN, Phase.STUCK}
"""Phases in which a host does not count as up. One that undid the release runs what it ran before."""


@dataclass(frozen=True)
class Elsewhere:
    """What a rollout has to know that is not its own.

    Attributes:
        busy_pops: PoPs in which another rollout has hosts that are changing.
        paused: Host → why it waits.
        held: Host → why it keeps what it has; the rollout leaves it out.
        down: Hosts that somebody has drained: they announce nothing, so no service is up on them.
        frozen: Why no wave may begin now, if a freeze says so.
    """

    busy_pops: frozenset[str] = frozenset()
    paused: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    frozen: str | None = None


@dataclass(frozen=True)
class Choice:
    """Hosts that may begin now; without any, why not; ``never`` says that waiting will not help."""

    hosts: tuple[str, ...] = ()
    why: str = ""
    never: bool = False
    again: bool = False


def choose(state: State, wave: PlannedWave, now: float, elsewhere: Elsewhere) -> Choice:
    """The next hosts of a wave, at most a slice."""
    waiting = [host for host in wave.hosts if state.hosts[host].phase is Phase.WAITING]
    if not waiting:
        return Choice()
    room = min(state.brief.pace.slice, state.brief.pace.in_flight - _moving(state.hosts.values()))
    if room <= 0:
        return Choice(why=f"{state.brief.pace.in_flight} hosts are changing already")
    never = impossible(state, waiting)
    if never:
        return Choice(why=never, never=True)
    again = state.hosts[waiting[0]].again
    limits = _Limits(state, now, elsewhere)
    chosen: list[str] = []
    for host in waiting:
        if len(chosen) == room:
            break
        if state.hosts[host].again == again and limits.allow(host):
            chosen.append(host)
    return Choice(tuple(chosen), "" if chosen else limits.why, again=again)


def choose_back(state: State, hosts: Iterable[str]) -> tuple[str, ...]:
    """The next hosts to go back. Services are spared as long as that does not keep every host where it is."""
    room = min(state.brief.pace.slice, state.brief.pace.in_flight - _moving(state.hosts.values()))
    wanted = list(hosts)[: max(room, 0)]
    limits = _Limits(state, 0.0, Elsewhere(), withdrawing=False)
    spared = tuple(host for host in wanted if limits.allow(host))
    if spared or any(state.hosts[host].phase is Phase.RETURNING for host in state.hosts):
        return spared
    return tuple(wanted)


def impossible(state: State, waiting: Iterable[str]) -> str:
    """Why some host can never begin, or nothing."""
    most, alone = state.brief.breaker.most, _irreplaceable(state.brief)
    for host in waiting:
        count = state.brief.withdraws.get(host, 0)
        if most is not None and count > most:
            return f"{host} alone would withdraw {count} announcements; the breaker allows {most}"
        if host in alone:
            floor, pop = alone[host], state.brief.pops[host]
            return (
                f"{host} can never change: {floor.service} must stay up in {floor.min_pops} PoPs, and has no more than "
                f"that; {host} is its only host in {pop}. Lower min_pops, or add a host"
            )
    return ""


def over_budget(state: State) -> str:
    """Which budget is exceeded, in words; nothing if none is."""
    failed = [name for name, host in state.hosts.items() if host.phase in (Phase.FAILED, Phase.REVERTED, Phase.STUCK)]
    unknown = [name for name, host in state.hosts.items() if host.phase is Phase.UNKNOWN]
    budget = state.brief.budget
    if len(failed) > budget.failed:
        return f"{_hosts(len(failed))} failed, the budget is {budget.failed}: {_first(failed, state)}"
    if len(unknown) > budget.unknown:
        return f"{_hosts(len(unknown))} did not answer, the budget is {budget.unknown}: {_first(unknown, state)}"
    return ""


def margins(state: State) -> dict[str, tuple[int, int]]:
    """Service → in how many PoPs it has a host that is up, and in how many it must."""
    return {floor.service: (len(_up_by_pop(floor, state)), floor.min_pops) for floor in state.brief.floors}


class _Limits:
    """What is left of every limit, while hosts are being chosen."""

    def __init__(self, state: State, now: float, elsewhere: Elsewhere, *, withdrawing: bool = True) -> None:
        self._brief, self._elsewhere = state.brief, elsewhere
        self._up = [(floor, _up_by_pop(floor, state, elsewhere.down)) for floor in state.brief.floors]
        self._of_host: dict[str, list[int]] = {}
        for number, floor in enumerate(state.brief.floors):
            for host in floor.hosts:
                if host not in elsewhere.down and state.hosts.get(host, _UP).phase not in DOWN:
                    self._of_host.setdefault(host, []).append(number)
        breaker = state.brief.breaker
        self._left = breaker.most if withdrawing else None
        if self._left is not None:
            self._left -= sum(count for at, count in state.withdrawn if now - at < breaker.within)
        self.why = ""

    def allow(self, host: str) -> bool:
        """Whether this host may begin too; if so it counts from now on."""
        reason = self._against(host)
        if reason:
            self.why = self.why or reason
            return False
        for number in self._of_host.get(host, ()):
            up = self._up[number][1]
            pop = self._brief.pops[host]
            up[pop] -= 1
            if not up[pop]:
                del up[pop]
        if self._left is not None:
            self._left -= self._brief.withdraws.get(host, 0)
        return True

    def _against(self, host: str) -> str:
        if host in self._elsewhere.paused:
            return f"the end of {self._elsewhere.paused[host]}"
        pop = self._brief.pops[host]
        if pop in self._elsewhere.busy_pops:
            return f"another rollout is changing hosts in {pop}"
        for number in self._of_host.get(host, ()):
            floor, up = self._up[number]
            if up.get(pop) == 1 and len(up) - 1 < floor.min_pops:
                return f"{floor.service} must stay up in {floor.min_pops} PoPs, and {host} is the last one up in {pop}"
        if self._left is not None and self._brief.withdraws.get(host, 0) > self._left:
            return f"the breaker allows {self._brief.breaker.most} withdrawals in {self._brief.breaker.within:.0f} s"
        return ""


_UP = HostState()


def _irreplaceable(brief: Brief) -> dict[str, Floor]:
    """Hosts without which a service falls below its floor, whatever all others do."""
    found = {}
    for floor in brief.floors:
        of_pop: dict[str, list[str]] = {}
        for host in floor.hosts:
            of_pop.setdefault(brief.pops[host], []).append(host)
        if len(of_pop) <= floor.min_pops:
            found.update({hosts[0]: floor for hosts in of_pop.values() if len(hosts) == 1})
    return found


def _up_by_pop(floor: Floor, state: State, drained: frozenset[str] = frozenset()) -> dict[str, int]:
    up: dict[str, int] = {}
    for host in floor.hosts:
        if host not in drained and state.hosts.get(host, _UP).phase not in DOWN:
            pop = state.brief.pops[host]
            up[pop] = up.get(pop, 0) + 1
    return up


def _moving(hosts: Iterable[HostState]) -> int:
    return sum(host.phase in MOVING for host in hosts)


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _first(names: list[str], state: State) -> str:
    told = [f"{name} ({state.hosts[name].reason})" if state.hosts[name].reason else name for name in sorted(names)[:3]]
    return ", ".join(told) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
