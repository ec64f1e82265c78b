"""Sessions that a policy does not write one by one: templates, meshes; and their options as a plan has them."""

from __future__ import annotations

import pytest
from example import GONE, GOOD, changed, errors

from tidegate.bird.compile import protocol_name
from tidegate.policy.load import examine
from tidegate.policy.plans import compile_fleet

V4 = "routing/neighbors/lhr1-v4"
LOOPBACKS = {
    f"fleet/hosts/{host}/interfaces/loop": {
        "device": "lo",
        "addresses": [f"10.255.0.{number}/32", f"2001:db8:255::{number}/128"],
    }
    for number, host in enumerate(("edge1.lhr1", "edge1.ams1", "edge1.iad1", "edge2.lhr1"), 1)
}
MESH = {"match": "all", "within": "fleet", "source": "loop"}


def plans(*changes):
    loaded = examine(changed(*changes))
    assert loaded.problems == []
    return compile_fleet(loaded.policy)


def sessions(plan):
    return {neighbor["name"]: neighbor for neighbor in plan.bird["neighbors"]}


def around(*changes):
    """Host → names of its sessions of the mesh."""
    found = plans(*LOOPBACKS.items(), *changes)
    return {host: {name for name in sessions(plan) if name.startswith("core-")} for host, plan in found.items()}


# ---- Templates -------------------------------------------------------------------------------------------------


def templated(template, *changes):
    neighbor = {key: value for key, value in GOOD["routing"]["neighbors"]["lhr1-v4"].items() if key not in template}
    return [("routing/templates", {"t": template}), (V4, neighbor | {"template": "t"}), *changes]


def test_a_neighbor_has_what_its_template_says():
    changes = templated({"asn": 64601, "role": "provider", "hold_time": 30, "bfd": {"interval": 100}})
    session = sessions(plans(*changes)["edge1.lhr1"])["lhr1-v4"]
    assert (session["asn"], session["role"], session["hold_time"]) == (64601, "provider", 30)
    assert session["bfd"] == {"interval": 100, "multiplier": 3}


def test_what_a_neighbor_says_itself_goes_before_its_template_key_by_key():
    template = {"role": "provider", "hold_time": 30, "import": {"local_pref": 50, "max_path_length": 9}}
    changes = templated(template, (f"{V4}/hold_time", 60), (f"{V4}/import", {"local_pref": 70}))
    plan = plans(*changes)["edge1.lhr1"]
    session = sessions(plan)["lhr1-v4"]
    assert (session["hold_time"], session["import_"]["local_pref"]) == (60, 70)
    assert plan.bird["policies"][session["import_"]["policy"]]["max_path_length"] == 9


def test_a_plan_does_not_say_whether_there_was_a_template():
    template = {"asn": 64601, "role": "provider"}
    assert plans(*templated(template))["edge1.lhr1"].digest == plans()["edge1.lhr1"].digest


def test_a_document_that_is_read_again_means_the_same():
    loaded = examine(changed(*templated({"asn": 64601, "role": "provider", "hold_time": 30})))
    again = examine(loaded.document)
    assert compile_fleet(again.policy)["edge1.lhr1"].digest == compile_fleet(loaded.policy)["edge1.lhr1"].digest


