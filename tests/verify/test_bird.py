"""BIRD runs exactly the planned sessions and announces exactly the planned prefixes."""

from __future__ import annotations

import ipaddress
import re

import pytest


@pytest.fixture
def bird(plan):
    if plan["bird"] is None:
        pytest.skip("the policy has no routing section: BIRD is not managed on this host")
    return plan["bird"]


def birdc(host, command):
    done = host.run(f"birdc -r {command}")
    assert done.rc == 0, done.stdout + done.stderr
    return done.stdout


def sessions(host):
    """Name to state of every BGP protocol that BIRD has."""
    table = re.findall(r"^(\S+)\s+BGP\s+\S+\s+\S+\s+\S+(?: \S+)?\s*(\S*)", birdc(host, "show protocols"), re.MULTILINE)
    return dict(table)


def exported(host, protocol):
    """Prefixes that BIRD sends to a session."""
    text = birdc(host, f"show route export {protocol} all")
    return set(re.findall(r"^(\S+/\d+)", text, re.MULTILINE))


def test_bird_runs_and_starts_at_boot(host, bird):
    service = host.service("bird")
    assert service.is_running
    assert service.is_enabled


def test_exactly_the_planned_sessions_are_there(host, bird):
    assert set(sessions(host)) == {neighbor["protocol"] for neighbor in bird["neighbors"]}


def test_every_session_is_established(host, bird):
    found = sessions(host)
    down = [n["name"] for n in bird["neighbors"] if found.get(n["protocol"]) != "Established"]
    assert down == []


def test_exactly_the_planned_prefixes_are_announced(host, bird):
    for neighbor in bird["neighbors"]:
        planned = {prefix for export in neighbor["export"] for prefix in export["prefixes"]}
        assert exported(host, neighbor["protocol"]) == planned, neighbor["name"]


def test_exactly_the_planned_services_are_in_the_services_table(host, bird):
    for family, flag in (("ipv4", "-4"), ("ipv6", "-6")):
        planned = {str(ipaddress.ip_network(p)) for service in bird["services"] for p in service[family]}
        routes = host.run(f"ip {flag} route show table {bird['table']} type blackhole").stdout
        assert set(re.findall(r"blackhole (\S+)", routes)) == planned


def test_the_checker_runs_where_a_service_has_checks(host, bird):
    if not any("health" in service for service in bird["services"]):
        pytest.skip("no service of this host has checks")
    service = host.service("tidegate-health")
    assert service.is_running
    assert service.is_enabled
