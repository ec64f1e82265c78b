"""XDP is attached where it is planned, in the planned mode, with the planned generation."""

from __future__ import annotations

import json

import pytest

_MODES = {"native": 1, "generic": 2}


@pytest.fixture
def interfaces(plan):
    if not plan["xdp"]["interfaces"]:
        pytest.skip("the policy filters no interface of this host")
    return plan["xdp"]["interfaces"]


def test_a_program_is_attached_in_the_planned_mode(host, interfaces):
    for interface in interfaces:
        link = json.loads(host.run(f"ip -j -d link show dev {interface['device']}").stdout)[0]
        assert link.get("xdp", {}).get("mode") == _MODES[interface["mode"]], interface["device"]


def test_it_runs_the_planned_generation(interfaces, checks):
    about = [check for name, check in checks.items() if name.startswith("xdp.")]
    assert about, "the host has no xdp checks"
    assert [check for check in about if check["status"] != "ok"] == []
