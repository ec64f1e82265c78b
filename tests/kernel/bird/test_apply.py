"""Applying, confirming, undoing: what BIRD runs and what it would start from, at every step."""

from __future__ import annotations

import os
import signal

import pytest

from tidegate.bird import conf, daemon, live, routes
from tidegate.bird.routes import PROTOCOL
from tidegate.host.errors import Failed, Refused

from .conftest import INITIAL, PASSWORD, changed, session, since, until


def describe(text):
    def change(section):
        section["neighbors"][0]["description"] = text

    return change


def second_service(section):
    section["services"].append({"name": "dns", "ipv4": ["203.0.113.0/24"], "ipv6": []})
    section["neighbors"][0]["export"].append(
        {**section["neighbors"][0]["export"][0], "service": "dns", "prefixes": ["203.0.113.0/24"]}
    )


def broken(generation):
    """A generation that BIRD refuses, on the line after a password."""
    file = generation / "bird.conf"
    file.write_text(file.read_text().replace("  ipv4\n  {\n    import where", "  ipv5\n  {\n    import where"))
    return generation


def test_unconfirmed_it_is_undone_by_bird_alone(edge, neighbor):
    live.apply(edge.generation(), 1)
    assert edge.bird.marker() is not None
    assert edge.bird.conf.read_text() == INITIAL
    until(lambda: edge.bird.marker() is None, "BIRD went back by itself", 5)


def test_an_unconfirmed_change_goes_back_to_the_confirmed_one(edge, neighbor):
    first = edge.confirmed(edge.generation())
    live.apply(edge.generation(describe("another")), 1)
    until(lambda: edge.bird.marker() == conf.marker((first / "bird.conf").read_text()), "BIRD went back", 5)
    with pytest.raises(Failed, match="it went back"):
        live.confirm(edge.generation(describe("another")))
    assert edge.bird.conf.read_text() == (first / "bird.conf").read_text()


def test_confirmed_it_outlives_the_timer_and_a_restart_of_bird(edge, neighbor):
    generation = edge.generation()
    live.apply(generation, 1)
    live.confirm(generation)
    text = (generation / "bird.conf").read_text()
    assert edge.bird.conf.read_text() == text
    assert edge.bird.conf.stat().st_mode & 0o777 == 0o640
    with pytest.raises(AssertionError):
        until(lambda: edge.bird.marker() != conf.marker(text), "the undo that must not come", 1.5)
    edge.bird.stop()
    edge.bird.start()
    assert edge.bird.marker() == conf.marker(text)
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "announced after the restart")


def test_bird_killed_on_trial_starts_from_what_was_confirmed(edge, neighbor):
    first = edge.confirmed(edge.generation())
    live.apply(edge.generation(second_service), 60)
    edge.bird.stop()
    edge.bird.start()
    assert edge.bird.marker() == conf.marker((first / "bird.conf").read_text())
    assert "203.0.113.0/24" not in edge.bird.prefixes()


def test_a_refused_candidate_leaves_everything_as_it_was(edge, neighbor):
    first = edge.confirmed(edge.generation())
    candidate = broken(edge.generation(second_service))
    with pytest.raises(Refused) as refused:
        live.apply(candidate, 60)
    said = str(refused.value)
    assert "|   ipv5" in said
    assert said.splitlines()[-2].endswith("^")
    assert PASSWORD not in said
    assert conf.HIDDEN in said
    assert edge.bird.marker() == conf.marker((first / "bird.conf").read_text())
    assert edge.live_routes() == {"192.0.2.0/24", "2001:db8:100::/48"}
    assert [path.name for path in edge.bird.conf.parent.iterdir() if "candidate" in path.name] == []


def test_problems_explain_the_same_without_a_daemon(edge):
    edge.bird.stop()
    [problem] = live.problems(broken(edge.generation()))
    assert "|   ipv5" in problem
    assert "^" in problem
    assert PASSWORD not in problem


