"""From policy to plans: what the plans say, and that they depend on nothing but the policy."""

import copy
import random
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "policy"))

from example import GOOD, changed

from tidegate.bird.compile import protocol_name
from tidegate.host.plan import Plan, canonical
from tidegate.policy.load import load
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet, compile_host
from tidegate.tc.compile import FIRST_MINOR, LAST_MINOR, minors

EXAMPLE = Path(__file__).parents[2] / "pillar"


def plan(host="edge1.lhr1", *changes):
    return compile_host(Policy.model_validate(changed(*changes)), host)


def test_every_plan_of_the_shipped_example_is_accepted_by_its_host():
    plans = compile_fleet(load(EXAMPLE).policy)
    assert list(plans) == sorted(plans) == ["edge1.ams1", "edge1.iad1", "edge1.lhr1", "edge2.lhr1"]
    for host, compiled in plans.items():
        assert Plan.from_document(dict(compiled.document), host).digest == compiled.digest


def test_labels():
    assert plan().labels == {"host": "edge1.lhr1", "pop": "lhr1", "region": "eu", "role": "edge", "class": "gen12"}


def test_a_session_knows_both_ends():
    bird = plan().bird
    assert [neighbor["name"] for neighbor in bird["neighbors"]] == ["lhr1-v4", "lhr1-v6"]
    v4, v6 = bird["neighbors"]
    assert (v4["local"], v4["device"], v4["family"], v4["protocol"]) == ("198.51.100.3", "eth0", "ipv4", "peer_lhr1_v4")
    assert (v6["local"], v6["family"]) == ("2001:db8:1::2", "ipv6")
    assert "description" not in v4


def test_a_session_announces_the_prefixes_of_its_own_family():
    v4, v6 = plan().bird["neighbors"]
    assert [export["prefixes"] for export in v4["export"]] == [["192.0.2.0/24"]]
    assert [export["prefixes"] for export in v6["export"]] == [["2001:db8:100::/48"]]
    assert plan().bird["services"] == [{"name": "web", "ipv4": ["192.0.2.0/24"], "ipv6": ["2001:db8:100::/48"]}]


def test_a_host_that_announces_nothing_has_no_services():
    assert plan("edge1.iad1").bird["services"] == plan("edge1.iad1").bird["neighbors"] == []


def test_without_routing_bird_is_left_alone():
    data = {key: value for key, value in GOOD.items() if key == "fleet"}
    compiled = compile_host(Policy.model_validate(data), "edge1.lhr1")
    assert compiled.bird is None
    assert compiled.tc == {"interfaces": []}
    assert compiled.xdp == {"interfaces": [], "rules": [], "management": {"neighbors": []}}


@pytest.mark.parametrize(
    ("role", "stated", "accepts"),
    [
        ("provider", None, "all"),
        ("provider", "default", "default"),
        ("peer", None, "all"),
        ("customer", None, "none"),
        ("customer", "all", "all"),
    ],
)
def test_what_is_accepted_depends_on_the_role_unless_stated(role, stated, accepts):
    changes = [("routing/neighbors/lhr1-v4/role", role), ("routing/announcements/0/to", "all")]
    changes += [("routing/neighbors/lhr1-v4/import", {"accept": stated})] if stated else []
    assert plan("edge1.lhr1", *changes).bird["neighbors"][0]["import_"]["accept"] == accepts


def test_no_secret_is_in_a_plan_only_its_name():
    compiled = plan("edge1.lhr1", ("routing/neighbors/lhr1-v4/password", {"secret": "bgp/lhr1"}))
    assert compiled.bird["neighbors"][0]["password"] == {"secret": "bgp/lhr1"}


def test_rates_are_bits_per_second_and_classes_stand_in_order_of_priority():
    (tree,) = plan().tc["interfaces"]
    assert (tree["device"], tree["rate"]) == ("eth0", 100_000_000)
    assert [(c["name"], c["guarantee"], c["ceiling"], c["default"]) for c in tree["classes"]] == [
        ("control", 5_000_000, 100_000_000, False),
        ("web", 60_000_000, 90_000_000, False),
        ("bulk", 10_000_000, 100_000_000, True),
    ]


