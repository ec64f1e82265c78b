"""What people ask of a rollout that is under way: written into its journal, and refused where it would have no effect.

The engine decides; this only asks. What is refused here is what somebody would wonder about later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tidegate.host.errors import Refused
from tidegate.policy.errors import suggest
from tidegate.release.store import Store
from tidegate.rollout.errors import some
from tidegate.rollout.event import Event
from tidegate.rollout.following import Following
from tidegate.rollout.journal import Journal
from tidegate.rollout.machine import APPROVAL
from tidegate.rollout.state import LEFT_BEHIND, TOUCHED, Phase, State

AGAIN = LEFT_BEHIND | {Phase.SKIPPED, Phase.BACK, Phase.STUCK}
"""Phases of hosts that can be tried again."""
MAY_SKIP = LEFT_BEHIND | {Phase.WAITING, Phase.BACK, Phase.STUCK}


class Asking:
    """A rollout, and somebody who wants something of it. Every verb returns the event that it wrote."""

    def __init__(self, store: Store, number: int, who: str) -> None:
        """Read where it is.

        Raises:
            NoSuchRollout: There is none.
        """
        self._journal = Journal(store)
        self._number = number
        self._who = who
        self._state: State = Following(store, number).state

    def pause(self, why: str = "") -> Event:
        """No host begins any more; what is under way is brought to its end."""
        self._while("pause", ("checking", "running"))
        return self._ask("paused", why)

    def resume(self, why: str = "") -> Event:
        """Go on after a pause, or let gates judge again after a stop."""
        self._while("resume", ("paused", "stopped", "blocked"))
        return self._ask("resumed", why)

    def approve(self, wave: str | None = None, why: str = "") -> Event:
        """Let a wave be promoted; the current one unless stated."""
        current = self._state.current
        name = wave or (current.name if current else "")
        self._known_waves([name])
        gates = next(planned.gates for planned in self._state.brief.waves if planned.name == name)
        if APPROVAL not in gates:
            raise Refused(f"Wave {name} of rollout {self._number} has no approval gate: there is nothing to approve.")
        if by := self._state.waves[name].approved:
            raise Refused(f"Wave {name} of rollout {self._number} was approved by {by} already.")
        return self._ask("approved", why, wave=name)

    def retry(self, hosts: Sequence[str] = (), why: str = "") -> Event:
        """Try hosts again that were left behind, or all of them; before the start, look again."""
        if self._state.status == "blocked":
            return self._ask("retried", why, hosts=None)
        self._while("retry hosts of", ("running", "paused", "stopped", "reversing"))
        self._known_hosts(hosts)
        phases = {host: at.phase for host, at in self._state.hosts.items()}
        if not hosts and not any(phase in AGAIN for phase in phases.values()):
            raise Refused(f"Rollout {self._number} has left no host behind: there is nothing to try again.")
        for host in hosts:
            if phases[host] not in AGAIN:
                raise Refused(f"{host} is {phases[host].value} in rollout {self._number}: it was not left behind.")
        return self._ask("retried", why, hosts=list(hosts) or None)

    def skip(self, hosts: Sequence[str], why: str) -> Event:
        """Go on without these hosts: they keep what they have."""
        if not hosts:
            raise Refused("No host was named to go on without: missing never means all.")
        if not why.strip():
            raise Refused("Going on without a host needs a reason: others will ask why it was left out.")
        self._known_hosts(hosts)
        for host in hosts:
            phase = self._state.hosts[host].phase
            if phase not in MAY_SKIP:
                raise Refused(f"{host} is {phase.value} in rollout {self._number}: it is too late to leave it out.")
        return self._ask("skipped", why, hosts=list(hosts))

    def abort(self, why: str = "") -> Event:
        """End it here: what is confirmed stays, what is not is undone."""
        self._while("abort", ("checking", "blocked", "running", "paused", "stopped", "reversing"))
        return self._ask("aborted", why)

    def rollback(self, waves: Sequence[str] | None, why: str = "") -> Event:
        """Bring waves, or with ``None`` every wave, back to what they had."""
        if self._state.status == "reversing" and waves is None and self._state.after_reverse == "rolled-back":
            raise Refused(f"Rollout {self._number} is going back already.")
        self._while("roll back", ("checking", "blocked", "running", "paused", "stopped", "reversing"))
        if waves is not None:
            self._known_waves(waves)
        names = list(waves) if waves is not None else list(self._state.waves)
        if not any(self._touched(name) for name in names):
            which = f"wave {some(names)}" if waves is not None else f"rollout {self._number}"
            raise Refused(f"No host of {which} has been touched yet: abort the rollout to end it.")
        return self._ask("rollback", why, waves=list(waves) if waves is not None else None)

    def _touched(self, wave: str) -> bool:
        hosts = next(planned.hosts for planned in self._state.brief.waves if planned.name == wave)
        return any(self._state.hosts[host].phase in TOUCHED for host in hosts)

    def _while(self, what: str, statuses: Collection[str]) -> None:
        status = self._state.status
        if not self._state.finished and status not in statuses:
            raise Refused(
                f"Rollout {self._number} is {status}: you can {what} one that is {_either(statuses)}. "
                f"See 'tidegate rollout explain {self._number}'."
            )

    def _known_waves(self, waves: Sequence[str]) -> None:
        for name in waves:
            if name not in self._state.waves:
                hint = suggest(name, self._state.waves)
                raise Refused(f"Rollout {self._number} has no wave '{name}'. {hint}".rstrip())

    def _known_hosts(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            if host not in self._state.hosts:
                same = " It has it unchanged." if host in self._state.brief.unchanged else ""
                hint = same or f" {suggest(host, self._state.hosts)}"
                raise Refused(f"Rollout {self._number} does not change '{host}'.{hint}".rstrip())

    def _ask(self, kind: Any, why: str, **body: Any) -> Event:
        return self._journal.ask(self._number, Event(kind, body, who=self._who, why=why.strip()))


def chosen(store: Store, number: int | None, *, active: bool) -> int:
    """The rollout that somebody means who may not have said which.

    Args:
        store: Where they are.
        number: What was said.
        active: Whether it must not have ended; else the newest is meant where none is under way.

    Raises:
        Refused: It is not clear which, or there is none.
    """
    if number is not None:
        return number
    journal = Journal(store)
    rollouts = journal.rollouts()
    over = {rollout.supersedes for rollout in rollouts}
    under_way = [one.number for one in rollouts if one.finished_at is None and one.number not in over]
    if len(under_way) == 1:
        return under_way[0]
    if under_way:
        raise Refused(f"Rollouts {_and(sorted(under_way))} are under way: say which one is meant.")
    if active or not rollouts:
        last = f" The last was rollout {rollouts[0].number}: see 'tidegate rollout status'." if rollouts else ""
        raise Refused(f"No rollout is under way.{last}")
    return rollouts[0].number


def _either(names: Collection[str]) -> str:
    found = list(names)
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _and(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
