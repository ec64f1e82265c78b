"""What goes wrong in the middle of a rollout: it goes on where it was, or stops, and says what happened."""

from __future__ import annotations

import time

import pytest
from rollouts import approval, community, edits, quick
from scenario import EDGES, replace_in

CANARIES = 2
"""One host of each of the two classes."""


def canaries(rollouts, number):
    """The hosts of the first wave, in order."""
    return sorted(host for event in rollouts.events(number, "job") for host in event["hosts"])


# --- the master ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["job", "returned", "judged", "promoted"])
def test_a_master_that_is_killed_goes_on_where_it_was(rollouts, base, moment):
    release = rollouts.release(edits(quick, community(320 + len(moment))))
    number = rollouts.start(release)
    rollouts.until_event(number, moment)
    rollouts.kill_master()
    rollouts.until(number, "completed")
    assert rollouts.runs(release)
    assert changed_once(rollouts, number)


def changed_once(rollouts, number):
    """No host was changed twice, and none was left out, whatever was published how often."""
    changed = [
        host
        for event in rollouts.events(number, "returned")
        for host, found in event["hosts"].items()
        if found["outcome"] == "changed"
    ]
    return sorted(changed) == sorted(EDGES)


def test_hosts_that_nobody_confirms_undo_the_change_and_are_tried_again_when_the_engine_wakes_up(rollouts, base):
    """The engine sleeps for longer than a host waits: meanwhile every host goes back to where it was by itself."""
    release = rollouts.release(edits(quick, community(330), hasty))
    number = rollouts.start(release)
    rollouts.until_event(number, "job", act="apply")
    hosts = canaries(rollouts, number)
    with rollouts.engine_frozen():
        rollouts.fleet.until(lambda: all(rollouts.fleet.status_file(host) for host in hosts), timeout=60)
        rollouts.fleet.until(lambda: not any(rollouts.fleet.status_file(host) for host in hosts), timeout=120)
        assert rollouts.runs(base)
    rollouts.until(number, "completed")
    assert rollouts.runs(release)
    assert rollouts.applies(number) == {host: 1 + (host in hosts) for host in EDGES}


def hasty(pillar):
    """A host waits no longer than half a minute for its confirmation."""
    replace_in(
        pillar / "traffic/rollout.sls", "pace: {silence: 30s, timeout: 2m}", "pace: {silence: 25s, timeout: 30s}"
    )


def test_a_database_that_is_gone_for_a_while_delays_and_loses_nothing(rollouts, base):
    release = rollouts.release(edits(quick, community(331)))
    number = rollouts.start(release)
    rollouts.until_event(number, "job")
    with rollouts.store_away():
        time.sleep(30)
        assert rollouts.fleet.highstate("edge1.iad1")["edge1.iad1"], "pillar comes from the master's own cache"
    rollouts.until(number, "completed")
    assert rollouts.runs(release)
    assert changed_once(rollouts, number)


# --- hosts -----------------------------------------------------------------------------------------------------------


def test_a_host_that_is_down_before_the_start_blocks_it_until_somebody_says_to_go_on(rollouts, base):
    release = rollouts.release(edits(quick, community(332)))
    away = "edge1.iad1"
    rollouts.fleet.run(away, "systemctl", "stop", "salt-minion")
    try:
        number = rollouts.start(release)
        view = rollouts.until(number, "blocked")
        assert list(view["problems"]) == [away]
        rollouts.ask("skip-host", number, away)
        rollouts.until(number, "completed")
    finally:
        rollouts.fleet.run(away, "systemctl", "start", "salt-minion")
    rollouts.fleet.until(lambda: rollouts.fleet.answers(away), timeout=60)
    assert rollouts.runs(release, set(EDGES) - {away})
    assert rollouts.runs(base, [away])
    assert rollouts.assigned()[away] == base


def test_a_host_that_loses_power_while_it_is_changed_is_unknown_and_the_wave_goes_back(rollouts, base):
    release = rollouts.release(edits(quick, community(333)))
    number = rollouts.start(release)
    rollouts.until_event(number, "job", act="apply")
    host, *others = canaries(rollouts, number)
    rollouts.fleet.until(lambda: (rollouts.fleet.status_file(host) or {}).get("applied"), timeout=40)
    rollouts.fleet.kill(host)
    rollouts.until_event(number, "stopped")
    rollouts.fleet.start(host)
    rollouts.fleet.until(lambda: rollouts.fleet.answers(host), timeout=90)
    view = rollouts.until(number, "rolled-back", "stopped", timeout=180)
    if view["status"] == "stopped":
        rollouts.ask("retry", number, host)
        rollouts.until(number, "rolled-back")
    assert rollouts.runs(base)
    assert others
    assert rollouts.applies(number) == {edge: int(edge in (host, *others)) for edge in EDGES}