def test_a_mistake_in_a_template_is_reported_there_and_once():
    two = templated({"role": "provider", "hold_time": 2}, ("routing/neighbors/lhr1-v6/template", "t"))
    assert list(errors(*two)) == ["traffic.routing.templates.t.hold_time"]


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        (
            [(f"{V4}/template", "tt"), ("routing/templates", {"t": {"hold_time": 9}})],
            f"{V4}/template",
            "no such template",
        ),
        ([(f"{V4}/keys", [{"id": 1, "secret": "a"}, {"id": 1, "secret": "b"}])], f"{V4}/", "numbers"),
        ([(f"{V4}/keys", [{"id": 1, "secret": "a"}]), (f"{V4}/password", {"secret": "b"})], f"{V4}/", "not both"),
        ([(f"{V4}/keys", [{"id": 256, "secret": "a"}])], f"{V4}/keys[0]/id", "255"),
        ([(f"{V4}/stale_time", 60)], f"{V4}/", "graceful_restart: full"),
        ([(f"{V4}/multihop", 1)], f"{V4}/multihop", "from 2"),
        ([(f"{V4}/source", "loop")], f"{V4}/source", "no such interface"),
        ([(f"{V4}/address", "fe80::1")], f"{V4}/interface", "every link"),
        ([(f"{V4}/families", ["ipv4", "ipv6"])], f"{V4}/import/next_hop", "ipv6"),
        ([(f"{V4}/extended_next_hop", True)], f"{V4}/extended_next_hop", "IPv6"),
        ([(f"{V4}/reflected", True)], f"{V4}/reflected", "own routers"),
        ([(f"{V4}/vrf", {"device": "blue", "table": 254})], f"{V4}/vrf/", "its own"),
        (
            [
                (f"{V4}/vrf", {"device": "a", "table": 7}),
                ("routing/neighbors/lhr1-v6/vrf", {"device": "b", "table": 7}),
            ],
            f"{V4}/vrf",
            "another",
        ),
        ([("routing/meshes", {"core": MESH})], "routing/meshes/core/source", "address"),
        (
            [*LOOPBACKS.items(), ("routing/meshes", {"core": MESH | {"within": "pop", "reflectors": {"pop": "lhr1"}}})],
            "routing/meshes/core/reflectors",
            "reflects",
        ),
    ],
)
def test_an_option_that_cannot_be_is_named(changes, where, words):
    found = errors(*changes)
    path = "traffic." + where.rstrip("/").replace("/", ".")
    assert path in found, found
    assert words in found[path]


# ---- Sessions' options -----------------------------------------------------------------------------------------


def test_a_plan_leaves_out_what_says_nothing():
    session = sessions(plans()["edge1.lhr1"])["lhr1-v4"]
    assert None not in session.values()
    assert None not in session["import_"].values()
    assert not session.keys() & {"families", "keys", "bfd", "vrf", "password", "description"}


def test_one_session_carries_both_families_and_each_has_its_own_checks():
    changes = [
        ("routing/neighbors/lhr1-v6/families", ["ipv4", "ipv6"]),
        ("routing/neighbors/lhr1-v6/extended_next_hop", True),
        (V4, GONE),
    ]
    plan = plans(*changes)["edge1.lhr1"]
    session = sessions(plan)["lhr1-v6"]
    assert session["families"] == ["ipv6", "ipv4"]
    policies = plan.bird["policies"]
    rules = session["import_"]
    assert policies[rules["policy"]]["length"] == [16, 48]
    assert policies[rules["other_policy"]]["length"] == [8, 24]
    assert {":" in export["prefixes"][0] for export in session["export"]} == {True, False}


def test_a_session_comes_from_the_interface_it_names_however_far_the_neighbor():
    changes = [*LOOPBACKS.items(), (f"{V4}/address", "203.0.113.200"), (f"{V4}/multihop", 3), (f"{V4}/source", "loop")]
    session = sessions(plans(*changes)["edge1.lhr1"])["lhr1-v4"]
    assert (session["local"], session["device"], session["multihop"]) == ("10.255.0.1", None, 3)


def test_a_link_local_neighbor_is_on_the_interface_it_names():
    changes = [("routing/neighbors/lhr1-v6/address", "fe80::1"), ("routing/neighbors/lhr1-v6/interface", "uplink")]
    session = sessions(plans(*changes)["edge1.lhr1"])["lhr1-v6"]
    assert (session["address"], session["local"], session["device"]) == ("fe80::1", "", "eth0")


