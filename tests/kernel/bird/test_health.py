"""Health as it is read from a real BIRD: ok only when it is, and never better than it was by mistake."""

from __future__ import annotations

from tidegate.bird import health, live, routes
from tidegate.host.check import worst

from .conftest import INITIAL, session, until


def by_name(generation, before):
    return {check.name: check for check in health.checks(generation, before)}


def unreachable(section):
    section["neighbors"].append(
        session("nobody", address="198.51.100.9", local="198.51.100.2", device="eth0", asn=64999)
    )


def test_as_planned_is_ok_with_figures(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    until(lambda: worst(health.checks(generation, {})) == "ok", "healthy")
    checks = by_name(generation, {})
    assert checks["bird.session.transit"].figure == 2
    assert checks["bird.announced.transit"].figure == 1
    assert checks["bird.service.web"].figure == 2
    assert checks["bird.sessions"].figure == 2


def test_a_dead_daemon_is_bad(edge):
    generation = edge.generation()
    edge.bird.stop()
    assert health.baseline() == {}
    assert [(check.name, check.status) for check in health.checks(generation, {})] == [("bird.daemon", "bad")]


def test_another_configuration_is_bad(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    other = edge.generation(lambda section: section["neighbors"][0].update(description="another"))
    assert by_name(other, {})["bird.configuration"].status == "bad"
    assert by_name(generation, {})["bird.configuration"].status == "ok"


def test_a_session_that_goes_down_with_the_change_is_bad(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    before = health.baseline()
    neighbor.stop()
    check = until(
        lambda: (found := by_name(generation, before)["bird.session.transit"]).status == "bad" and found, "noticed"
    )
    assert "was Established before" in check.reason


def test_a_session_that_was_down_before_does_not_block_the_next_change(edge, neighbor):
    edge.confirmed(edge.generation(unreachable))
    before = health.baseline()
    changed = edge.generation(lambda section: (unreachable(section), section["neighbors"][0].update(description="x")))
    live.apply(changed, 60)
    until(lambda: worst(health.checks(changed, before)) == "ok", "healthy")
    check = by_name(changed, before)["bird.session.nobody"]
    assert (check.status, check.figure) == ("ok", 0)
    assert "down before" in check.reason
    assert by_name(changed, {})["bird.session.nobody"].status == "bad"


def test_a_session_to_a_new_address_must_come_up(edge, neighbor):
    edge.confirmed(edge.generation(unreachable))
    before = health.baseline()

    def moved(section):
        unreachable(section)
        section["neighbors"][-1]["address"] = "198.51.100.11"

    changed = edge.generation(moved)
    live.apply(changed, 60)
    assert by_name(changed, before)["bird.session.nobody"].status == "bad"


def test_a_missing_service_route_is_bad_and_so_is_its_announcement(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    until(lambda: worst(health.checks(generation, {})) == "ok", "healthy")
    routes.remove({(4210, "192.0.2.0/24")})
    until(lambda: by_name(generation, {})["bird.announced.transit"].status == "bad", "noticed")
    check = by_name(generation, {})["bird.service.web"]
    assert (check.status, check.figure) == ("bad", 1)
    assert "192.0.2.0/24" in check.reason


def test_a_neighbor_that_teaches_nothing_any_more_is_bad(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    until(lambda: edge.bird.session("peer_transit").imported == 2, "learned")
    before = health.baseline()
    neighbor.ask("disable static1")
    until(lambda: by_name(generation, before)["bird.session.transit"].status == "bad", "noticed")
    assert "learned 2 before" in by_name(generation, before)["bird.session.transit"].reason


def test_sessions_that_nobody_planned_are_bad(edge, neighbor):
    edge.confirmed(edge.generation(unreachable))
    planned = edge.generation()
    assert "peer_nobody" in by_name(planned, {})["bird.sessions"].reason


def test_a_bird_without_our_configuration_has_no_session(edge):
    assert edge.bird.conf.read_text() == INITIAL
    checks = by_name(edge.generation(), {})
    assert checks["bird.sessions"].status == "bad"
    assert checks["bird.session.transit"].reason == "BIRD has no such session"
