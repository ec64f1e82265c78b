"""The waves have every host once, and the first of them has every kind of host; those of an emergency too.

A policy without ``rollout`` has waves that fit by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.policy.durations import seconds
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.rollout import Rollout
from tidegate.policy.selectors import Match
from tidegate.policy.validation import Draft
from tidegate.policy.waves import WaveRule
from tidegate.rollout.waves import assigned

WAVES = ("rollout", "waves")
EMERGENCY = ("rollout", "emergency")
EMERGENCY_WAVES = (*EMERGENCY, "waves")
FREEZE = ("rollout", "freeze")
HOSTS = ("fleet", "hosts")

MOST_NAMES = 3
"""Hosts named in one message."""


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of the waves, each alone and all together, and of what a rollout says beside waves and gates."""
    rollout = draft.policy.rollout
    if rollout is None:
        return
    yield from _waves(draft, WAVES, rollout.waves)
    if "waves" in rollout.emergency.model_fields_set:
        yield from _waves(draft, EMERGENCY_WAVES, rollout.emergency.waves)
        yield from _never_at_once(draft, rollout.emergency.waves)
    yield from _never_without_soak(rollout)
    yield from _freezes(rollout)


def _waves(draft: Draft, path: KeyPath, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    if not waves and draft.whole(path):
        yield Problem("the rollout has no waves", path, [], "at least one wave")
        return
    wrong = [
        *_names(draft, path, waves),
        *_hosts(draft, path, waves),
        *_percentages(path, waves),
    ]
    yield from wrong
    if waves and not wrong and draft.whole(path, HOSTS, ("fleet", "regions")):
        yield from _together(draft, path, waves)


def _never_at_once(draft: Draft, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    """An emergency goes in waves too."""
    hint = "{name: canary, one_per: class} and {name: all, match: all} are as few as there can be."
    if len(waves) == 1 and draft.whole(EMERGENCY_WAVES):
        yield Problem("an emergency has a single wave", EMERGENCY_WAVES, expected="at least two waves", hint=hint)
    elif waves and draft.whole(EMERGENCY_WAVES, HOSTS, ("fleet", "regions")):
        index = draft.policy.index
        first = assigned(index, waves[:1])[0]
        if len(first) == len(index.everyone) > len(index.values_of("class")):
            message = f"the first wave of an emergency, '{waves[0].name}', has every host"
            yield Problem(message, (*EMERGENCY_WAVES, 0), expected="hosts left for the second", hint=hint)


def _never_without_soak(rollout: Rollout) -> Iterator[Problem]:
    emergency, usual = rollout.emergency, rollout.soak
    if emergency.soak is not None and seconds(emergency.soak) > seconds(usual) > 0:
        message = "an emergency would soak longer than other rollouts"
        yield Problem(message, (*EMERGENCY, "soak"), emergency.soak, f"at most {usual}")
    for position, wave in enumerate(emergency.waves):
        if wave.soak is not None and not seconds(wave.soak):
            message = f"the emergency's wave '{wave.name}' would not soak at all"
            yield Problem(message, (*EMERGENCY_WAVES, position, "soak"), wave.soak, "at least 1s")


def _freezes(rollout: Rollout) -> Iterator[Problem]:
    known: set[str] = set()
    for position, freeze in enumerate(rollout.freeze):
        if freeze.name in known:
            yield Problem("another freeze has this name", (*FREEZE, position, "name"), freeze.name, "a name used once")
        known.add(freeze.name)


def _names(draft: Draft, path: KeyPath, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, wave in enumerate(waves):
        if wave.name in first:
            other = draft.written((*path, first[wave.name]))[-1]
            where = (*path, position, "name")
            yield Problem(f"waves[{other}] has this name too", where, wave.name, "a name used once")
        first.setdefault(wave.name, position)


def _hosts(draft: Draft, path: KeyPath, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    """Hosts named one by one: they exist, and have one wave."""
    known = draft.names(*HOSTS)
    named: dict[str, str] = {}
    for position, wave in enumerate(waves):
        where = (*path, position, "hosts")
        for host in wave.hosts or ():
            if host not in known:
                yield Problem("no such host", where, host, "a host of the fleet", suggest(host, known))
            elif host in named:
                yield Problem(f"wave '{named[host]}' names this host already", where, host, "every host in one wave")
            named.setdefault(host, wave.name)


def _percentages(path: KeyPath, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    """Percentages of the same hosts grow, because each is of the whole."""
    last: dict[Match | None, WaveRule] = {}
    for position, wave in enumerate(waves):
        if wave.percent is None:
            continue
        of = None if wave.match is None or wave.match.everything else wave.match
        if of in last and wave.percent <= (last[of].percent or 0):
            message = f"wave '{last[of].name}' before it is up to {last[of].percent} % already"
            hint = "A percentage is of the whole, not of what is left: 50 means that half of the hosts have it then."
            yield Problem(message, (*path, position, "percent"), wave.percent, "percentages that grow", hint)
        last[of] = wave


def _together(draft: Draft, path: KeyPath, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    index = draft.policy.index
    chosen = assigned(index, waves)
    yield from _first(draft, path, waves[0], chosen[0])
    for position, (wave, hosts) in enumerate(zip(waves, chosen, strict=True)):
        # Whoever matches nobody has been told so; and "the rest" may be nobody, today.
        last = position == len(waves) - 1
        nobody = wave.match is not None and not index.select(wave.match)
        if not hosts and not nobody and not (last and wave.takes_the_rest):
            yield _empty((*path, position), wave)
    missing = sorted(index.everyone.difference(*chosen))
    if missing:
        are = "is" if len(missing) == 1 else "are"
        hint = "End with a wave for the rest: {name: all, match: all}."
        yield Problem(f"{_several(missing)} {are} in no wave", path, expected="every host in a wave", hint=hint)


def _first(draft: Draft, path: KeyPath, wave: WaveRule, hosts: Sequence[str]) -> Iterator[Problem]:
    fleet = draft.policy.fleet.hosts
    classes = {host.class_ for host in fleet.values()} - {fleet[name].class_ for name in hosts}
    if classes:
        what = "class" if len(classes) == 1 else "classes"
        message = f"class-in-canary: the first wave, '{wave.name}', has no host of {what} {_several(sorted(classes))}"
        hint = "{name: canary, one_per: class} takes one host of each."
        yield Problem(message, (*path, 0), expected="a host of every class, so that each is tried first", hint=hint)


def _empty(path: KeyPath, wave: WaveRule) -> Problem:
    message = f"wave '{wave.name}' has no host left to take"
    hint = "The waves before it have every host that it could take: leave it out, or let them take fewer."
    if wave.percent is not None:
        message = f"the waves before '{wave.name}' have {wave.percent} % already"
        hint = "A percentage is of the whole, waves before it included: give a greater one, or leave the wave out."
    return Problem(message, path, expected="at least one host in every wave", hint=hint)


def _several(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
