"""What a change does to sessions, told from the two configurations before either is applied."""

from __future__ import annotations

import copy

import pytest

from tidegate.bird.effects import effects
from tidegate.release.delta.sessions import REFILTERS, RESTARTS, SILENT

from .conftest import neighbor

NAME = "peer_lhr1_isp"


@pytest.fixture
def after(rendered, section):
    """A function that changes a session and says what becomes of all."""
    before = rendered()

    def make(name="lhr1-isp", **changes):
        neighbors = copy.deepcopy(section["neighbors"])
        next(one for one in neighbors if one["name"] == name).update(changes)
        return effects(before, rendered(neighbors=neighbors))

    return make


RESTARTING = {
    "address": "198.51.100.99",
    "local": "198.51.100.98",
    "device": "eth7",
    "asn": 64999,
    "password": {"secret": "bgp/lhr1-peer"},
    "hold_time": 99,
    "keepalive": 9,
    "local_role": "peer",
    "require_roles": False,
    "import_table": True,
    "passive": False,
    "ttl_security": False,
    "graceful_restart": "none",
    "stale_time": 9,
    "add_paths": "send",
    "families": ["ipv4", "ipv6"],
    "vrf": {"device": "blue", "table": 77},
}
FILTERING = {
    "learned": ["customer"],
    "default_route": False,
    "max_exported": {"limit": 5, "action": "warn"},
    "import_": {"accept": "default"},
    "export": [
        {
            "service": "web",
            "prefixes": ["192.0.2.0/24"],
            "communities": [],
            "large_communities": [],
            "prepend": 0,
            "med": None,
        }
    ],
}


@pytest.mark.parametrize("field", RESTARTING)
def test_an_option_of_the_session_restarts_it_and_no_other(after, field):
    assert field in RESTARTS
    found = after(**{field: RESTARTING[field]})
    assert found.restarted == (NAME,)
    assert found.added == found.removed == found.filtered == ()


@pytest.mark.parametrize("field", FILTERING)
def test_a_filter_or_a_bound_filters_again_and_restarts_nothing(after, field):
    assert field in REFILTERS
    found = after(**{field: FILTERING[field]})
    assert (found.restarted, found.filtered) == ((), (NAME,))


@pytest.mark.parametrize(("field", "value"), [("description", "x"), ("bfd", {"interval": 50, "multiplier": 3})])
def test_words_and_bfd_leave_a_session_alone(after, field, value):
    assert field in SILENT
    found = after(**{field: value})
    assert (found.restarted, found.filtered) == ((), ())
    assert NAME in found.untouched


def test_a_changed_set_filters_those_again_that_ask_for_it(rendered, section):
    before = rendered()
    section["sets"]["isp-asns"]["asns"] = [64702]
    found = effects(before, rendered())
    assert (found.restarted, found.filtered) == ((), (NAME,))


def test_a_changed_router_id_restarts_all(rendered):
    found = effects(rendered(), rendered(router_id="10.0.0.2"))
    assert not found.untouched
    assert not found.filtered


def test_sessions_come_and_go(rendered, section):
    more = [*section["neighbors"][1:], neighbor("new", address="198.51.100.77")]
    found = effects(rendered(), rendered(neighbors=more))
    assert (found.added, found.removed) == (("peer_new",), ("peer_lhr1_transit",))
    assert found.restarted == ()
    assert [line for line in found.lines() if "restarted" in line] == []
