"""A release reaches the fleet in waves, past gates, and one that is bad does not get past the first of them."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from rollouts import ROUTING, approval, broken_origin, community, edits, judged, quick
from scenario import EDGES, changed_states, replace_in

BEFORE = 24
"""Seconds of requests before a change that is judged: what lab/judged.sls compares with, and a little."""


def test_a_release_goes_wave_by_wave_past_every_gate_and_no_request_is_lost(rollouts, base):
    release = rollouts.release(community(301))
    rollouts.fleet.start_requests()
    number = rollouts.completed(release)
    requests = rollouts.fleet.stop_requests()
    assert rollouts.runs(release)
    assert set(rollouts.assigned().values()) == {release}
    assert rollouts.applies(number) == dict.fromkeys(EDGES, 1)
    in_order(rollouts.events(number))
    for wave in rollouts.view(number)["waves"]:
        gates = {gate["name"]: gate for gate in wave["gates"]}
        assert set(gates) - {"verify"} == {"health", "metrics", "probe"}
        assert ("verify" in gates) == (wave["name"] == "canary")
        assert {gate["outcome"] for gate in gates.values()} == {"pass"}
        assert all(gate["evidence"] for gate in gates.values())
    for router in ("transit-eu", "transit-us"):
        assert "64500:301" in rollouts.fleet.run(router, "vtysh", "-c", "show bgp ipv4 unicast 192.0.2.0/24")
    assert requests.sent > 100
    assert requests.lost == 0, requests


def in_order(events):
    """No wave begins before the one before it is promoted; a gate's pass stands before every promotion."""
    seen = [(event["kind"], event.get("wave")) for event in events]
    waves = [wave for kind, wave in seen if kind == "wave"]
    assert [wave for kind, wave in seen if kind == "promoted"] == waves
    for before, after in pairwise(waves):
        assert seen.index(("promoted", before)) < seen.index(("wave", after))
    for wave in waves:
        judged = [event for event in events if event["kind"] == "judged" and event["wave"] == wave]
        first = next(event["seq"] for event in events if (event["kind"], event.get("wave")) == ("promoted", wave))
        assert {verdict["outcome"] for event in judged if event["seq"] < first for verdict in event["verdicts"][-1:]}


def test_a_release_whose_announcement_bird_drops_stops_at_the_canary_and_nobody_notices(rollouts, base):
    """The policy is good and so are all its checks: a template of the site's own drops what has a MED.

    Every host has community 301 already, so that London and Ashburn alone change, and one of them is the canary.
    """
    base = with_community_301(rollouts, base)
    release = rollouts.release(edits(community(301), with_med))
    broken = ("bird/announce.j2", "  bgp_med = ", "  if ! defined(bgp_med) then return false;\n  bgp_med = ")
    rollouts.fleet.start_requests()
    with rollouts.fleet.broken_template(*broken):
        number = rollouts.start(release)
        view = rollouts.until(number, "rolled-back")
    requests = rollouts.fleet.stop_requests()
    assert rollouts.applies(number) == {**dict.fromkeys(EDGES, 0), "edge1.lhr1": 1}, "one host has tried it, once"
    first, *later = [wave["status"] for wave in view["waves"]]
    assert (first, set(later)) == ("back", {"waiting"})
    assert "not announced: 192.0.2.0/24" in rollouts.story(number)
    assert rollouts.runs(base)
    assert set(rollouts.assigned().values()) == {base}
    assert requests.lost == 0, requests


def with_community_301(rollouts, base):
    """The release of the example with this community, on every host."""
    release = rollouts.release(community(301))
    if base != release:
        rollouts.completed(release)
    return release


def with_med(pillar):
    """London and Ashburn announce with a MED."""
    old = "match: {pop: [lhr1, iad1]}"
    replace_in(pillar / ROUTING, old, f"{old}\n        med: 50")


def test_a_release_that_only_slows_answers_is_stopped_by_the_judge(rollouts, base):
    """London is shaped to a tenth. Every check of it is good: the host beside the canary shows that it is not."""
    base = with_community_301(rollouts, base)
    release = rollouts.release(edits(judged, community(301), a_zero_less))
    rollouts.fleet.start_requests(rate=6, path="/page")
    time.sleep(BEFORE)
    number = rollouts.start(release)
    rollouts.until(number, "rolled-back")
    requests = rollouts.fleet.stop_requests()
    assert rollouts.applies(number) == {**dict.fromkeys(EDGES, 0), "edge1.lhr1": 1}, "one host has tried it, once"
    (stopped,) = rollouts.events(number, "stopped")
    assert "slow_answers: it got worse" in stopped["reason"]
    verdicts = [verdict for event in rollouts.events(number, "judged") for verdict in event["verdicts"]]
    assert {verdict["outcome"] for verdict in verdicts if verdict["gate"] == "health"} == {"pass"}
    again = rollouts.fleet.exec("master", "tidegate", "judge", "--replay", str(number), "--wave", "canary")
    assert "The same as it was judged then" in again.stdout, again
    assert rollouts.runs(base)
    assert requests.lost == 0, requests


def a_zero_less(pillar):
    """London at 2 Mbit/s, in place of 20."""
    tree = "{{match: {{pop: lhr1}}, interface: uplink, profile: edge, rate: {rate}}}"
    replace_in(pillar / "traffic/shaping.sls", tree.format(rate="20mbit"), tree.format(rate="2mbit"))


