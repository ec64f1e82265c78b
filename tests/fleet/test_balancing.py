"""A VIP in London, its servers in London and Amsterdam: HTTP that one edge wraps and two others answer directly."""

from __future__ import annotations

import time

import pytest
from scenario import failed_states, replace_in

from lab import requests

BALANCER, NEAR, FAR = "edge1.lhr1", "edge2.lhr1", "edge1.ams1"
VIP = "198.18.10.80"
ROUTING, BALANCING = "traffic/routing.sls", "traffic/balancing.sls"
SERVICE = """\
    services:
      shop: {prefixes: [198.18.10.0/24]}
"""
ANNOUNCEMENT = f"""\
    announcements:
      - {{service: shop, match: {{host: {BALANCER}}}, to: {{role: provider}}}}
"""
POOL = f"""\
traffic:
  balancing:
    services:
      shop:
        vips: [{VIP}]
        ports: [tcp/80]
        pool:
          match: {{host: [{NEAR}, {FAR}]}}
          scope: region
          check: {{port: 8080, http: /health, interval: 1s, rise: 2, fall: 2}}
"""


def shop(pillar):
    """A service of its own, announced by one host and served by two others.

    That one runs XDP in generic mode: what a native program sends back over a veth arrives only where the other end has
    a program too, and a router's has none.
    """
    old = "addresses: [198.51.100.1/31"
    replace_in(pillar / "traffic/fleet.sls", old, f"xdp: generic\n            {old}")
    replace_in(pillar / ROUTING, "    services:", SERVICE.rstrip())
    replace_in(pillar / ROUTING, "    announcements:\n", ANNOUNCEMENT)
    (pillar / BALANCING).write_text(POOL)


def without_far(pillar):
    """Amsterdam's server gets no new connections."""
    (pillar / BALANCING).write_text(POOL + f"          drain: {FAR}\n")


def applied(fleet):
    """A highstate of every edge that succeeds."""
    for host, states in fleet.highstate("edge*").items():
        assert failed_states(states) == {}, host


@pytest.fixture(scope="module")
def balanced(fleet):
    """The VIP is balanced; afterwards nothing of it is left."""
    for host in (BALANCER, NEAR, FAR):
        fleet.run(host, "sysctl", "-qw", "net.ipv4.conf.eth0.forwarding=1")
    with fleet.changed_policy(shop):
        applied(fleet)
        yield fleet
    applied(fleet)
    for host in (BALANCER, NEAR, FAR):
        fleet.run(host, "sysctl", "-qw", "net.ipv4.conf.eth0.forwarding=0")


def asked(fleet, seconds=5.0):
    """What becomes of the client's requests to the VIP in so many seconds."""
    requests.start(fleet.exec, (f"{VIP}/32",))
    time.sleep(seconds)
    return requests.stop(fleet.exec)


def all_answered_by(fleet, *hosts):
    """Whether these, and no others, answer every request of a few seconds."""
    found = asked(fleet, 3)
    return set(found.answered) == set(hosts) and not found.lost


def test_servers_in_two_pops_answer(balanced):
    balanced.until(lambda: all_answered_by(balanced, NEAR, FAR))


def test_a_server_that_is_sick_gets_nothing_until_it_is_well(balanced):
    balanced.run(FAR, "systemctl", "stop", "lab-origin")
    try:
        balanced.until(lambda: all_answered_by(balanced, NEAR))
    finally:
        balanced.run(FAR, "systemctl", "start", "lab-origin")
    balanced.until(lambda: all_answered_by(balanced, NEAR, FAR))


def test_a_server_is_drained_and_no_request_lost(balanced):
    requests.start(balanced.exec, (f"{VIP}/32",))
    with balanced.changed_policy(without_far):
        applied(balanced)
        during = requests.stop(balanced.exec)
        assert all_answered_by(balanced, NEAR)
    assert set(during.answered) == {NEAR, FAR}
    assert during.lost == 0, during
