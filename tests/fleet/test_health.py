"""A service that is sick on one host: gone at its router, no drift, no obstacle, and never back before it is well."""

from __future__ import annotations

import json

import pytest
from scenario import changed_states, failed_states, proven, replace_in

HOST, ROUTER, V4 = "edge1.lhr1", "transit-eu", "192.0.2.0/24"
ROUTING = "traffic/routing.sls"


def next_hops(fleet):
    """The edges over which the router knows the service."""
    told = json.loads(fleet.run(ROUTER, "vtysh", "-c", f"show bgp ipv4 unicast {V4} json"))
    return {hop["ip"] for path in told.get("paths", []) for hop in path["nexthops"]}


def own_address(fleet):
    """HOST's address on its link to the router."""
    text = fleet.run(HOST, "ip", "-4", "-br", "address", "show", "dev", "eth0")
    return text.split()[2].partition("/")[0]


def is_active(fleet):
    return fleet.exec(HOST, "systemctl", "is-active", "tidegate-health").stdout.strip() == "active"


def has_sessions(fleet):
    return "Established" in fleet.exec(HOST, "birdc", "show", "protocols").stdout


def service(fleet):
    return fleet.call(HOST, "traffic.services")["web"]


@pytest.fixture
def sick(fleet):
    """HOST's origin is down and the service withdrawn; well again afterwards."""
    address = own_address(fleet)
    fleet.until(lambda: address in next_hops(fleet))
    fleet.run(HOST, "systemctl", "stop", "lab-origin")
    try:
        fleet.until(lambda: address not in next_hops(fleet), timeout=10)
        yield address
    finally:
        fleet.run(HOST, "systemctl", "start", "lab-origin")
        fleet.until(lambda: address in next_hops(fleet), timeout=40)


def test_it_is_neither_drift_nor_changed_by_a_highstate(fleet, sick):
    assert service(fleet)["state"] == "down"
    assert fleet.call(HOST, "traffic.drift") == {}
    bad = [check["name"] for check in fleet.call(HOST, "traffic.health")["checks"] if check["status"] != "ok"]
    assert bad == ["bird.service.web"]
    returned = fleet.highstate(HOST)[HOST]
    assert failed_states(returned) == {}
    assert changed_states(returned) == {}
    assert sick not in next_hops(fleet)


def test_a_restart_of_bird_does_not_announce_it(fleet, sick):
    fleet.run(HOST, "systemctl", "restart", "bird")
    fleet.until(lambda: has_sessions(fleet), timeout=40)
    assert sick not in next_hops(fleet)


def test_a_loss_of_power_does_not_announce_it(fleet, sick):
    fleet.run(HOST, "systemctl", "disable", "lab-origin")
    try:
        fleet.kill(HOST)
        fleet.start(HOST)
        fleet.until(lambda: is_active(fleet), timeout=60)
        fleet.until(lambda: has_sessions(fleet), timeout=60)
        assert sick not in next_hops(fleet)
    finally:
        fleet.run(HOST, "systemctl", "enable", "lab-origin")
        fleet.until(lambda: fleet.answers(HOST), timeout=60)


def test_a_killed_checker_is_back_and_nothing_moves(fleet):
    address = own_address(fleet)
    before = fleet.run(HOST, "systemctl", "show", "tidegate-health", "-p", "MainPID")
    fleet.run(HOST, "systemctl", "kill", "--signal=KILL", "tidegate-health")
    fleet.until(lambda: fleet.run(HOST, "systemctl", "show", "tidegate-health", "-p", "MainPID") != before)
    fleet.until(lambda: is_active(fleet), timeout=15)
    assert address in next_hops(fleet)
    assert fleet.run(HOST, "systemctl", "show", "tidegate-health-lost.timer", "-p", "ActiveState") == (
        "ActiveState=inactive\n"
    )


def test_a_change_with_a_wrong_check_is_undone(fleet):
    def wrong(pillar):
        replace_in(pillar / ROUTING, "8080/health", "8081/health")

    with fleet.changed_policy(wrong):
        returned = fleet.highstate(HOST, pillar={"tidegate": {"wait": 10, "settle": 2}})[HOST]
    assert proven(returned)["result"] is False
    assert "bird.service.web is bad" in proven(returned)["comment"]
    fleet.until(lambda: own_address(fleet) in next_hops(fleet), timeout=20)
    fleet.run(HOST, "rm", "-f", "/var/lib/tidegate/reverted.json")