@pytest.mark.parametrize(
    "query",
    [
        'bird_protocol_up{proto="BGP"} == 1',
        "tidegate_check_well == 1",
        "node_network_transmit_bytes_total",
        "lab_origin_requests_total",
    ],
)
def test_prometheus_knows_of_every_edge(rollouts, query):
    """BIRD, Tidegate, the machine and what it serves."""
    assert rollouts.fleet.prometheus_hosts(query) == set(EDGES)


def test_a_highstate_in_the_middle_of_a_rollout_changes_nothing(rollouts, base):
    """Canaries keep the new plan, the others the old one, whatever the working tree says meanwhile."""
    release = rollouts.release(edits(quick, community(302), approval))
    number = rollouts.start(release)
    rollouts.until_event(number, "waiting")
    canaries = {host for event in rollouts.events(number, "job") for host in event["hosts"]}
    others = set(EDGES) - canaries
    with rollouts.fleet.changed_policy(community(666)):
        returned = rollouts.fleet.highstate("edge*")
        assert {host: changed_states(states) for host, states in returned.items()} == {host: {} for host in EDGES}
        assert rollouts.runs(release, canaries)
        assert rollouts.runs(base, others)
        for wave in ("canary", "most", "all"):
            rollouts.ask("approve", number, "--wave", wave)
        rollouts.until(number, "completed")
    assert rollouts.runs(release)
    assert "64500:666" not in rollouts.fleet.run("transit-eu", "vtysh", "-c", "show bgp ipv4 unicast 192.0.2.0/24")


def test_a_metrics_gate_stops_a_canary_that_answers_with_errors(rollouts, base):
    release = rollouts.release(community(303))
    fleet = rollouts.fleet
    with broken_origin(fleet):
        number = rollouts.start(release)
        rollouts.until(number, "rolled-back")
    (stopped,) = rollouts.events(number, "stopped")
    assert "metrics" in stopped["reason"]
    assert "errors" in stopped["reason"]
    assert rollouts.runs(base)


def test_a_prometheus_that_is_down_never_counts_as_good(rollouts, base):
    release = rollouts.release(community(304))
    rollouts.fleet.run("client", "systemctl", "stop", "prometheus")
    try:
        number = rollouts.start(release)
        event = rollouts.until_event(number, "judged", wave="canary")
        outcomes = {verdict["gate"]: verdict["outcome"] for verdict in event["verdicts"]}
        assert outcomes["metrics"] == "inconclusive"
        assert rollouts.view(number)["waves"][0]["status"] == "judging"
    finally:
        rollouts.fleet.run("client", "systemctl", "start", "prometheus")
    rollouts.until(number, "completed")


def test_a_probe_gate_that_sees_nothing_from_outside_stops_the_rollout(rollouts, base):
    release = rollouts.release(community(305))
    rollouts.fleet.run("client", "ip", "route", "add", "unreachable", "192.0.2.0/24")
    try:
        number = rollouts.start(release)
        rollouts.until(number, "rolled-back")
    finally:
        rollouts.fleet.run("client", "ip", "route", "del", "unreachable", "192.0.2.0/24")
    (stopped,) = rollouts.events(number, "stopped")
    assert "gate probe failed" in stopped["reason"]
    assert rollouts.runs(base)


def test_drift_is_refused_and_then_restored(rollouts, base):
    release = rollouts.release(edits(quick, community(306)))
    rollouts.fleet.run("edge1.ams1", "ip", "route", "del", "blackhole", "192.0.2.0/24", "table", "4210")
    number = rollouts.start(release)
    view = rollouts.until(number, "blocked")
    assert list(view["problems"]) == ["edge1.ams1"]
    rollouts.tidegate("drift", "restore", "edge1.ams1")
    rollouts.ask("retry", number)
    rollouts.until(number, "completed")
    assert rollouts.runs(release)


def test_drift_is_adopted_and_its_host_left_alone(rollouts, base):
    release = rollouts.release(edits(quick, community(307)))
    host = "edge1.ams1"
    by_hand = ("tc", "class", "change", "dev", "eth0", "classid", rollouts.fleet.a_class(host), "htb", "rate", "1mbit")
    rollouts.fleet.run(host, *by_hand)
    adopted = rollouts.tidegate("drift", "adopt", host, "--because", "a test", "--for", "1h")
    number = rollouts.start(release)
    rollouts.until(number, "completed")
    assert rollouts.runs(release, set(EDGES) - {host})
    assert rollouts.fleet.call(host, "traffic.drift") != {}, "what was done by hand is still there"
    rollouts.tidegate("operation", "end", str(adopted["id"]), "--because", "a test")
    rollouts.fleet.highstate(host)


def test_a_newer_rollout_takes_over_hosts_only_when_it_says_so(rollouts, base):
    first = rollouts.release(edits(quick, community(308), approval))
    second = rollouts.release(edits(quick, community(309)))
    number = rollouts.start(first)
    rollouts.until_event(number, "waiting")
    refused = rollouts.refused("rollout", "start", second, "--because", "a test", "--yes")
    assert f"rollout {number}" in refused.lower()
    newer = rollouts.start(second, "--supersede", str(number))
    rollouts.until(newer, "completed")
    assert rollouts.view(number)["status"] == "superseded"
    assert rollouts.runs(second)
