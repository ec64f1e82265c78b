"""From a policy and what hosts have now to a brief: everything that a rollout is told when it starts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.policy.durations import seconds
from tidegate.policy.gates import HEALTH, Gate
from tidegate.policy.rollout import DEFAULT, Rollout, allowed
from tidegate.policy.waves import WaveRule
from tidegate.rollout.announcers import Announced, announced, services_of
from tidegate.rollout.brief import Breaker, Brief, Budget, Floor, OnFailure, Pace, PlannedWave
from tidegate.rollout.waves import assign

if TYPE_CHECKING:
    from tidegate.policy.model import Policy

Strategy = Literal["normal", "emergency"]

ON_FAILURE: Mapping[str, OnFailure] = {
    "pause": "pause",
    "roll_back_wave": "wave",
    "roll_back_all": "all",
}

MOST_NAMES = 3
"""Hosts named in one message."""


class Had(NamedTuple):
    """What a host has: the release it is assigned to, and its plan's digest there, if that is sure."""

    release: str | None
    digest: str | None


@dataclass(frozen=True)
class Change:
    """What is to change, and between what.

    Attributes:
        release: The id of the release to roll out.
        after: Host → digest of its plan in it; every host of the release.
        before: Host → what it has, of the whole fleet: hosts that are not asked for keep services up too. A host that
            is missing has nothing.
        plans_after: Host → its plan in the release; looked at for hosts whose digests differ, and no others.
        plans_before: Host → the plan it has, if it has one; looked at for the same hosts, and for hosts that have a
            release and are not in this one.
    """

    release: str
    after: Mapping[str, str]
    before: Mapping[str, Had]
    plans_after: Mapping[str, Plan]
    plans_before: Mapping[str, Plan]

    def differs(self, host: str) -> bool:
        """Whether a host would get another plan than it has."""
        return host not in self.before or self.before[host].digest != self.after.get(host)


def brief(
    policy: Policy,
    change: Change,
    *,
    strategy: Strategy = "normal",
    among: Collection[str] | None = None,
    override_freeze: bool = False,
) -> Brief:
    """The brief of a rollout. The same change of the same fleet always gives the same brief.

    Args:
        policy: The checked policy of the release.
        change: What hosts have, and are to have.
        strategy: ``emergency`` has fewer waves and shorter soaks, never none.
        among: Only these hosts; all of the release without. The others keep what they have.
        override_freeze: Somebody says that it goes on in a freeze.

    Raises:
        Refused: ``among`` is empty or names a host that the release does not have, or the policy is not the release's.
    """
    asked = _asked(policy, change, among)
    changed = {host for host in asked if change.differs(host)}
    rollout = policy.rollout or DEFAULT
    way = _Way.of(rollout, strategy)
    waves = tuple(
        PlannedWave(wave.name, wave.hosts, wave.baseline, way.soak(wave.name), way.gates(wave.name))
        for wave in assign(policy, changed, way.rules)
    )
    will = {host: announced(change.plans_after[host]) for host in sorted(changed)}
    was = _announced_now(change)
    floors = tuple(_floors(policy, change, was, will))
    settings = _settings(rollout)
    return Brief(
        release=change.release,
        strategy=strategy,
        waves=waves,
        unchanged=tuple(sorted(asked - changed)),
        before={host: change.before[host].release if host in change.before else None for host in sorted(asked)},
        pops=_pops(policy, change, changed.union(*(floor.hosts for floor in floors))),
        withdraws=dict(_withdraws(was, will)),
        floors=floors,
        gates={name: settings[name] for name in sorted({name for wave in waves for name in wave.gates})},
        budget=_budget(rollout, len(changed)),
        breaker=_breaker(rollout),
        pace=_pace(rollout),
        on_failure=ON_FAILURE[rollout.on_failure],
        freezes=tuple(freeze.settings() for freeze in rollout.freeze),
        override_freeze=override_freeze,
        notify=tuple(one.settings() for one in rollout.notify),
    )


def _asked(policy: Policy, change: Change, among: Collection[str] | None) -> set[str]:
    release = f"{change.release:.12}"
    foreign = sorted(change.after.keys() ^ policy.fleet.hosts.keys())
    if foreign:
        raise Refused(f"The policy is not the one of release {release}: one of them alone has {_several(foreign)}.")
    if among is None:
        return set(change.after)
    unknown = sorted(set(among) - change.after.keys())
    if unknown:
        raise Refused(f"Release {release} has no plan for {_several(unknown)}: name hosts that it has.")
    if not among:
        raise Refused("The rollout would be of no host: an empty choice never means all.")
    return set(among)


