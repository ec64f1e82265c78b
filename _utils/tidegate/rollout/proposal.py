"""A rollout as it would be: which hosts change, in which waves, and what each wave does to the network.

Nothing is written. What is started is exactly what was shown: the brief that is in here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.policy.collector import paused
from tidegate.policy.errors import suggest
from tidegate.policy.model import Policy
from tidegate.policy.selectors import Match
from tidegate.release.assignments import Assignments
from tidegate.release.delta import Delta, delta
from tidegate.release.errors import NoSuchRelease
from tidegate.release.release import Release
from tidegate.release.store import Store
from tidegate.rollout import briefing
from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.following import Following
from tidegate.rollout.journal import Journal
from tidegate.rollout.state import ARRIVED, Phase

NEWEST = "newest"
"""Names the release that was created last."""

SURE = ARRIVED | {Phase.WAITING, Phase.SKIPPED, Phase.BACK}
"""Phases in which a host of another rollout certainly runs what it is assigned to."""


@dataclass(frozen=True)
class Request:
    """What somebody wants to roll out.

    Attributes:
        release: Its id, how that begins, or ``newest``.
        match: Label → values, of which one must hold; empty for the whole fleet.
        hosts: Only these, where it is to take over from another rollout; ``None`` for whoever ``match`` chooses.
        emergency: Whether by the policy's emergency waves.
        supersede: The rollout to take over from.
        override_freeze: Whether it goes on in a freeze.
        why: The reason given.
    """

    release: str
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hosts: frozenset[str] | None = None
    emergency: bool = False
    supersede: int | None = None
    override_freeze: bool = False
    why: str = ""


@dataclass(frozen=True)
class Proposal:
    """A rollout that was planned.

    Attributes:
        request: What was asked for.
        release: What it is.
        brief: What it would be told.
        labels: Host → labels, of every host of the release.
        before: Host → the plan that it has; hosts that change and had one.
        after: Host → the plan that it gets; hosts that change.
        gone: Hosts that have a release and are not in this one: nobody touches them.
    """

    request: Request
    release: Release
    brief: Brief
    labels: Mapping[str, Mapping[str, str]]
    before: Mapping[str, Plan]
    after: Mapping[str, Plan]
    gone: tuple[str, ...]

    def delta(self, wave: PlannedWave) -> Delta:
        """What happens in the network when a wave gets the release."""
        with paused():
            return delta(
                {host: self.before[host] for host in wave.hosts if host in self.before},
                {host: self.after[host] for host in wave.hosts},
            )

    @cached_property
    def deltas(self) -> dict[str, Delta]:
        """Wave's name → what happens."""
        return {wave.name: self.delta(wave) for wave in self.brief.waves}

    def start(self, store: Store, who: str) -> int:
        """Start exactly this.

        Returns:
            The rollout's number.

        Raises:
            Refused: It may not be started now; see `Journal.start`.
        """
        if not self.brief.waves and not self.brief.unchanged:
            raise Refused("There is no host to roll anything out to.")
        return Journal(store).start(self.brief, who, self.request.why, self.request.supersede)


@paused()
def propose(store: Store, request: Request) -> Proposal:
    """Plan a rollout.

    Raises:
        NoSuchRelease: There is none like that.
        NoSuchRollout: There is none to supersede.
        Refused: The request makes no sense.
    """
    _check(request)
    release = find(store, request.release)
    policy = Policy.model_validate(json.loads(store.policy(release)))
    assigned = _assigned(store, request.supersede)
    among = _among(policy, request)
    change = _change(store, release, assigned, _unsure(store, request.supersede))
    strategy: briefing.Strategy = "emergency" if request.emergency else "normal"
    told = briefing.brief(policy, change, strategy=strategy, among=among, override_freeze=request.override_freeze)
    whole = request.hosts is None and not request.match
    gone = tuple(sorted(assigned.keys() - change.after.keys())) if whole else ()
    return Proposal(request, release, told, policy.index.labels, change.plans_before, change.plans_after, gone)