def test_a_host_that_is_restarted_in_the_middle_of_its_wave_boots_into_what_it_had(rollouts, base):
    release = rollouts.release(edits(quick, community(334)))
    number = rollouts.start(release)
    rollouts.until_event(number, "job", act="apply")
    host = canaries(rollouts, number)[0]
    rollouts.fleet.until(lambda: (rollouts.fleet.status_file(host) or {}).get("applied"), timeout=40)
    rollouts.fleet.kill(host)
    rollouts.fleet.start(host)
    rollouts.until(number, "rolled-back", timeout=240)
    assert rollouts.runs(base)


def test_a_minion_that_goes_away_after_it_was_changed_keeps_the_next_wave_from_beginning(rollouts, base):
    release = rollouts.release(edits(quick, community(335), approval))
    number = rollouts.start(release)
    rollouts.until_event(number, "waiting")
    host = canaries(rollouts, number)[0]
    rollouts.fleet.run(host, "systemctl", "stop", "salt-minion")
    try:
        rounds = rollouts.view(number)["waves"][0]["round"]
        rollouts.fleet.until(lambda: rollouts.view(number)["waves"][0]["round"] > rounds + 1, timeout=90)
        rollouts.ask("approve", number, "--wave", "canary")
        time.sleep(5)
        assert rollouts.view(number)["waves"][0]["status"] == "judging"
    finally:
        rollouts.fleet.run(host, "systemctl", "start", "salt-minion")
    for wave in ("most", "all"):
        rollouts.ask("approve", number, "--wave", wave)
    rollouts.until(number, "completed")
    assert rollouts.runs(release)


def test_a_rollback_that_fails_on_one_host_goes_on_with_the_others_and_says_so(rollouts, base):
    release = rollouts.release(edits(quick, community(336), approval))
    number = rollouts.start(release)
    rollouts.until_event(number, "waiting")
    host, *others = canaries(rollouts, number)[:CANARIES]
    rollouts.fleet.run(host, "systemctl", "stop", "salt-minion")
    try:
        rollouts.ask("rollback", number, "--all", "--yes")
        view = rollouts.until(number, "rolled-back", timeout=180)
    finally:
        rollouts.fleet.run(host, "systemctl", "start", "salt-minion")
    assert [(one["host"], one["phase"]) for one in view["hosts"]] == [(host, "stuck")]
    rollouts.fleet.until(lambda: rollouts.fleet.answers(host), timeout=60)
    assert rollouts.runs(base, set(EDGES) - {host})
    assert rollouts.runs(release, [host])
    assert others
    rollouts.fleet.highstate(host)
    assert rollouts.runs(base), "it is assigned to what it had, so any highstate brings it back"


def test_an_abort_during_a_rollback_ends_it_and_leaves_no_host_in_between(rollouts, base):
    release = rollouts.release(edits(quick, community(337), approval))
    number = rollouts.start(release)
    rollouts.until_event(number, "waiting")
    rollouts.ask("rollback", number, "--all", "--yes")
    rollouts.until_event(number, "job", act="back")
    rollouts.ask("abort", number)
    rollouts.until(number, "aborted", "rolled-back")
    for host in EDGES:
        report = rollouts.report(host)
        assert report["pending"] is None
        assert report["plan"] == report["confirmed"]
    for host, release_of in rollouts.assigned().items():
        assert rollouts.runs(release_of, [host])


# --- people ----------------------------------------------------------------------------------------------------------


def test_what_is_edited_in_the_working_tree_meanwhile_has_no_part_in_it(rollouts, base):
    release = rollouts.release(edits(quick, community(338)))
    number = rollouts.start(release)
    rollouts.until_event(number, "job")

    def ruin(pillar):
        (pillar / "traffic/routing.sls").write_text("traffic: {routing: {asn: nonsense}}\n")

    with rollouts.fleet.changed_policy(ruin):
        rollouts.until(number, "completed")
    assert rollouts.runs(release)