def test_a_port_on_either_side_is_two_matchers():
    control = plan().tc["interfaces"][0]["classes"][0]["match"]
    assert [(m["protocol"], m["source_port"], m["destination_port"]) for m in control] == [
        (6, [[179, 179]], None),
        (6, None, [[179, 179]]),
    ]


def test_a_service_stands_for_its_prefixes_and_what_is_left_out_for_any():
    rule = plan().xdp["rules"][1]
    assert rule["destination"] == ["192.0.2.0/24", "2001:db8:100::/48"]
    assert (rule["source"], rule["dscp"], rule["source_port"]) == (None, None, [[53, 53]])


def test_only_interfaces_with_rules_are_filtered():
    data = ("fleet/hosts/edge1.lhr1/interfaces/inside", {"device": "eth1"})
    assert [port["device"] for port in plan("edge1.lhr1", data).xdp["interfaces"]] == ["eth0"]
    assert plan("edge1.lhr1", ("filtering/rules", [])).xdp["interfaces"] == []


def shuffled(value, order):
    """The same data with the keys of every mapping in another order; lists keep theirs, because it counts."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.integers())
@settings(max_examples=25)
def test_plans_do_not_depend_on_the_order_of_keys(seed):
    order = random.Random(seed)
    one, other = (compile_fleet(Policy.model_validate(data)) for data in (GOOD, shuffled(GOOD, order)))
    assert {host: p.digest for host, p in one.items()} == {host: p.digest for host, p in other.items()}


def test_a_plan_does_not_depend_on_which_others_are_compiled_or_when():
    policy = Policy.model_validate(GOOD)
    alone = {
        host: compile_host(Policy.model_validate(copy.deepcopy(GOOD)), host).digest for host in GOOD["fleet"]["hosts"]
    }
    assert {host: p.digest for host, p in compile_fleet(policy).items()} == alone
    assert {host: p.digest for host, p in compile_fleet(policy).items()} == alone


def test_compiling_leaves_earlier_plans_as_they_were():
    policy = Policy.model_validate(GOOD)
    first = compile_host(policy, "edge1.lhr1")
    before = canonical(first.document)
    compile_fleet(policy)
    assert canonical(first.document) == before


def test_a_change_for_one_host_changes_no_other_hosts_plan():
    before = compile_fleet(Policy.model_validate(GOOD))
    after = compile_fleet(Policy.model_validate(changed(("routing/neighbors/ams1-v4/asn", 64777))))
    assert [host for host in before if before[host].digest != after[host].digest] == ["edge1.ams1"]


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), unique=True, max_size=40)


@given(NAMES, st.randoms())
def test_class_ids_are_distinct_in_range_and_depend_on_the_set_of_names_alone(names, order):
    ids = minors(names)
    assert len(set(ids.values())) == len(names)
    assert all(FIRST_MINOR <= minor <= LAST_MINOR for minor in ids.values())
    turned = list(names)
    order.shuffle(turned)
    assert minors(turned) == ids


@given(NAMES)
def test_a_new_class_moves_none_but_those_it_collides_with(names):
    alone = {name: minors([name])[name] for name in names}
    if len(set(alone.values())) == len(names):
        assert minors(names) == alone


def test_names_that_hash_alike_take_the_next_free_id():
    seen = {}
    number = 0
    while (minor := minors([f"class{number}"])[f"class{number}"]) not in seen:
        seen[minor] = f"class{number}"
        number += 1
    pair = sorted([seen[minor], f"class{number}"])
    assert minors(pair) == {pair[0]: minor, pair[1]: minor + 1}


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}", fullmatch=True))
def test_any_name_becomes_a_bird_symbol(name):
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", protocol_name(name))