def _change(store: Store, release: Release, assigned: Mapping[str, str], unsure: Collection[str]) -> briefing.Change:
    """What the whole fleet has, and what it would get; plans are read of those hosts alone that differ."""
    after, now = store.digests(release), _digests(store, assigned)
    before = {
        host: briefing.Had(assigned[host], None if host in unsure else now.get(host)) for host in sorted(assigned)
    }
    differ = {host for host, digest in after.items() if host not in before or before[host].digest != digest}
    return briefing.Change(
        release.id,
        after,
        before,
        plans_after=_plans(store, {host: after[host] for host in differ}),
        plans_before=_plans(
            store, {host: now[host] for host in differ | assigned.keys() - after.keys() if host in now}
        ),
    )


def find(store: Store, told: str) -> Release:
    """The release that somebody means.

    Raises:
        NoSuchRelease: There is none like that.
    """
    if told != NEWEST:
        return store.find(told)
    newest = store.newest()
    if newest is None:
        raise NoSuchRelease(f"The store {store.name} has no release yet: 'tidegate release create' makes one.")
    return newest


def of_words(words: Collection[str]) -> dict[str, tuple[str, ...]]:
    """A selector from ``label=value`` words: of one label any may hold, of several labels all must.

    Raises:
        Refused: A word is not like that.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        label, sign, value = word.partition("=")
        if not sign or not value:
            raise Refused(f"'{word}' chooses no hosts: expected LABEL=VALUE, as in pop=lhr1.")
        if label not in Match.labels():
            raise Refused(f"There is no label '{label}'. {suggest(label, Match.labels())}".rstrip())
        found.setdefault(label, []).append(value)
    return {label: tuple(values) for label, values in found.items()}


def again(store: Store, number: int, request: Request) -> Request:
    """The same request for the hosts of another rollout, which it supersedes unless that has ended.

    Raises:
        NoSuchRollout: There is none.
    """
    journal = Journal(store)
    other = journal.brief(number)
    supersede = None if journal.rollout(number).finished_at else number
    return replace(request, hosts=frozenset((*other.hosts, *other.unchanged)), supersede=supersede)


def _check(request: Request) -> None:
    for said, option in ((request.emergency, "emergency"), (request.override_freeze, "override-freeze")):
        if said and not request.why.strip():
            raise Refused(f"--{option} needs a reason: give --because TEXT.")


def _among(policy: Policy, request: Request) -> frozenset[str]:
    if not request.match:
        chosen = policy.index.everyone
    else:
        try:
            match = Match.model_validate({label: list(values) for label, values in request.match.items()})
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise Refused(f"--match chooses no hosts: {said}.") from None
        chosen = policy.index.select(match)
    found = chosen & (request.hosts if request.hosts is not None else chosen)
    if not found:
        told = ", ".join(f"{label}={value}" for label, values in request.match.items() for value in values)
        raise Refused(f"No host of the release matches {told or 'that rollout'}: there is nothing to roll out.")
    return found


def _assigned(store: Store, supersede: int | None) -> dict[str, str]:
    """Host → release, as it is once the rollout to take over from has ended."""
    given_back = Journal(store).given_back(supersede) if supersede is not None else {}
    found = {**Assignments(store).all(), **given_back}
    return {host: release for host, release in found.items() if release is not None}


def _unsure(store: Store, number: int | None) -> frozenset[str]:
    """Hosts of the rollout to take over from that may run anything: they get the release even if it changes nothing."""
    if number is None:
        return frozenset()
    state = Following(store, number).state
    return frozenset(host for host, at in state.hosts.items() if at.phase not in SURE)


def _digests(store: Store, assigned: Mapping[str, str]) -> dict[str, str]:
    """Host → digest of the plan of the release that it is assigned to."""
    plans = {id_: store.digests(store.find(id_)) for id_ in {*assigned.values()}}
    return {host: plans[id_][host] for host, id_ in assigned.items() if host in plans[id_]}


def _plans(store: Store, digests: Mapping[str, str]) -> dict[str, Plan]:
    """Host → plan; each is read once, however many hosts have it."""
    read: dict[str, Any] = {digest: json.loads(text) for digest, text in store.documents(sorted({*digests.values()}))}
    return {host: Plan(read[digest]) for host, digest in digests.items()}
