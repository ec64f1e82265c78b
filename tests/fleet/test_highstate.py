"""One policy in pillar becomes what four real hosts run, by a highstate; a second one changes nothing."""

from __future__ import annotations

import json

import pytest
from scenario import EDGES, applied, changed_states, drop_line, failed_states, replace_in

STATES = ["traffic_|-this host's plan is staged", "xdp_|-xdp is as planned", "tc_|-tc is as planned"]


def test_every_edge_was_configured_and_confirmed(fleet):
    for edge in EDGES:
        status = fleet.status(edge)
        assert status["pending"] is None
        assert status["running"] == status["confirmed"]
        assert status["confirmed"]["generation"] != "initial"


def test_a_second_highstate_changes_nothing(fleet):
    returned = fleet.highstate("edge*")
    assert set(returned) == set(EDGES)
    for edge in EDGES:
        assert failed_states(returned[edge]) == {}
        assert changed_states(returned[edge]) == {}, edge


def test_the_routers_and_the_client_see_the_anycast_prefixes(fleet):
    for router, neighbors in (("transit-eu", 3), ("transit-us", 1)):
        told = json.loads(fleet.run(router, "vtysh", "-c", "show bgp ipv4 unicast 192.0.2.0/24 json"))
        ours = [path for path in told["paths"] if path["aspath"]["string"].startswith("64500")]
        assert len(ours) == neighbors
        assert all(path["community"]["string"] == "64500:100" for path in ours)
    assert "192.0.2.0/24" in fleet.run(
        "transit-us", "vtysh", "-c", "show bgp ipv4 unicast neighbors 203.0.113.4 routes"
    )
    for url in ("http://192.0.2.10/", "http://[2001:db8:100::10]/"):
        assert " in lhr1 " in fleet.run("client", "curl", "-sS", "-m", "5", url), "the nearest PoP answers"


def test_what_routers_taught_us_is_not_announced_onwards(fleet):
    for edge in EDGES:
        for session, one in fleet.call(edge, "bird.sessions").items():
            sent = fleet.run(edge, "birdc", "-r", "show", "route", "export", session)
            prefixes = {line.split()[0] for line in sent.splitlines() if "/" in line.split(" ")[0]}
            assert prefixes <= {"192.0.2.0/24", "2001:db8:100::/48"}
            assert one["imported"] > 0


def test_a_dropped_source_is_dropped_and_counted(fleet):
    before = fleet.dropped("abusers")
    assert fleet.exec(
        "client", "curl", "-sS", "-m", "2", "--interface", "203.0.113.130", "http://192.0.2.10/"
    ).returncode
    assert fleet.dropped("abusers") > before
    assert " in lhr1 " in fleet.run("client", "curl", "-sS", "-m", "5", "http://192.0.2.10/"), (
        "others still get through"
    )


def test_a_guaranteed_class_keeps_its_share_of_a_full_link(fleet):
    """20 Mbit/s: web is sure of 60 %, bulk of 10 %; together they fill the link and web has most of it."""
    rates = fleet.contend("edge1.iad1", "transit-us", {"web": "192.0.2.10", "bulk": "198.51.100.7"}, seconds=4)
    assert rates["web"] > 2 * rates["bulk"], rates
    assert rates["bulk"] > 1.0, "a guarantee holds for the lowest class too"
    assert 12 < rates["web"] + rates["bulk"] < 22, rates


def test_a_preview_shows_all_three_and_changes_nothing(fleet):
    def three_changes(pillar):
        replace_in(pillar / "traffic/routing.sls", 'communities: ["64500:100"]', 'communities: ["64500:200"]')
        replace_in(pillar / "traffic/shaping.sls", "guarantee: 60%", "guarantee: 50%")
        replace_in(pillar / "traffic/filtering.sls", "203.0.113.128/25", "203.0.113.192/26")

    before = fleet.run("edge1.lhr1", "find", "/var/lib/tidegate", "/etc/bird")
    with fleet.changed_policy(three_changes):
        returned = fleet.highstate("edge1.lhr1", "test=True")["edge1.lhr1"]
    for name in ("xdp", "tc", "bird"):
        lines = "\n".join(applied(returned, name)["changes"][name])
        assert {"xdp": "203.0.113.192/26", "tc": "web", "bird": "64500, 200"}[name] in lines
        assert applied(returned, name)["result"] is None
    assert fleet.run("edge1.lhr1", "find", "/var/lib/tidegate", "/etc/bird") == before
    assert fleet.call("edge1.lhr1", "traffic.drift") == {}


def test_a_change_of_all_three_is_applied_and_taken_back(fleet):
    def change(pillar):
        replace_in(pillar / "traffic/routing.sls", 'communities: ["64500:100"]', 'communities: ["64500:200"]')
        replace_in(pillar / "traffic/shaping.sls", "guarantee: 60%", "guarantee: 50%")
        replace_in(pillar / "traffic/filtering.sls", "203.0.113.128/25", "203.0.113.192/26")

    with fleet.changed_policy(change):
        assert failed_states(fleet.highstate("edge1.iad1")["edge1.iad1"]) == {}
        assert "64500:200" in fleet.run("transit-us", "vtysh", "-c", "show bgp ipv4 unicast 192.0.2.0/24")
    assert failed_states(fleet.highstate("edge1.iad1")["edge1.iad1"]) == {}
    seen = fleet.run("transit-us", "vtysh", "-c", "show bgp ipv4 unicast 192.0.2.0/24")
    assert "64500:100" in seen
    assert "64500:200" not in seen


