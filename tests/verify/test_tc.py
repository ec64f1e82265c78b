"""The HTB tree of every shaped interface is the planned one, and what is policed is."""

from __future__ import annotations

import re

import pytest

_UNITS = {"bit": 1, "Kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9, "Tbit": 10**12}
_CLASS = re.compile(
    r"class htb (?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+) (?:parent [0-9a-f]+:[0-9a-f]+|root)(?: leaf \S+)?"
    r"(?: prio (?P<prio>\d+))? rate (?P<rate>\d+)(?P<rate_unit>\w+) ceil (?P<ceil>\d+)(?P<ceil_unit>\w+)"
)


@pytest.fixture
def interfaces(plan):
    shaped = [interface for interface in plan["tc"]["interfaces"] if "policed" not in interface]
    if not shaped:
        pytest.skip("the policy shapes no interface of this host")
    return shaped


def classes(host, device):
    """Classes of the plan by minor, whose queue it is: priority, guarantee, ceiling as ``tc`` prints them."""
    text = host.run(f"tc class show dev {device}").stdout
    found = {int(m["minor"], 16): m for m in _CLASS.finditer(text)}
    return {
        minor: (int(m["prio"] or 0), bits(m["rate"], m["rate_unit"]), bits(m["ceil"], m["ceil_unit"]))
        for minor, m in found.items()
        if minor != 1
    }


def test_every_class_stands_in_its_queue(host, interfaces):
    for interface in interfaces:
        text = host.run(f"tc class show dev {interface['device']}").stdout
        found = {int(m["minor"], 16): int(m["major"], 16) for m in _CLASS.finditer(text)}
        for each in interface["classes"]:
            if "queue" in each or "queues" not in interface:
                assert found[each["minor"]] == 0x1DE + each.get("queue", 1) - 1, each["name"]


def bits(number, unit):
    return int(number) * _UNITS[unit]


def test_exactly_the_planned_classes_are_there(host, interfaces):
    for interface in interfaces:
        assert set(classes(host, interface["device"])) == {each["minor"] for each in interface["classes"]}


def test_every_class_has_its_priority_guarantee_and_ceiling(host, interfaces):
    for interface in interfaces:
        live = classes(host, interface["device"])
        for each in interface["classes"]:
            priority, guarantee, ceiling = live[each["minor"]]
            if not each.get("inner"):  # HTB keeps none for a class that has classes
                assert priority == each["priority"], each["name"]
            # tc prints three to four digits of a rate.
            assert guarantee == pytest.approx(each["guarantee"], rel=0.01), each["name"]
            assert ceiling == pytest.approx(each["ceiling"], rel=0.01), each["name"]


def test_the_classifier_runs_the_planned_generation(interfaces, checks):
    about = [check for name, check in checks.items() if name.startswith("tc.")]
    assert about, "the host has no tc checks"
    assert [check for check in about if check["status"] != "ok"] == []


def test_what_comes_in_is_policed_where_it_should_be(host, plan, checks):
    policed = [interface for interface in plan["tc"]["interfaces"] if "policed" in interface]
    if not policed:
        pytest.skip("the policy polices no interface of this host")
    for interface in policed:
        device = interface["device"]
        assert "tidegate_police" in host.run(f"tc filter show dev {device} ingress").stdout
        assert checks[f"tc.{device}.policer"]["status"] == "ok"
        assert {f"tc.{device}.policer.{each['name']}" for each in interface["classes"]} <= set(checks)
