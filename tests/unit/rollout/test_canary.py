"""With whom a wave is compared, as its journal has it: only hosts that run what they ran before."""

from dataclasses import replace
from datetime import datetime, timezone

from play import brief

from tidegate.rollout.brief import PlannedWave
from tidegate.rollout.canary import told
from tidegate.rollout.event import Event
from tidegate.rollout.fold import fold
from tidegate.rollout.state import HostState, Phase, State

GATE = {"kind": "metrics", "compare": [{}]}
WAVES = (
    PlannedWave("first", ("a1", "b1"), {"a1": ("a2", "a3"), "b1": ("b2",)}, 60.0, ("it",)),
    PlannedWave("second", ("a2", "b2"), {"a2": ("a3",)}, 60.0, ("it",)),
)
LABELS = {host: {"class": "gen1", "role": "edge", "pop": host[0], "region": "eu"} for host in ("a1", "b1", "a2", "b2")}


def state(phases=(), gates=None, promoted=False):
    names = {wave.name: wave.hosts for wave in WAVES}
    found = State.new(replace(brief(names), waves=WAVES, gates={"it": GATE} if gates is None else gates))
    hosts = {**found.hosts, **{host: HostState(phase) for host, phase in dict(phases).items()}}
    first = replace(found.waves["first"], began=100.0, settled=150.0, status="promoted" if promoted else "judging")
    second = replace(found.waves["second"], began=900.0, settled=950.0, status="judging" if promoted else "waiting")
    return replace(found, hosts=hosts, waves={"first": first, "second": second})


def asked(found, wave=0, labels=lambda: LABELS):
    return told(found, WAVES[wave], 1000.0, labels)


def test_hosts_that_have_tried_the_release_are_no_baseline():
    assert asked(state())["baseline"] == {"a1": ("a2", "a3"), "b1": ("b2",)}
    changed = asked(state({"a2": Phase.FAILED, "b2": Phase.UNKNOWN}))
    assert changed["baseline"] == {"a1": ("a3",), "b1": ()}, "a3 does not change in this rollout at all"
    assert asked(state({"a2": Phase.SKIPPED}))["baseline"]["a1"] == ("a2", "a3")


def test_a_host_that_nobody_is_left_for_has_those_of_promoted_waves_with_when_they_changed():
    found = asked(state({"a1": Phase.CHANGED, "b1": Phase.CHANGED}, promoted=True), wave=1)
    assert found["former"] == {"b2": (("b1", 150.0),)}, "of its own PoP; a2 has a baseline"
    assert not found["timing"].promoted


def test_labels_are_not_asked_for_where_nobody_needs_them():
    def never():
        raise AssertionError

    assert asked(state(), labels=never)["timing"].settled == 150.0
    assert asked(state(gates={"it": {"kind": "metrics"}}), labels=never) == {}
    assert asked(State.new(state().brief), labels=never) == {}, "nobody knows when it changed"


def test_the_moments_of_a_change_are_those_of_the_journal():
    at = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
    event = Event("job", {"jid": "j", "act": "apply", "hosts": ["a1"], "wave": "first"}, 1, at)
    found = fold(State.new(state().brief), [event], 5.0)
    assert found.waves["first"].began == at.timestamp()
    again = fold(found, [replace(event, seq=2, at=at.replace(hour=13))], 9.0)
    assert again.waves["first"].began == at.timestamp(), "the first host counts"
