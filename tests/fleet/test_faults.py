"""What goes wrong, on purpose: afterwards a host runs one generation, whole, and says what happened."""

from __future__ import annotations

import json
import time

import pytest
from scenario import applied, changed_states, failed_states, proven, replace_in, staged

HOST = "edge1.lhr1"
ROUTING, FILTERING = "traffic/routing.sls", "traffic/filtering.sls"


def no_way_home(pillar):
    """Nothing a check could find: the session stays up, and the default route that leads to the master is refused."""
    replace_in(pillar / ROUTING, "accept: all ", "accept: none ")


def another_community(pillar):
    """A harmless change of BIRD's part."""
    replace_in(pillar / ROUTING, 'communities: ["64500:100"]', 'communities: ["64500:300"]')


def refused(returned):
    """The one sentence that ``staged`` gave, and nothing changed."""
    assert changed_states(returned) == {}
    assert staged(returned)["result"] is False
    return staged(returned)["comment"]


@pytest.fixture(autouse=True)
def unharmed(fleet):
    """Every scenario ends with the host where it was, healthy; and undone changes are forgotten."""
    before = fleet.status(HOST)["confirmed"]
    yield
    fleet.until(lambda: fleet.status(HOST)["pending"] is None, timeout=60)
    fleet.until(lambda: fleet.call(HOST, "traffic.health")["status"] == "ok", timeout=30)
    assert fleet.status(HOST)["confirmed"] == before
    assert fleet.status(HOST)["running"] == before
    fleet.run(HOST, "rm", "-f", "/var/lib/tidegate/reverted.json")


# --- plans that must not be applied --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"traffic": {"digest": "0" * 64}}, "digest"),
        ({"traffic": {"schema": 99}}, "schema 99"),
        ({"traffic": None}, "empty"),
        ({"traffic": {"host": "edge9.lhr1"}}, "digest"),
    ],
    ids=["wrong digest", "newer schema", "empty", "altered"],
)
def test_a_plan_that_is_not_whole_is_refused_in_one_sentence(fleet, damage, sentence):
    comment = refused(fleet.highstate(HOST, pillar=damage)[HOST])
    assert sentence in comment
    assert "\n" not in comment


def test_a_broken_policy_leaves_every_host_with_its_last_good_plan(fleet):
    with fleet.changed_policy(lambda pillar: replace_in(pillar / ROUTING, "asn: 64500", "asn: sixty-four")):
        returned = fleet.highstate(HOST)[HOST]
        log = fleet.run("master", "journalctl", "--unit=salt-master", "--no-pager", "--since=-60s")
    assert failed_states(returned) == {}
    assert changed_states(returned) == {}
    assert "traffic.routing.asn" in log


def test_an_interface_that_is_not_there_is_named_before_anything_is_touched(fleet):
    def other_card(pillar):
        replace_in(pillar / "traffic/fleet.sls", "device: eth0", "device: eth7")

    with fleet.changed_policy(other_card):
        comment = refused(fleet.highstate(HOST)[HOST])
    assert "eth7" in comment


def test_bird_that_is_missing_is_named_before_anything_is_touched(fleet):
    fleet.run(HOST, "mv", "/usr/sbin/bird", "/usr/sbin/bird.away")
    try:
        with fleet.changed_policy(another_community):
            comment = refused(fleet.highstate(HOST)[HOST])
    finally:
        fleet.run(HOST, "mv", "/usr/sbin/bird.away", "/usr/sbin/bird")
    assert "BIRD" in comment


def test_a_rule_that_would_drop_the_salt_master_is_refused_by_the_pre_flight(fleet):
    def drop_the_master(pillar):
        replace_in(pillar / FILTERING, "203.0.113.128/25", "203.0.113.0/31")

    with fleet.changed_policy(drop_the_master):
        comment = refused(fleet.highstate(HOST)[HOST])
    assert "abusers" in comment
    assert "203.0.113.1" in comment


def test_a_configuration_that_bird_refuses_is_shown_with_a_caret_and_never_loaded(fleet):
    """A template that somebody overrode badly: what the library renders itself, BIRD accepts."""
    with fleet.broken_template("bird/neighbor.j2", "hold time", "hold tiem"):
        comment = refused(fleet.highstate(HOST)[HOST])
    assert "hold tiem" in comment
    assert "^" in comment
    assert "tide-lhr1-md5" not in comment


# --- changes that must not stay ------------------------------------------------------------------------------------


def test_a_host_that_loses_its_way_home_comes_back_by_itself_and_does_not_try_again(fleet):
    with fleet.changed_policy(no_way_home):
        begun = time.monotonic()
        fleet.begin_highstate(HOST, pillar={"tidegate": {"wait": 8}})
        fleet.until(lambda: not fleet.has_default_route(HOST), timeout=30)
        fleet.until(lambda: fleet.has_default_route(HOST), timeout=60)
        fleet.until(lambda: fleet.answers(HOST), timeout=60)
        assert time.monotonic() - begun < 90
        undone = fleet.status(HOST)["reverted"]
        assert "no way home" in next(iter(undone.values()))["reason"]
        again = refused(fleet.highstate(HOST)[HOST])
        assert "was undone on this host" in again
        assert f"traffic.retry {next(iter(undone))}" in again
        assert fleet.call(HOST, "traffic.retry", next(iter(undone))) == list(undone)