def test_a_name_too_long_for_bird_stays_one_of_its_own():
    long = [f"fleet{'x' * 40}{number}" for number in (1, 2)]
    names = {protocol_name(f"mesh-with-a-name-{name}-v4") for name in long}
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)


# ---- Meshes ----------------------------------------------------------------------------------------------------


def test_every_host_has_a_session_with_every_other_in_both_families():
    found = around(("routing/meshes", {"core": MESH}))
    others = {host: {name for name in found if name != host} for host in found}
    assert found == {host: {f"core-{other}-v{n}" for other in others[host] for n in (4, 6)} for host in found}


def test_a_mesh_reaches_no_further_than_it_says():
    found = around(("routing/meshes", {"core": MESH | {"within": "region"}}))
    assert found["edge1.iad1"] == set()
    assert found["edge1.lhr1"] == {
        f"core-{other}-v{number}" for other in ("edge1.ams1", "edge2.lhr1") for number in (4, 6)
    }


def test_clients_have_sessions_with_reflectors_alone_and_are_reflected_to():
    mesh = MESH | {"reflectors": {"host": "edge1.lhr1"}}
    found = around(("routing/meshes", {"core": mesh}))
    assert {name.split("-")[1] for name in found["edge1.ams1"]} == {"edge1.lhr1"}
    assert {name.split("-")[1] for name in found["edge1.lhr1"]} == {"edge1.ams1", "edge1.iad1", "edge2.lhr1"}
    made = plans(*LOOPBACKS.items(), ("routing/meshes", {"core": mesh}))
    assert sessions(made["edge1.lhr1"])["core-edge1.ams1-v4"]["reflected"]
    assert "reflected" not in sessions(made["edge1.ams1"])["core-edge1.lhr1-v4"]


def test_members_run_between_their_sources_and_tell_each_other_what_they_learned_outside():
    session = sessions(plans(*LOOPBACKS.items(), ("routing/meshes", {"core": MESH}))["edge1.lhr1"])[
        "core-edge1.ams1-v4"
    ]
    assert (session["local"], session["address"], session["device"]) == ("10.255.0.1", "10.255.0.2", None)
    assert session["learned"] == ["customer", "peer", "provider", "rs", "rs-client"]
    assert (session["role"], session["asn"]) == ("ibgp", 64500)


def test_a_mesh_announces_services_where_announcements_say_so():
    changes = [*LOOPBACKS.items(), ("routing/meshes", {"core": MESH}), ("routing/announcements/0/to", "all")]
    session = sessions(plans(*changes)["edge1.lhr1"])["core-edge1.ams1-v4"]
    assert [export["service"] for export in session["export"]] == ["web"]


# ---- What customers may ask for --------------------------------------------------------------------------------

ASKED = {"community": "64500:3001", "to": {"role": "provider"}, "prepend": 2}
TOLD = (f"{V4}/export", {"learned": ["customer"]})


def test_what_customers_ask_for_holds_towards_those_it_is_about():
    found = sessions(plans(("routing/actions", [ASKED]), TOLD)["edge1.lhr1"])
    assert found["lhr1-v4"]["actions"] == [{"community": "64500:3001", "prepend": 2}]
    assert "actions" not in found["lhr1-v6"]


@pytest.mark.parametrize(
    ("actions", "where", "words"),
    [
        ([ASKED, ASKED | {"prepend": 3}], "actions[1]", "lhr1-v4 too"),
        ([ASKED | {"to": {"role": "rs"}}], "actions[0].to", "no neighbor"),
        ([ASKED | {"refuse": True}], "actions[0]", "refuse alone"),
        ([{"community": "64500:3001", "to": "all"}], "actions[0]", "refuse, prepend"),
        ([{"large_community": "64500:3:1", "to": "all", "refuse": True}], "actions[0].large_community", "taken away"),
    ],
)
def test_an_action_that_cannot_be_is_named(actions, where, words):
    assert words in errors(("routing/actions", actions))[f"traffic.routing.{where}"]
