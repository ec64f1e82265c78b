"""A brief says all that a rollout needs, and nothing that is not so."""

import json
import sys
from pathlib import Path

import pytest
from fleets import CANARY, REST
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.host.errors import Refused
from tidegate.policy.load import examine
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet
from tidegate.rollout.announcers import services, services_of
from tidegate.rollout.brief import Brief
from tidegate.rollout.briefing import Change, Had, brief

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from example import GONE, changed

HOSTS = ("edge1.lhr1", "edge2.lhr1", "edge1.ams1", "edge1.iad1")
LOCAL_PREF = ("routing/neighbors/lhr1-v4/import", {"local_pref": 50})
NO_LHR1 = ("routing/announcements/0/match", {"host": "edge1.ams1"})


def policy(*changes):
    return Policy.model_validate(changed(*changes))


def change(before, after, missing=()):
    """From one policy to another; ``missing`` hosts have no release yet."""
    then = compile_fleet(after)
    now = {host: plan for host, plan in compile_fleet(before).items() if host not in missing}
    had = {host: Had("old", plan.digest) for host, plan in now.items()}
    return Change("new", {host: plan.digest for host, plan in then.items()}, had, then, now)


def of(*changes, before=(), missing=(), **options):
    after = policy(*changes)
    return brief(after, change(policy(*before), after, missing), **options)


def test_only_what_changes_is_in_waves():
    found = of(LOCAL_PREF)
    assert found.hosts == ("edge1.lhr1",)
    assert found.unchanged == ("edge1.ams1", "edge1.iad1", "edge2.lhr1")
    assert found.before == dict.fromkeys(sorted(HOSTS), "old")
    (wave,) = found.waves
    assert (wave.name, wave.soak, wave.gates) == ("canary", 60.0, ("health",))
    assert wave.baseline == {"edge1.lhr1": ("edge2.lhr1",)}


def test_nothing_may_change():
    found = of()
    assert found.waves == ()
    assert len(found.unchanged) == 4


def test_a_host_without_a_release_changes():
    found = of(missing=HOSTS)
    assert sorted(found.hosts) == sorted(HOSTS)
    assert set(found.before.values()) == {None}
    assert found.withdraws == {}
    assert found.floors == (), "what nobody announces yet cannot go down"


def test_a_host_of_which_nothing_is_sure_changes():
    after = policy()
    what = change(after, after)
    what = Change(
        what.release, what.after, {**what.before, "edge1.iad1": Had("old", None)}, what.plans_after, what.plans_before
    )
    found = brief(after, what)
    assert found.hosts == ("edge1.iad1",)
    assert found.before["edge1.iad1"] == "old"


def test_without_rollout_the_defaults_are_safe():
    found = of(LOCAL_PREF)
    assert found.gates == {"health": {"kind": "health"}}
    assert (found.budget.failed, found.budget.unknown) == (0, 0)
    assert found.on_failure == "wave"
    assert found.breaker.most is None
    assert (found.pace.timeout, found.pace.silence, found.pace.interval) == (240, 90.0, 15.0)
    assert found.freezes == found.notify == ()


FULL = (
    "rollout",
    {
        "waves": [CANARY, {"name": "half", "percent": 75, "soak": "10m", "gates": ["approval", "strict"]}, REST],
        "soak": "2m",
        "interval": "5s",
        "gates": ["verify", {"probe": {"from": "client1", "http": "http://192.0.2.10/"}}],
        "inconclusive_rounds": 3,
        "budget": {"failed_hosts": "50%", "unknown_hosts": 1, "withdrawals": {"most": 7, "within": "1m"}},
        "on_failure": "roll_back_all",
        "pace": {"slice": 1, "in_flight": 2, "silence": "20s", "timeout": "2m"},
        "emergency": {"gates": ["health", {"verify": {"name": "strict", "parts": "bird"}}]},
        "freeze": [{"name": "f", "from": "2026-12-24T16:00Z", "until": "2026-12-27T08:00Z", "why": "few"}],
        "notify": [{"webhook": "https://hooks.example.net/"}],
    },
)
ROUTER_IDS = tuple((f"fleet/hosts/{host}/router_id", f"10.9.9.{number}") for number, host in enumerate(HOSTS, 1))


def test_everything_that_the_policy_says_arrives():
    assert examine(changed(FULL)).problems == []
    found = of(FULL, *ROUTER_IDS)
    assert [(wave.name, wave.soak, wave.gates) for wave in found.waves] == [
        ("canary", 120.0, ("health", "verify", "probe")),
        ("half", 600.0, ("health", "approval", "strict")),
        ("all", 120.0, ("health", "verify", "probe")),
    ]
    assert {name: gate["kind"] for name, gate in found.gates.items()} == {
        "health": "health",
        "verify": "verify",
        "probe": "probe",
        "approval": "approval",
        "strict": "verify",
    }
    assert found.gates["strict"]["parts"] == ["bird"]
    assert (found.budget.failed, found.budget.unknown) == (2, 1)
    assert (found.breaker.most, found.breaker.within) == (7, 60.0)
    assert found.on_failure == "all"
    assert found.pace.__dict__ == {
        "slice": 1,
        "in_flight": 2,
        "silence": 20.0,
        "timeout": 120,
        "interval": 5.0,
        "rounds": 3,
    }
    assert found.freezes[0]["until"] == "2026-12-27T08:00Z"
    assert found.notify[0]["events"] == ["waiting", "paused", "stopped", "reversing", "finished"]
    assert not found.override_freeze