@dataclass(frozen=True)
class _Way:
    """How waves are judged, by the strategy: a wave's own word, else the strategy's, else the rollout's."""

    rules: tuple[WaveRule, ...]
    usual_soak: float
    usual_gates: tuple[Gate, ...]

    @classmethod
    def of(cls, rollout: Rollout, strategy: Strategy) -> _Way:
        if strategy == "normal":
            return cls(rollout.waves, seconds(rollout.soak), rollout.gates)
        emergency = rollout.emergency
        return cls(emergency.waves, rollout.emergency_soak, emergency.gates or rollout.gates)

    def _rule(self, wave: str) -> WaveRule:
        return next(rule for rule in self.rules if rule.name == wave)

    def soak(self, wave: str) -> float:
        own = self._rule(wave).soak
        return self.usual_soak if own is None else seconds(own)

    def gates(self, wave: str) -> tuple[str, ...]:
        """The names of a wave's gates, health first."""
        return tuple(dict.fromkeys((HEALTH, *(gate.name for gate in self._rule(wave).gates or self.usual_gates))))


def _settings(rollout: Rollout) -> dict[str, Mapping[str, Any]]:
    """Every gate's settings by name; one that is defined wins over what its name alone would mean."""
    lists = [rollout.gates, rollout.emergency.gates or ()]
    lists += [wave.gates or () for wave in (*rollout.waves, *rollout.emergency.waves)]
    gates = [Gate.word(HEALTH), *(gate for one in lists for gate in one)]
    return {gate.name: gate.settings for gate in sorted(gates, key=lambda gate: not gate.is_word)}


def _budget(rollout: Rollout, hosts: int) -> Budget:
    budget = rollout.budget
    return Budget(failed=allowed(budget.failed_hosts, hosts), unknown=allowed(budget.unknown_hosts, hosts))


def _breaker(rollout: Rollout) -> Breaker:
    bound = rollout.budget.withdrawals
    return Breaker(bound.most, seconds(bound.within)) if bound else Breaker()


def _pace(rollout: Rollout) -> Pace:
    pace = rollout.pace
    return Pace(
        slice=pace.slice,
        in_flight=pace.in_flight,
        silence=seconds(pace.silence),
        timeout=int(seconds(pace.timeout)),
        interval=seconds(rollout.interval),
        rounds=rollout.inconclusive_rounds,
    )


def _announced_now(change: Change) -> dict[str, Announced]:
    """What hosts announce whose plans differ, or that are not in the release; of others the policy says it."""
    return {
        host: announced(change.plans_before.get(host))
        for host in change.before
        if host not in change.after or change.differs(host)
    }


def _withdraws(was: Mapping[str, Announced], will: Mapping[str, Announced]) -> Iterator[tuple[str, int]]:
    """How many announcements each host makes less, per neighbor and prefix."""
    for host, then in will.items():
        if gone := was.get(host, {}).keys() - then.keys():
            yield host, len(gone)


def _floors(
    policy: Policy, change: Change, was: Mapping[str, Announced], will: Mapping[str, Announced]
) -> Iterator[Floor]:
    """The services that must stay up and that a host which changes announces, now or then.

    What nobody announces yet cannot go down, so it has no floor.
    """
    services = policy.routing.services if policy.routing else {}
    now: dict[str, set[str]] = {}
    for host in change.before:
        for name in set(was[host].values()) if host in was else services_of(policy, host):
            now.setdefault(name, set()).add(host)
    then: dict[str, set[str]] = {}
    for host, told in will.items():
        for name in set(told.values()):
            then.setdefault(name, set()).add(host)
    for name in sorted(now.keys() & services.keys()):
        hosts = now[name] | then.get(name, set())
        if services[name].min_pops and not hosts.isdisjoint(will):
            yield Floor(name, services[name].min_pops, tuple(sorted(hosts)))


def _pops(policy: Policy, change: Change, hosts: Collection[str]) -> dict[str, str]:
    labels = policy.index.labels
    return {
        host: labels[host]["pop"] if host in labels else change.plans_before[host].labels["pop"]
        for host in sorted(hosts)
    }


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
