"""Every gate that is named exists, and no name stands for two gates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from tidegate.policy.compared import LEAST_TICKS, Judge
from tidegate.policy.durations import seconds
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.gates import BARE, Gate, Kind
from tidegate.policy.rollout import Rollout
from tidegate.policy.validation import COLLECTIONS, Draft
from tidegate.policy.waves import WaveRule

KINDS: tuple[str, ...] = get_args(Kind)


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of the gates of a rollout, of its waves, and of its emergency's."""
    rollout = draft.policy.rollout
    if rollout is None:
        return
    lists = list(_lists(rollout))
    known = set(BARE) | {gate.name for _, gates in lists for gate in gates if not gate.is_word}
    # A gate that did not fit the schema may have any name.
    complete = draft.whole(*(path for path in COLLECTIONS if path[0] == "rollout"))
    for path, gates in lists:
        if not gates and complete:
            yield Problem("no gate is named", path, [], "at least one gate", "Health judges in any case: [health].")
        yield from _each_once(path, gates)
        if complete:
            yield from _known(path, gates, known)
    yield from _own_names(lists)
    if complete:
        yield from _long_enough(rollout, lists)


def _lists(rollout: Rollout) -> Iterator[tuple[KeyPath, Sequence[Gate]]]:
    yield ("rollout", "gates"), rollout.gates
    for position, wave in enumerate(rollout.waves):
        if wave.gates is not None:
            yield ("rollout", "waves", position, "gates"), wave.gates
    if rollout.emergency.gates is not None:
        yield ("rollout", "emergency", "gates"), rollout.emergency.gates
    for position, wave in enumerate(rollout.emergency.waves):
        if wave.gates is not None:
            yield ("rollout", "emergency", "waves", position, "gates"), wave.gates


def _long_enough(rollout: Rollout, lists: Sequence[tuple[KeyPath, Sequence[Gate]]]) -> Iterator[Problem]:
    """Where metrics are compared, a soak has ticks to judge."""
    named = {gate.name: gate for _, gates in lists for gate in gates if not gate.is_word}
    emergency = rollout.emergency
    ways: list[tuple[KeyPath, Sequence[WaveRule], float, Sequence[Gate]]] = [
        (("rollout",), rollout.waves, seconds(rollout.soak), rollout.gates),
        (("rollout", "emergency"), emergency.waves, rollout.emergency_soak, emergency.gates or rollout.gates),
    ]
    for place, waves, usual, gates in ways:
        for position, wave in enumerate(waves):
            soak = usual if wave.soak is None else seconds(wave.soak)
            path = (*place, "soak") if wave.soak is None else (*place, "waves", position, "soak")
            for gate in wave.gates or gates:
                metrics = named.get(gate.name, gate).metrics
                least = (metrics.judge or Judge()).shortest_soak if metrics is not None and metrics.compare else 0.0
                if soak < least:
                    what = f"wave {wave.name} soaks for {soak:g} s, and gate {gate.name} compares hosts"
                    hint = f"The warm-up and {LEAST_TICKS} ticks come to that; or give the wave other gates."
                    yield Problem(what, path, f"{soak:g} s", f"a soak of at least {least:g}s", hint)


def _each_once(path: KeyPath, gates: Sequence[Gate]) -> Iterator[Problem]:
    names: set[str] = set()
    for position, gate in enumerate(gates):
        if gate.is_word and gate.name in names:
            yield Problem("this gate stands here twice", (*path, position), gate.name, "every gate once")
        names.add(gate.name)


def _known(path: KeyPath, gates: Sequence[Gate], known: set[str]) -> Iterator[Problem]:
    for position, gate in enumerate(gates):
        if gate.is_word and gate.name not in known:
            hint = suggest(gate.name, known)
            if gate.name in KINDS:
                hint = f"It needs settings: {{{gate.name}: {{…}}}}; see docs/gates.md."
            expected = f"{', '.join(BARE)}, or the name of a gate with settings"
            yield Problem("no such gate", (*path, position), gate.name, expected, hint)


def _own_names(lists: Sequence[tuple[KeyPath, Sequence[Gate]]]) -> Iterator[Problem]:
    """Gates with settings have names of their own: verdicts carry them, and other waves refer to them."""
    known: set[str] = set()
    for path, gates in lists:
        for position, gate in enumerate(gates):
            if gate.is_word:
                continue
            kind, where = gate.settings["kind"], (*path, position, gate.settings["kind"], "name")
            if gate.name in KINDS and gate.name != kind:
                yield Problem(f"'{gate.name}' is another kind of gate", where, gate.name, "a name of its own")
            elif gate.name in known:
                hint = "Give each a 'name', or refer to the first by its name."
                yield Problem("another gate has this name", where, gate.name, "a name used once", hint)
            known.add(gate.name)
