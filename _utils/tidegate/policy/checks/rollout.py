"""The waves have every host once, and the first of them has every kind of host.

A policy without ``rollout`` has waves that fit by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.policy.errors import Problem, suggest
from tidegate.policy.rollout import WaveRule
from tidegate.policy.selectors import Match
from tidegate.policy.validation import Draft
from tidegate.rollout.waves import assigned

WAVES = ("rollout", "waves")
HOSTS = ("fleet", "hosts")

MOST_NAMES = 3
"""Hosts named in one message."""


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of the waves, each alone and all together."""
    if draft.policy.rollout is None:
        return
    waves = draft.policy.rollout.waves
    if not waves and draft.whole(WAVES):
        yield Problem("the rollout has no waves", WAVES, [], "at least one wave")
        return
    wrong = [*_names(draft, waves), *_hosts(draft, waves), *_percentages(draft, waves)]
    yield from wrong
    if not wrong and draft.whole(WAVES, HOSTS, ("fleet", "regions")):
        yield from _together(draft, waves)


def _names(draft: Draft, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, wave in enumerate(waves):
        if wave.name in first:
            other = draft.written((*WAVES, first[wave.name]))[-1]
            path = (*WAVES, position, "name")
            yield Problem(f"waves[{other}] has this name too", path, wave.name, "a name used once")
        first.setdefault(wave.name, position)


def _hosts(draft: Draft, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    """Hosts named one by one: they exist, and have one wave."""
    known = draft.names(*HOSTS)
    named: dict[str, str] = {}
    for position, wave in enumerate(waves):
        path = (*WAVES, position, "hosts")
        for host in wave.hosts or ():
            if host not in known:
                yield Problem("no such host", path, host, "a host of the fleet", suggest(host, known))
            elif host in named:
                yield Problem(f"wave '{named[host]}' names this host already", path, host, "every host in one wave")
            named.setdefault(host, wave.name)


def _percentages(draft: Draft, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    """Percentages of the same hosts grow, because each is of the whole."""
    last: dict[Match | None, WaveRule] = {}
    for position, wave in enumerate(waves):
        if wave.percent is None:
            continue
        of = None if wave.match is None or wave.match.everything else wave.match
        if of in last and wave.percent <= (last[of].percent or 0):
            message = f"wave '{last[of].name}' before it is up to {last[of].percent} % already"
            hint = "A percentage is of the whole, not of what is left: 50 means that half of the hosts have it then."
            yield Problem(message, (*WAVES, position, "percent"), wave.percent, "percentages that grow", hint)
        last[of] = wave


def _together(draft: Draft, waves: Sequence[WaveRule]) -> Iterator[Problem]:
    index = draft.policy.index
    chosen = assigned(index, waves)
    yield from _first(draft, waves[0], chosen[0])
    for position, (wave, hosts) in enumerate(zip(waves, chosen, strict=True)):
        # Whoever matches nobody has been told so; and "the rest" may be nobody, today.
        last = position == len(waves) - 1
        nobody = wave.match is not None and not index.select(wave.match)
        if not hosts and not nobody and not (last and wave.takes_the_rest):
            yield _empty(position, wave)
    missing = sorted(index.everyone.difference(*chosen))
    if missing:
        are = "is" if len(missing) == 1 else "are"
        hint = "End with a wave for the rest: {name: all, match: all}."
        yield Problem(f"{_several(missing)} {are} in no wave", WAVES, expected="every host in a wave", hint=hint)


def _first(draft: Draft, wave: WaveRule, hosts: Sequence[str]) -> Iterator[Problem]:
    fleet = draft.policy.fleet.hosts
    classes = {host.class_ for host in fleet.values()} - {fleet[name].class_ for name in hosts}
    if classes:
        what = "class" if len(classes) == 1 else "classes"
        message = f"class-in-canary: the first wave, '{wave.name}', has no host of {what} {_several(sorted(classes))}"
        hint = "{name: canary, one_per: class} takes one host of each."
        yield Problem(message, (*WAVES, 0), expected="a host of every class, so that each is tried first", hint=hint)


def _empty(position: int, wave: WaveRule) -> Problem:
    message = f"wave '{wave.name}' has no host left to take"
    hint = "The waves before it have every host that it could take: leave it out, or let them take fewer."
    if wave.percent is not None:
        message = f"the waves before '{wave.name}' have {wave.percent} % already"
        hint = "A percentage is of the whole, waves before it included: give a greater one, or leave the wave out."
    return Problem(message, (*WAVES, position), expected="at least one host in every wave", hint=hint)


def _several(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
