"""What a change of rules looks like in words."""

from __future__ import annotations

import pytest

from tidegate.xdp.changes import changes, describe

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))


def rule(name="r", action="drop", devices=("eth0",), **conditions):
    return {"name": name, "action": action, "devices": list(devices), **ANY, **conditions}


def desired(*rules, neighbors=()):
    return {"marker": "0" * 16, "interfaces": [], "rules": list(rules), "management": {"neighbors": list(neighbors)}}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (rule(), "drop everything on eth0"),
        (rule(devices=()), "drop everything on no interface"),
        (rule(action="allow", protocol=6, devices=("eth0", "eth1")), "allow tcp on eth0, eth1"),
        (rule(protocol=132), "drop protocol 132 on eth0"),
        (rule(source=["10.0.0.0/8"]), "drop from 10.0.0.0/8 on eth0"),
        (rule(source=["10.0.0.0/8", "::/0"], destination_port=[[22, 22]]), "drop from 2 prefixes to port 22 on eth0"),
        (rule(destination=[], source_port=[[1, 9], [53, 53]]), "drop from port 1-9, 53 to 0 prefixes on eth0"),
        (rule(dscp=[46, 48]), "drop with DSCP 46, 48 on eth0"),
        (rule(source_port=[]), "drop from port none on eth0"),
    ],
)
def test_a_rule_in_words(one, words):
    assert describe(one) == words


def test_nothing_changed():
    assert changes(desired(rule()), desired(rule())) == []


def test_from_nothing():
    assert changes(None, desired(rule("a"), neighbors=["192.0.2.1"])) == [
        "+ rule a: drop everything on eth0",
        "+ management: BGP with 192.0.2.1",
    ]


def test_the_content_of_a_set():
    old, new = rule(source=["10.0.0.0/8", "11.0.0.0/8"]), rule(source=["10.0.0.0/8", "12.0.0.0/8"])
    assert changes(desired(old), desired(new)) == ["~ rule r: drop from 2 prefixes on eth0; +12.0.0.0/8 -11.0.0.0/8"]


def test_many_prefixes_are_counted_and_not_listed():
    old = rule(source=[f"10.{number}.0.0/16" for number in range(9)])
    new = rule(source=[f"11.{number}.0.0/16" for number in range(9)])
    assert changes(desired(old), desired(new)) == ["~ rule r: drop from 9 prefixes on eth0; 9 prefixes come, 9 go"]


def test_only_the_order():
    a, b, c = (rule(name, protocol=number) for number, name in enumerate("abc"))
    assert changes(desired(a, b, c), desired(c, a, b)) == ["~ order of rules: c, a, b"]


def test_matchers_of_one_rule_are_one_line():
    both = [
        rule("bgp", "allow", protocol=6, source_port=[[179, 179]]),
        rule("bgp", "allow", protocol=6, destination_port=[[179, 179]]),
    ]
    assert changes(None, desired(*both)) == [
        "+ rule bgp: allow tcp from port 179 on eth0; or allow tcp to port 179 on eth0"
    ]