def test_secrets_reach_bird_and_nothing_else(fleet):
    """A session with TCP MD5 is up, so the real value and not Salt's mask was written; no report holds it."""
    secret = "tide-lhr1-md5"
    for edge in ("edge1.lhr1", "edge2.lhr1"):
        assert secret in fleet.run(edge, "cat", "/etc/bird/bird.conf")
        assert all(one["state"] == "Established" for one in fleet.call(edge, "bird.sessions").values())

    def change(pillar):
        replace_in(pillar / "secrets/lhr1.sls", secret, "another-secret")

    with fleet.changed_policy(change):
        told = json.dumps(fleet.highstate("edge1.lhr1", "test=True"))
    assert "password" in told, "the diff says that the password changes"
    for hidden in (secret, "another-secret"):
        assert hidden not in told
    assert secret not in fleet.run("master", "salt-run", "--out=json", "jobs.list_jobs")
    assert secret not in json.dumps(fleet.call("edge1.lhr1", "traffic.plan"))
    for name in ("plan.json", "bird.json", "manifest.json"):
        assert secret not in fleet.run("edge1.lhr1", "cat", f"/var/lib/tidegate/confirmed/{name}")


def test_a_minion_that_the_fleet_does_not_list_gets_nothing_and_changes_nothing(fleet):
    def forget(pillar):
        text = (pillar / "traffic/fleet.sls").read_text()
        start = text.index("      edge1.iad1:")
        (pillar / "traffic/fleet.sls").write_text(text[:start])
        routing = pillar / "traffic/routing.sls"
        drop_line(routing, '"edge1.iad1":')
        replace_in(routing, "pop: [lhr1, iad1]", "pop: [lhr1]")
        drop_line(pillar / "traffic/shaping.sls", "pop: iad1")

    before = fleet.status("edge1.iad1")
    with fleet.changed_policy(forget):
        returned = fleet.highstate("edge1.iad1")["edge1.iad1"]
    comment = next(iter(failed_states(returned).values()))["comment"]
    assert "edge1.iad1 has no plan: pillar has no 'traffic'" in comment
    assert changed_states(returned) == {}
    assert fleet.status("edge1.iad1") == before


def test_a_host_can_be_run_without_a_master(fleet):
    """The same repository on the host itself: compile, render, apply and confirm on local health."""
    returned = fleet.without_master("edge1.iad1")
    assert failed_states(returned) == {}
    proven = next(value for key, value in returned.items() if "the change is proven" in key)
    assert "masterless: local health only" in proven["comment"]
    assert failed_states(fleet.highstate("edge1.iad1")["edge1.iad1"]) == {}


@pytest.mark.parametrize("edge", EDGES)
def test_services_are_enabled_at_boot(fleet, edge):
    for unit in ("bird", "tidegate-restore"):
        assert fleet.run(edge, "systemctl", "is-enabled", unit).strip() == "enabled"


POLICED = """
    - match: {pop: iad1}
      interface: uplink
      direction: in
      method: police
      rate: 20mbit
      classes:
        web: {priority: 1, guarantee: 50%, match: [{protocol: tcp, destination_port: 80}]}
        rest: {priority: 3, guarantee: 50%, default: true}
"""


def test_what_comes_in_is_policed_and_let_go_again(fleet):
    """The way a host is reached stays open while a flood of its default class is held to the interface's rate."""
    edge = "edge1.iad1"

    def policed(pillar):
        path = pillar / "traffic/shaping.sls"
        path.write_text(path.read_text().rstrip() + POLICED)

    with fleet.changed_policy(policed):
        assert failed_states(fleet.highstate(edge)[edge]) == {}
        fleet.run(edge, "iperf3", "--server", "--one-off", "--daemon", "--port", "5300")
        address = json.loads(fleet.run(edge, "ip", "-j", "-4", "addr", "show", "eth0"))[0]["addr_info"][0]["local"]
        flood = ["iperf3", "--json", "--udp", "--bitrate", "60M", "--time", "3", "--client", address, "--port", "5300"]
        told = json.loads(fleet.run("transit-us", *flood))["end"]["sum"]
        counted = fleet.call(edge, "tc.counters")["eth0 in"]
        assert counted["rest"]["drops"] > 0
        assert 15 < counted["rest"]["bytes"] * 8 / told["seconds"] / 1e6 < 25, counted
        assert fleet.answers(edge)
        assert fleet.verify(edge, part="tc") == 0
        assert changed_states(fleet.highstate(edge)[edge]) == {}
    assert failed_states(fleet.highstate(edge)[edge]) == {}
    assert set(fleet.call(edge, "tc.counters")) == {"eth0"}
    assert fleet.run(edge, "tc", "filter", "show", "dev", "eth0", "ingress") == ""
