"""Which edits restart a BGP session: the delta's word for it, held against every supported BIRD."""

from __future__ import annotations

import time
from typing import get_type_hints

import pytest

from tidegate.bird import live
from tidegate.bird.section import Neighbor
from tidegate.release.delta.sessions import REFILTERS, RESTARTS, ROUTER_RESTARTS, SILENT

from .conftest import changed, export, since, until

EDITS = {
    "address": "198.51.100.99",
    "local": "198.51.100.200",
    "device": "lo",
    "family": "ipv6",
    "asn": 64777,
    "password": None,
    "hold_time": 12,
    "keepalive": 2,
    "import_": {"accept": "default", "max_prefix": {"limit": 7, "action": "warn"}, "local_pref": 90},
    "export": [export("192.0.2.0/24", communities=["64500:200"], prepend=1, med=7)],
    "role": "peer",
    "link": "198.51.100.0/24",
    "learned": ["customer"],
    "actions": [{"community": "64500:3001", "refuse": True}],
    "default_route": True,
    "max_exported": {"limit": 7, "action": "warn"},
    "local_role": "customer",
    "require_roles": True,
    "import_table": True,
    "passive": True,
    "ttl_security": True,
    "graceful_restart": "full",
    "stale_time": 60,
    "bfd": {"interval": 300, "multiplier": 3},
    "multihop": 3,
    "vrf": {"device": "lo", "table": 77},
    "reflected": True,
    "families": ["ipv4", "ipv6"],
    "extended_next_hop": True,
    "add_paths": "both",
    "description": "another",
    "name": "transit of another name",
}
"""One edit of each field of a session, all else unchanged."""

ALONG = {
    "default_route": {"role": "customer"},
    "actions": {"learned": ["customer"]},
    "require_roles": {"local_role": "customer"},
    "multihop": {"device": None},
    "reflected": {"role": "ibgp", "asn": 64500},
}
"""What BIRD or we would not take the edit without."""

KEYS = frozenset({"keys"})
"""TCP-AO needs a kernel that has it (6.7, CONFIG_TCP_AO): taken for a restart, unproven where it has not."""

PATIENCE = 15
"""Seconds: a session that is held up somewhere restarts later on a busy machine, never not at all."""

ROUTER_EDITS = {"router_id": "10.0.0.77", "asn": 64501}


def edited(field, value):
    def change(section):
        section["neighbors"][0] |= {field: value, **ALONG.get(field, {})}

    return change


def test_every_field_of_a_session_is_known(edge):
    fields = set(get_type_hints(Neighbor)) - {"protocol"}
    assert fields - KEYS == set(EDITS) == (RESTARTS | REFILTERS | SILENT) - KEYS
    assert set(ROUTER_EDITS) == ROUTER_RESTARTS


@pytest.mark.parametrize("field", sorted((RESTARTS - KEYS) | ROUTER_RESTARTS))
def test_a_restart_is_a_restart(edge, neighbor, field):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    if field in ROUTER_EDITS and field != "asn":
        live.apply(edge.generation(lambda section: section.update({field: ROUTER_EDITS[field]})), 60)
    else:
        live.apply(edge.generation(edited(field, EDITS[field])), 60)
    until(lambda: changed(before, since(edge.bird)), f"the session restarts with another {field}", PATIENCE)


def test_a_session_outlives_a_change_of_filters_and_words(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    for field in sorted(REFILTERS | SILENT):
        live.apply(edge.generation(edited(field, EDITS[field])), 60)
        time.sleep(0.7)
        assert not changed(before, since(edge.bird)), field


def test_our_own_as_number_restarts_a_session(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    live.apply(edge.generation(lambda section: section.update(asn=64501)), 60)
    until(lambda: changed(before, since(edge.bird)), "the session restarts", PATIENCE)


def test_a_session_under_another_name_is_another_session(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(neighbor, "edge4")
    live.apply(edge.generation(edited("protocol", "peer_renamed")), 60)
    until(lambda: changed(before, since(neighbor, "edge4")), "the neighbor sees a restart", PATIENCE)


def test_a_neighbor_that_is_further_away_now_is_a_restart(edge, neighbor):
    edge.confirmed(edge.generation())
    before = since(edge.bird)
    live.apply(edge.generation(edited("device", None)), 60)
    until(lambda: changed(before, since(edge.bird)), "the session restarts", PATIENCE)