def test_an_emergency_is_shorter():
    found = of(FULL, *ROUTER_IDS, strategy="emergency", override_freeze=True)
    assert [(wave.name, wave.soak, wave.gates) for wave in found.waves] == [
        ("canary", 30.0, ("health", "strict")),
        ("all", 30.0, ("health", "strict")),
    ]
    assert list(found.gates) == ["health", "strict"]
    assert found.strategy == "emergency"
    assert found.override_freeze


def test_withdrawals_are_counted_per_neighbor_and_prefix():
    found = of(NO_LHR1)
    assert found.hosts == ("edge1.lhr1",)
    assert found.withdraws == {"edge1.lhr1": 2}


def test_floors_are_of_services_that_the_change_touches():
    (floor,) = of(LOCAL_PREF).floors
    assert (floor.service, floor.min_pops, floor.hosts) == ("web", 1, ("edge1.ams1", "edge1.lhr1"))
    assert of(ROUTER_IDS[1]).floors == (), "a host that announces nothing takes nothing down"
    assert of(LOCAL_PREF, ("routing/services/web/min_pops", 0)).floors == ()
    found = of(NO_LHR1)
    assert found.floors[0].hosts == ("edge1.ams1", "edge1.lhr1"), "it announces until it changes"
    assert found.pops == {"edge1.ams1": "ams1", "edge1.lhr1": "lhr1"}


def test_of_hosts_that_are_not_asked_for_what_they_have_now_counts():
    # By the new release ams1 announces no more, but it is not asked for: it goes on.
    away = ("routing/announcements/0/match", {"host": "edge1.lhr1"})
    found = of(away, LOCAL_PREF, among=["edge1.lhr1"])
    assert found.hosts == ("edge1.lhr1",)
    assert found.unchanged == ()
    assert set(found.before) == {"edge1.lhr1"}
    assert found.floors[0].hosts == ("edge1.ams1", "edge1.lhr1")


def test_a_host_that_left_the_fleet_and_still_announces_counts():
    after = policy(
        ("fleet/hosts/edge1.ams1", GONE),
        ("routing/neighbors/ams1-v4", GONE),
        ("routing/announcements/0/match", {"host": "edge1.lhr1"}),
        LOCAL_PREF,
    )
    found = brief(after, change(policy(), after))
    assert found.floors[0].hosts == ("edge1.ams1", "edge1.lhr1")
    assert found.pops["edge1.ams1"] == "ams1"


@pytest.mark.parametrize(("among", "words"), [([], "never means all"), (["edge9.lhr1"], "no plan for edge9.lhr1")])
def test_a_choice_of_nobody_is_refused(among, words):
    with pytest.raises(Refused, match=words):
        of(LOCAL_PREF, among=among)


def test_the_policy_must_be_the_releases():
    other = policy(("fleet/hosts/edge1.iad1", GONE))
    with pytest.raises(Refused, match="one of them alone has"):
        brief(other, change(policy(), policy()))


CHANGES = st.lists(
    st.sampled_from([LOCAL_PREF, NO_LHR1, *ROUTER_IDS, ("routing/services/web/prefixes", ["192.0.2.0/24"])]),
    unique_by=lambda one: one[0],
)
AMONG = st.none() | st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)
STRATEGIES = st.sampled_from(["normal", "emergency"])
MISSING = st.lists(st.sampled_from(HOSTS), unique=True)


@given(CHANGES, CHANGES, AMONG, STRATEGIES, MISSING, st.booleans())
@settings(max_examples=60, deadline=None)
def test_laws_of_every_brief(then, now, among, strategy, missing, full):
    after, before = policy(*then, *([FULL] if full else [])), policy(*now)
    what = change(before, after, missing)
    found = brief(after, what, strategy=strategy, among=among)
    asked, changing = set(among or HOSTS), [host for host in among or HOSTS if what.differs(host)]
    # Waves and the unchanged share the hosts that were asked for among them.
    assert sorted((*found.hosts, *found.unchanged)) == sorted(asked)
    assert sorted(found.hosts) == sorted(changing)
    assert set(found.before) == asked
    # No wave is empty, judged by nothing, or, in an emergency, not looked at for any time.
    assert bool(found.waves) == bool(changing)
    for wave in found.waves:
        assert wave.hosts
        assert wave.gates[0] == "health"
        assert set(wave.gates) <= found.gates.keys()
        assert strategy == "normal" or wave.soak > 0
    # The first has every class of what changes.
    classes = {after.fleet.hosts[host].class_ for host in changing}
    assert {after.fleet.hosts[host].class_ for wave in found.waves[:1] for host in wave.hosts} == classes
    assert set(found.withdraws) <= set(found.hosts)
    assert found.pops.keys() == {*found.hosts, *(host for floor in found.floors for host in floor.hosts)}
    # It travels as JSON, and is the same for equal arguments.
    assert Brief.of(json.loads(json.dumps(found.as_dict()))) == found
    assert brief(after, what, strategy=strategy, among=among) == found


@given(CHANGES)
@settings(max_examples=30, deadline=None)
def test_what_the_policy_says_is_announced_is_what_the_plans_announce(changes):
    some = policy(*changes)
    for host, plan in compile_fleet(some).items():
        assert services_of(some, host) == services(plan)