def test_problems_name_missing_interfaces_and_addresses(edge):
    def elsewhere(section):
        section["neighbors"][0]["device"] = "eth7"
        section["neighbors"][1]["local"] = "2001:db8:1::7"

    problems = live.problems(edge.generation(elsewhere))
    assert problems == [
        "neighbor transit: this host has no interface eth7",
        "neighbor transit6: 2001:db8:1::7 is not an address of this host",
    ]


def test_no_problems_on_a_host_that_can(edge):
    assert live.problems(edge.generation()) == []


def test_what_runs_is_not_configured_again(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    before = edge.bird.ask("show status").text(1011)
    reconfigured = [line for line in before.splitlines() if "reconfiguration" in line]
    live.apply(generation, 60)
    live.confirm(generation)
    live.apply(generation, None)
    assert [line for line in edge.bird.ask("show status").text(1011).splitlines() if "reconf" in line] == reconfigured
    assert live.diff(generation) == []


def test_a_changed_description_restarts_no_session(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    renamed = edge.generation(describe("a new name"))
    live.apply(renamed, 60)
    live.confirm(renamed)
    assert not changed(before, since(edge.bird))


def test_an_added_announcement_restarts_no_session_and_arrives(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    live.apply(edge.generation(second_service), 60)
    until(lambda: "203.0.113.0/24" in neighbor.prefixes(), "the new service announced")
    assert not changed(before, since(edge.bird))


def test_what_is_no_longer_announced_is_withdrawn_first(edge, neighbor):
    edge.confirmed(edge.generation(second_service))
    until(lambda: {"192.0.2.0/24", "203.0.113.0/24"} <= set(neighbor.prefixes()), "announced")
    without = edge.generation()
    assert live.withdraw(without) == ["- announce 203.0.113.0/24"]
    until(lambda: "203.0.113.0/24" not in neighbor.prefixes(), "withdrawn", 3)
    assert "192.0.2.0/24" in neighbor.prefixes()
    assert live.withdraw(without) == []


def test_a_changed_table_moves_the_routes(edge, neighbor):
    edge.confirmed(edge.generation())
    moved = edge.generation(lambda section: section.update(table=4211))
    assert live.withdraw(moved) == []
    live.apply(moved, 60)
    until(lambda: edge.bird.prefixes("export peer_transit") == ["192.0.2.0/24"], "announced from the new table")
    assert live.diff(moved)[:1] != ["- announce 192.0.2.0/24 (web)"]
    assert edge.live_routes() == {"192.0.2.0/24", "2001:db8:100::/48"}


def test_the_restore_makes_the_confirmed_generation_run_again(edge, neighbor):
    first = edge.confirmed(edge.generation())
    live.apply(edge.generation(second_service), 60)
    live.apply(first, None)
    assert edge.bird.marker() == conf.marker((first / "bird.conf").read_text())
    assert edge.live_routes() == {"192.0.2.0/24", "2001:db8:100::/48"}
    assert live.diff(first) == []


def test_at_boot_before_bird_file_and_routes_are_put_in_place(edge, neighbor):
    generation = edge.generation()
    edge.bird.stop()
    live.apply(generation, None)
    assert edge.bird.conf.read_text() == (generation / "bird.conf").read_text()
    assert edge.live_routes() == {"192.0.2.0/24", "2001:db8:100::/48"}
    edge.bird.start()
    assert live.diff(generation) == []
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "announced")


def test_without_bird_and_without_systemd_a_trial_is_refused(edge):
    edge.bird.stop()
    with pytest.raises(Refused, match="BIRD does not run"):
        live.apply(edge.generation(), 60)
    assert edge.live_routes() == set()


@pytest.fixture
def systemctl(edge, program, tmp_path, monkeypatch):
    """A stand-in for systemd, which the tests' machine may lack: ``start`` starts the real BIRD. Returns its log."""
    folder, log, pid = tmp_path / "systemd", tmp_path / "systemctl.log", tmp_path / "pid"
    folder.mkdir()
    (folder / "state").write_text("running\n")
    shim = folder / "systemctl"
    shim.write_text(
        f"""#!/bin/sh
echo "$@" >> {log}
case "$1" in
  start) {program} -c {edge.bird.conf} -s {edge.bird.socket} -P {pid} ;;
  is-system-running) cat {folder}/state ;;
esac
"""
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(daemon, "has_systemd", lambda: True)
    log.touch()
    yield folder / "state", log
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_bird_that_does_not_run_is_started_and_can_still_go_back(edge, systemctl):
    edge.bird.stop()
    live.apply(edge.generation(), 1)
    assert edge.bird.marker() is not None
    until(lambda: edge.bird.marker() is None, "back to what it was started with", 5)


def test_the_restore_starts_bird_but_not_during_boot(edge, systemctl):
    state, log = systemctl
    edge.bird.stop()
    state.write_text("starting\n")
    generation = edge.generation()
    live.apply(generation, None)
    assert "start bird.service" not in log.read_text()
    state.write_text("degraded\n")
    live.apply(generation, None)
    assert edge.bird.marker() == conf.marker((generation / "bird.conf").read_text())


def test_a_named_table_is_recognised(edge, neighbor, wire):
    """iproute2 prints names from rt_tables instead of numbers unless told otherwise."""
    routes.add({(253, "198.18.0.0/15")})  # "default" in every rt_tables
    assert (253, "198.18.0.0/15") in routes.live()
    routes.remove({(253, "198.18.0.0/15")})
    assert routes.live() == set()


def test_the_diff_reads_like_the_change(edge, neighbor):
    edge.confirmed(edge.generation(second_service))
    lines = live.diff(edge.generation(describe("a new name")))
    assert lines[0] == "- announce 203.0.113.0/24 (dns)"
    assert '-  description "transit";' in lines
    assert '+  description "a new name";' in lines
    assert not any("MARKER" in line for line in lines)


def test_a_changed_password_shows_but_never_its_value(edge, neighbor):
    edge.confirmed(edge.generation())
    lines = live.diff(edge.generation(password="new secret"))
    assert '+  password "<hidden, new>";' in lines
    assert not any("new secret" in line or PASSWORD in line for line in lines)


def test_a_file_edited_by_hand_is_drift_and_mended(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    edge.bird.conf.write_text(edge.bird.conf.read_text() + "# added by hand\n")
    lines = live.diff(generation)
    assert "edited by hand" in lines[0]
    assert "-# added by hand" in lines
    live.apply(generation, 60)
    live.confirm(generation)
    assert live.diff(generation) == []


def test_a_configuration_by_somebody_else_is_drift_and_mended(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    foreign = edge.bird.conf.with_name("foreign.conf")
    foreign.write_text(INITIAL)
    edge.bird.ask(f'configure "{foreign}"')
    assert live.diff(generation) != []
    live.apply(generation, 60)
    live.confirm(generation)
    assert live.diff(generation) == []


def test_remove_gives_back_what_was_there_and_takes_only_ours(edge, neighbor, wire):
    wire.host.run("ip", "route", "add", "blackhole", "198.18.0.0/15", "table", "4210")
    wire.host.run("ip", "route", "add", "198.19.0.0/16", "dev", "eth0", "table", "4210", "proto", str(PROTOCOL))
    edge.confirmed(edge.generation())
    live.remove()
    assert edge.bird.conf.read_text() == INITIAL
    assert edge.bird.marker() is None
    assert edge.live_routes() == set()
    left = wire.host.run("ip", "route", "show", "table", "4210")
    assert "198.18.0.0/15" in left
    assert "198.19.0.0/16" in left
    until(lambda: "192.0.2.0/24" not in neighbor.prefixes(), "withdrawn")
    live.remove()


def test_remove_leaves_a_bird_alone_that_was_never_ours(edge):
    live.remove()
    assert edge.bird.answers()
    assert edge.bird.conf.read_text() == INITIAL


def test_removed_session_goes_and_added_one_comes(edge, neighbor, other):
    edge.confirmed(edge.generation())

    def swapped(section):
        section["neighbors"][1] = session(
            "other", address="198.51.100.5", local="198.51.100.4", device="eth1", asn=64700, role="peer"
        )

    live.apply(edge.generation(swapped), 60)
    until(lambda: edge.established("peer_other"), "the new session")
    assert "peer_transit6" not in "".join(line.text for line in edge.bird.ask("show protocols").lines)
