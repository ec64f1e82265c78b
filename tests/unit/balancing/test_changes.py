"""What a change of balancing looks like in words."""

import pytest
from planned import backend, section, served, service

from tidegate.balancing.changes import changes, summaries

SERVERS = [backend("server1", 1), backend("server2", 2)]


def balancing(*backends, **changed):
    return section(service(backends=list(backends) or SERVERS, **changed))


def test_nothing_changed():
    assert changes(balancing(), balancing()) == changes(None, None) == []


def test_a_service_that_comes_and_goes():
    front = "web: 192.0.2.10 tcp/80 over 2 backends"
    there = "server1 (10.9.0.1, weight 100), server2 (10.9.0.2, weight 100)"
    assert changes(None, balancing()) == [f"+ balance {front} by gue: {there}"]
    assert changes(balancing(), None) == changes(balancing(), section()) == [f"- balance {front}"]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (balancing(*SERVERS, backend("server3", 3)), "+server3 (10.9.0.3, weight 100)"),
        (balancing(SERVERS[0]), "-server2"),
        (balancing(SERVERS[0], backend("server2", 2, weight=7)), "server2 weight 100 → 7"),
        (balancing(SERVERS[0], backend("server2", 9)), "server2 10.9.0.2 → 10.9.0.9"),
        (balancing(SERVERS[0], backend("server2", 2, draining=True)), "server2 drains"),
        (balancing(encapsulation="ipip"), "by gue → ipip"),
        (balancing(affinity="source"), "affinity flow → source"),
        (balancing(mtu=1400), "mtu the route's → 1400"),
        (balancing(min_percent=50), "min_capacity 1% → 50%"),
        (balancing(ports=[[6, 443]]), "192.0.2.10 tcp/80 → 192.0.2.10 tcp/443"),
        (balancing(check={"port": 80}), "check of backends begins"),
    ],
)
def test_a_service_that_changes(after, words):
    assert changes(balancing(), after) == [f"~ balance web: {words}"]


def test_what_changes_at_once_is_one_line():
    after = balancing(backend("server1", 1, draining=True), encapsulation="ipip")
    assert changes(balancing(), after) == ["~ balance web: by gue → ipip; -server2; server1 drains"]


def test_what_a_server_answers_for():
    assert changes(None, section(served=[served()])) == ["+ answer for web: 192.0.2.10 tcp/80 at 10.9.0.1"]
    moved = section(served=[served(address="10.9.0.2")])
    words = "192.0.2.10 tcp/80 at 10.9.0.1 → 192.0.2.10 tcp/80 at 10.9.0.2"
    assert changes(section(served=[served()]), moved) == [f"~ answer for web: {words}"]
    assert changes(moved, None) == ["- answer for web: 192.0.2.10 tcp/80"]


def test_in_short_for_a_review_of_many_hosts():
    fewer = balancing(SERVERS[0])
    assert list(summaries(balancing(), fewer)) == [
        ("web", "2 backends of weight 200", "1 backend of weight 100 (-server2)")
    ]
    assert list(summaries(None, fewer)) == [("web", "none", "1 backend of weight 100")]
    assert list(summaries(fewer, section())) == [("web", "1 backend of weight 100", "none")]
    assert list(summaries(fewer, fewer)) == []


def test_where_wrapped_packets_come_from():
    assert changes(section(), section(ipv4="172.16.0.0/16")) == ["~ outer source ipv4: the host → 172.16.0.0/16"]
