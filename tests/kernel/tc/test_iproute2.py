"""The same trees through Debian 12's iproute2, which prints classes as text, and Debian 13's, which prints JSON."""

import json
import os
from pathlib import Path

import pytest

from tests.unit.tc.section import BULK, CONTROL, EDGE, WEB, matcher, shaped, traffic_class
from tidegate.tc import command, health, ifb, live

MBIT = 1_000_000
ROOTS = Path(os.environ.get("TIDEGATE_CACHE", Path.home() / ".cache" / "tidegate")) / "bird"
VERSIONS = {"6.1": "2.0", "6.15": "2.17"}
"""iproute2 → the BIRD of the same Debian, with which script/fetch-birds unpacks it."""
INNER = {**traffic_class("inner", 0x40, 2, 20 * MBIT, 100 * MBIT, matcher(source=["192.0.2.0/24"])), "inner": True}
VOICE = {**traffic_class("inner/voice", 0x41, 0, MBIT, 50 * MBIT, matcher(dscp=[46])), "parent": 0x40}
REST = {**traffic_class("inner/rest", 0x42, 3, MBIT, 100 * MBIT), "parent": 0x40}
QUEUED = {**BULK, "leaf": {"kind": "pfifo", "limit": 77}}
NESTED = shaped(CONTROL, {**INNER, "fallback": 0x42}, VOICE, REST, QUEUED)
INWARD = {**shaped(WEB, BULK, device="tgi-eth0"), "name": "uplink in", "ingress": "eth0"}
POLICED = {**shaped(WEB, BULK), "name": "uplink in", "ingress": "eth0", "policed": True}


@pytest.fixture(params=VERSIONS)
def iproute2(request, host, monkeypatch):
    """Its version; ``tc`` and ``ip`` of it are what the code finds."""
    place = ROOTS / VERSIONS[request.param] / "iproute2"
    if not (place / "tc").exists():
        pytest.skip(f"iproute2 {request.param} is not fetched: run script/fetch-birds")
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    assert f"iproute2-{request.param}." in command.show("-V")
    return request.param


def test_the_two_differ_in_what_they_print(iproute2, generation):
    live.apply(generation(EDGE), None)

    said = command.show("-j", "-s", "-d", "class", "show", "dev", "eth0")

    assert said.lstrip().startswith("[") == (iproute2 == "6.15")
    if iproute2 == "6.15":
        assert len(json.loads(said)) == 4


@pytest.mark.parametrize("interface", [EDGE, NESTED, INWARD, POLICED], ids=["flat", "nested", "ifb", "policed"])
def test_what_is_applied_reads_back_as_planned_and_goes_without_a_trace(iproute2, host, generation, interface):
    if "ingress" in interface and "policed" not in interface and (refusal := ifb.lacking()):
        pytest.skip(f"this kernel cannot shape what comes in: {refusal}")
    before = host.tc("qdisc show")
    made = generation(interface)
    assert live.problems(made) == []
    live.apply(made, None)

    assert live.diff(made) == []
    assert {check.status for check in health.checks(made, {})} == {"ok"}
    assert all(figures for figures in live.counters(made).values())
    live.remove()
    assert host.tc("qdisc show") == before


def test_a_changed_rate_is_one_change(iproute2, generation):
    live.apply(generation(NESTED), None)
    changed = generation(shaped(CONTROL, {**INNER, "fallback": 0x42}, VOICE, {**REST, "guarantee": 2 * MBIT}, QUEUED))

    (told,) = live.diff(changed)
    assert "class inner/rest guarantee 1mbit → 2mbit" in told
    live.apply(changed, None)
    assert live.diff(changed) == []


def test_what_a_hand_changed_is_seen_and_mended(iproute2, host, generation):
    made = generation(NESTED)
    live.apply(made, None)
    host.tc("class change dev eth0 parent 1de:40 classid 1de:41 htb rate 3mbit ceil 50mbit prio 0")
    host.tc("qdisc change dev eth0 parent 1de:fffe handle fffe: pfifo limit 5")

    told = live.diff(made)
    live.apply(made, None)

    assert any("inner/voice guarantee 3mbit → 1mbit" in line for line in told)
    assert any("bulk queue" in line and "77" in line for line in told)
    assert live.diff(made) == []


def test_another_root_is_named_and_left(iproute2, host, generation):
    host.tc("qdisc add dev eth0 root handle 7: pfifo")

    assert live.problems(generation(EDGE)) == [
        "eth0 has a root qdisc of somebody else (pfifo 7:), which is left as it is"
    ]