def test_the_dead_man_restores_the_host_when_the_minion_is_killed(fleet):
    """Between the change and its confirmation nobody of ours is left alive but the timer."""
    with fleet.changed_policy(no_way_home):
        fleet.begin_highstate(HOST, pillar={"tidegate": {"timeout": 20, "wait": 600}})
        fleet.until(lambda: not fleet.has_default_route(HOST), timeout=40)
        fleet.run(HOST, "systemctl", "kill", "--signal=KILL", "salt-minion")
        fleet.run(HOST, "systemctl", "stop", "salt-minion")
        fleet.until(lambda: fleet.has_default_route(HOST), timeout=60)
        fleet.run(HOST, "systemctl", "start", "salt-minion")
    fleet.until(lambda: fleet.answers(HOST), timeout=60)
    reasons = [entry["reason"] for entry in fleet.status(HOST)["reverted"].values()]
    assert reasons == ["it was not confirmed within 20 s and the dead-man undid it"]


@pytest.mark.parametrize("moment", ["staged", "applied"])
def test_power_lost_in_the_middle_of_a_change_boots_into_the_confirmed_generation(fleet, moment):
    """Killed as a whole and started again: kernel state is gone, only the disk is left."""
    with fleet.changed_policy(no_way_home):
        fleet.begin_highstate(HOST, pillar={"tidegate": {"wait": 600}})
        if moment == "staged":
            fleet.until(lambda: fleet.status(HOST)["running"] != fleet.status(HOST)["confirmed"])
        else:
            fleet.until(lambda: not fleet.has_default_route(HOST), timeout=40)
        fleet.kill(HOST)
    fleet.start(HOST)
    fleet.until(lambda: fleet.has_default_route(HOST), timeout=60)
    fleet.until(lambda: fleet.answers(HOST), timeout=60)
    assert fleet.status(HOST)["pending"] is None
    assert "restarted before it was confirmed" in str(fleet.status(HOST)["reverted"])
    assert fleet.verify(HOST) == 0


def test_power_lost_in_peace_boots_into_the_same_generation_before_bird_announces(fleet):
    fleet.kill(HOST)
    fleet.start(HOST)
    fleet.until(lambda: fleet.answers(HOST), timeout=60)
    started = fleet.run(HOST, "systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "bird").strip()
    restored = fleet.run(HOST, "systemctl", "show", "-P", "ExecMainExitTimestampMonotonic", "tidegate-restore").strip()
    assert 0 < int(restored) <= int(started)
    fleet.until(lambda: fleet.call(HOST, "traffic.health")["status"] == "ok")
    assert fleet.call(HOST, "traffic.drift") == {}


def test_bird_killed_between_change_and_confirmation_leaves_no_mix(fleet):
    """systemd starts BIRD again from the confirmed file while tc already has the new generation."""

    def change(pillar):
        another_community(pillar)
        replace_in(pillar / "traffic/shaping.sls", "guarantee: 60%", "guarantee: 40%")

    before = fleet.run(HOST, "tc", "class", "show", "dev", "eth0")
    with fleet.changed_policy(change):
        fleet.begin_highstate(HOST, pillar={"tidegate": {"settle": 20, "wait": 5}})
        fleet.until(lambda: "bird" in (fleet.status_file(HOST) or {}).get("applied", []), timeout=40)
        fleet.run(HOST, "pkill", "-KILL", "-x", "bird")
        fleet.until(lambda: fleet.status_file(HOST) is None, timeout=90)
    assert rates(fleet.run(HOST, "tc", "class", "show", "dev", "eth0")) == rates(before)
    assert "64500, 300" not in fleet.run(HOST, "cat", "/etc/bird/bird.conf")
    fleet.until(lambda: fleet.call(HOST, "traffic.health")["status"] == "ok", timeout=30)


def test_drift_by_hand_is_found_and_repaired(fleet):
    fleet.run(HOST, "ip", "route", "del", "blackhole", "192.0.2.0/24", "table", "4210")
    fleet.run(HOST, "tc", "class", "change", "dev", "eth0", "classid", fleet.a_class(HOST), "htb", "rate", "1mbit")
    drift = fleet.call(HOST, "traffic.drift")
    assert set(drift) == {"bird", "tc"}
    returned = fleet.highstate(HOST)[HOST]
    assert failed_states(returned) == {}
    assert "announce 192.0.2.0/24" in str(applied(returned, "bird")["changes"])
    assert fleet.call(HOST, "traffic.drift") == {}
    assert json.dumps(proven(returned)["changes"]) == "{}", "the generation is the same"


def rates(text):
    """What a class listing says of rates, without counters."""
    return sorted(line.split(" burst")[0] for line in text.splitlines())
