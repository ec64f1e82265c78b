"""Trees with classes in classes: what adds up, what packets reach, and what a host's plan then says."""

import pytest
from example import GOOD, check, errors

from tidegate.policy.plans import compile_host
from tidegate.tc.compile import QUEUED, minors
from tidegate.tc.queues import MOST
from tidegate.tc.section import FIRST_MINOR, LAST_MINOR, MOST_CLASSES
from tidegate.tc.tree import MAJOR, ROOT, plant

CLASSES = "shaping/0/classes"
VOICE = {"priority": 0, "guarantee": "10%", "match": [{"dscp": "ef"}]}
REST = {"priority": 5, "guarantee": "50%", "default": True}


def customer(prefix, guarantee="5%", **fields):
    inside = {"voice": VOICE, "rest": REST}
    return {
        "priority": 1,
        "guarantee": guarantee,
        "match": [{"destination": prefix}],
        "classes": inside,
        **fields,
    }


ONE = customer("192.0.2.1/32")
GROUP = {"priority": 2, "guarantee": "10%", "classes": {"a": {**VOICE, "match": [{"dscp": "cs1"}]}}}


def nested(depth):
    inside = {"priority": 1, "guarantee": "50mbit", "default": True}
    for _ in range(depth - 1):
        inside = {"priority": 1, "guarantee": "50mbit", "classes": {"in": inside}}
    return {"deep": inside}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            [(f"{CLASSES}/one", customer("192.0.2.1/32", classes={"a": {**REST, "guarantee": "120%"}}))],
            f"{CLASSES}/one/classes/a/guarantee",
            "100%",
        ),
        (
            [(f"{CLASSES}/one", customer("192.0.2.1/32", classes={"v": {**VOICE, "guarantee": "60%"}, "r": REST}))],
            f"{CLASSES}/one/classes",
            "110% of 'one'",
        ),
        (
            [(f"{CLASSES}/one", {**ONE, "ceiling": "10mbit", "classes": {"r": {**REST, "ceiling": "20mbit"}}})],
            f"{CLASSES}/one/classes/r/ceiling",
            "more than 'one' has",
        ),
        (
            [(f"{CLASSES}/one", {**ONE, "classes": {"r": {**REST, "guarantee": "2mbit", "ceiling": "1mbit"}}})],
            f"{CLASSES}/one/classes/r/ceiling",
            "below the guarantee",
        ),
        (
            [(f"{CLASSES}/one", customer("192.0.2.1/32", classes={"voice": VOICE}))],
            f"{CLASSES}/one/classes",
            "no class of 'one' is the default",
        ),
        (
            [(f"{CLASSES}/one", customer("192.0.2.1/32", classes={"a": REST, "b": {**REST, "guarantee": "1%"}}))],
            f"{CLASSES}/one/classes/b/default",
            "'a' is the default class already",
        ),
        ([(f"{CLASSES}/one", {**ONE, "default": True})], f"{CLASSES}/one/default", "holds no packets"),
        ([(f"{CLASSES}/one", {**ONE, "set_dscp": "ef"})], f"{CLASSES}/one/set_dscp", "holds no packets"),
        (
            [(f"{CLASSES}/one", {**ONE, "match": [{"dscp": "ef"}]})],
            f"{CLASSES}/one/match/0",
            "source alone, or destination alone",
        ),
        (
            [(f"{CLASSES}/one", ONE), (f"{CLASSES}/two", ONE)],
            f"{CLASSES}/two/match/0",
            "192.0.2.1/32 belongs to 'one' already",
        ),
        (
            [(f"{CLASSES}/one", {**ONE, "classes": {"in": customer("192.0.2.9/32"), "rest": REST}})],
            f"{CLASSES}/one/classes/in/match",
            "one level",
        ),
        (
            [(f"{CLASSES}/late", {"priority": 7, "guarantee": "1%", "match": [{"source": "web"}]})],
            f"{CLASSES}/late/match/0",
            "'web' is asked before",
        ),
        ([(CLASSES, nested(8))], f"{CLASSES}/deep" + "/classes/in" * 7, "too deep for HTB"),
        ([(f"{CLASSES}/web/leaf", {"kind": "sfb"})], f"{CLASSES}/web/leaf/kind", "fq_codel"),
        ([(f"{CLASSES}/web/leaf", {"kind": "pfifo", "target": "5ms"})], f"{CLASSES}/web/leaf", "no 'target'"),
        ([(f"{CLASSES}/web/match", [{"vlan": 4095}])], f"{CLASSES}/web/match/0/vlan", "4094"),
        ([(f"{CLASSES}/web/match", [{"cgroup": "../x"}])], f"{CLASSES}/web/match/0/cgroup", "/system.slice"),
        ([("shaping/0/profile", "edge")], "shaping/0", "either classes or a profile"),
    ],
)
def test_misfits(changes, path, words):
    found = errors(*changes)
    where = "traffic." + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("/")).lstrip(".")

    assert words in found.get(where, ""), found


def test_seven_levels_are_not_too_deep():
    assert errors((CLASSES, nested(7))) == {}


PROFILE = {"rates": {"gen12": "200mbit"}, "classes": {"web": {"priority": 1, "guarantee": "50%", "default": True}}}


def with_profile(profile=PROFILE, **tree):
    data = {"match": {"role": "edge"}, "interface": "uplink", "profile": "edge", **tree}
    return ("shaping", [data]), ("shaping_profiles", {"edge": profile})


def test_a_profile_gives_classes_and_the_rate_of_each_class_of_hosts():
    (tree,) = compile_host(check(*with_profile()).policy, "edge1.lhr1").tc["interfaces"]

    assert (tree["rate"], [(each["name"], each["guarantee"]) for each in tree["classes"]]) == (
        200_000_000,
        [("web", 100_000_000)],
    )


def test_a_tree_may_say_its_own_rate():
    (tree,) = compile_host(check(*with_profile(rate="50mbit")).policy, "edge1.lhr1").tc["interfaces"]

    assert tree["rate"] == 50_000_000


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (with_profile(profile={**PROFILE, "rates": {}}), "traffic.shaping[0]", "hosts of class gen12"),
        (
            with_profile(profile={**PROFILE, "rates": {"gen12": "10kbit"}}),
            "traffic.shaping_profiles.edge.classes.web.guarantee",
            "too little",
        ),
        ((with_profile()[0],), "traffic.shaping[0].profile", "no such profile"),
    ],
)
def test_profiles_that_do_not_fit(changes, path, words):
    assert words in errors(*changes).get(path, ""), errors(*changes)


def section(*changes):
    (tree,) = compile_host(check(*changes).policy, "edge1.lhr1").tc["interfaces"]
    return tree


def test_shares_are_of_what_is_above_and_names_are_paths():
    tree = section((f"{CLASSES}/one", ONE))
    by_name = {each["name"]: each for each in tree["classes"]}

    assert by_name["one"]["guarantee"] == 5_000_000
    assert by_name["one/voice"]["guarantee"] == 500_000
    assert by_name["one/rest"]["ceiling"] == by_name["one"]["ceiling"] == 100_000_000
    assert by_name["one/voice"]["parent"] == by_name["one"]["minor"]
    assert by_name["one"]["fallback"] == by_name["one/rest"]["minor"]
    assert [each["name"] for each in tree["classes"] if each["default"]] == ["bulk"]
    assert list(by_name).index("one") < list(by_name).index("one/voice"), "parents first"


def test_what_is_not_used_is_not_in_the_plan():
    keys = {key for each in section()["classes"] for key in each}

    assert keys == {"name", "minor", "priority", "guarantee", "ceiling", "default", "match"}
    assert set(section()) == {"name", "device", "rate", "classes"}


def test_a_class_without_addresses_is_a_group_for_rates_alone():
    tree = plant(section((f"{CLASSES}/group", GROUP)))

    assert tree.groups == ()
    assert {each.name: each.parent for each in tree.classes}["group/a"] == {e.name: e.minor for e in tree.classes}[
        "group"
    ]


def test_ten_customers_that_ask_alike_need_no_more_entries_than_one():
    def customers(count):
        return [(f"{CLASSES}/c{number}", customer(f"192.0.2.{number}/32", "1%")) for number in range(count)]

    one, ten = plant(section(*customers(1))), plant(section(*customers(10)))

    assert len(one.entries) == len(ten.entries)
    assert len(ten.groups) == 10
    assert len({group.default for group in ten.groups}) == 10


def test_adding_a_customer_renumbers_nobody():
    before = {each["name"]: each["minor"] for each in section((f"{CLASSES}/one", ONE))["classes"]}
    after = section((f"{CLASSES}/one", ONE), (f"{CLASSES}/another", customer("192.0.2.2/32")))["classes"]

    assert before.items() <= {each["name"]: each["minor"] for each in after}.items()


def both_ways(*changes):
    """The example's tree, and one like it for what comes in."""
    return [("shaping", [*GOOD["shaping"], {**GOOD["shaping"][0], "direction": "in", **dict(changes)}])]


def test_an_interface_may_have_a_tree_each_way():
    policy = check(*both_ways()).policy
    assert policy is not None
    interfaces = compile_host(policy, "edge1.lhr1").document["tc"]["interfaces"]

    assert [(one["name"], one["device"], one.get("ingress")) for one in interfaces] == [
        ("uplink", "eth0", None),
        ("uplink in", "tgi-eth0", "eth0"),
    ]
    assert (plant(interfaces[1]).device, plant(interfaces[1]).inbound) == ("tgi-eth0", "eth0")


def test_two_trees_for_what_comes_in_are_one_too_many():
    ((_, trees),) = both_ways()
    found = errors(("shaping", [*trees, trees[1]]))

    assert "already shapes 'uplink'" in found["traffic.shaping[2]"]


@pytest.mark.parametrize(("key", "value"), [("fwmark", 7), ("cgroup", "/system.slice"), ("from_interface", "uplink")])
def test_what_no_packet_that_comes_in_has_is_refused(key, value):
    classes = {"a": {"priority": 0, "guarantee": "1mbit", "match": [{key: value}]}, "rest": REST}
    found = errors(*both_ways(("classes", classes)))

    assert f"packets that come in have no {key} yet" in found[f"traffic.shaping[1].classes.a.match[0].{key}"]
    assert errors(("shaping/0/classes", classes)) == {}


TRANSIT = {"priority": 0, "guarantee": "1mbit", "match": [{"from_interface": "uplink"}]}


def test_a_class_may_ask_by_which_interface_packets_came_in():
    policy = check(("shaping/0/classes/transit", TRANSIT)).policy
    assert policy is not None
    (interface,) = compile_host(policy, "edge1.lhr1").document["tc"]["interfaces"]
    (transit,) = [each for each in interface["classes"] if each["name"] == "transit"]

    assert transit["match"][0]["from_devices"] == ["eth0"]
    assert all("from_devices" not in one for each in interface["classes"] if each != transit for one in each["match"])


def test_each_host_has_its_own_device_for_it():
    changes = [("shaping/0/classes/transit", TRANSIT), ("fleet/hosts/edge2.lhr1/interfaces/uplink/device", "ens3")]
    policy = check(*changes).policy
    assert policy is not None
    found = {
        host: [one["from_devices"] for each in tree["classes"] for one in each["match"] if "from_devices" in one]
        for host in ("edge1.lhr1", "edge2.lhr1")
        for tree in compile_host(policy, host).document["tc"]["interfaces"]
    }

    assert found == {"edge1.lhr1": [["eth0"]], "edge2.lhr1": [["ens3"]]}


def test_an_interface_that_a_host_lacks_is_named():
    found = errors(("shaping/0/classes/transit", {**TRANSIT, "match": [{"from_interface": "uplnk"}]}))

    assert "edge1.ams1 has no such interface" in found["traffic.shaping[0].classes.transit.match[0].from_interface"]


def test_more_classes_than_htb_has_ids_for(monkeypatch):
    monkeypatch.setattr("tidegate.policy.checks.shaping.MOST_CLASSES", 2)

    assert (
        "3 classes | at most 2: HTB has no more" in errors(("shaping/0/rate", "100mbit"))["traffic.shaping[0].classes"]
    )


def test_as_many_classes_as_are_allowed_have_an_id_each():
    found = minors(map(str, range(MOST_CLASSES))).values()

    assert len(set(found)) == MOST_CLASSES
    assert min(found) >= FIRST_MINOR
    assert max(found) <= LAST_MINOR
    assert MAJOR not in found


MANY = {f"c{number}": {"priority": 1, "guarantee": "1%", "match": [{"dscp": number}]} for number in range(20)}


def queued(queues, **tree):
    classes = {"one": customer("192.0.2.1/32"), "bulk": REST, **MANY}
    return [("shaping", [{**GOOD["shaping"][0], "classes": classes, "queues": queues, **tree}])]


def test_a_class_stands_in_a_queue_with_all_that_is_in_it():
    tree = section(*queued(4))
    by_name = {each["name"]: each for each in tree["classes"]}
    planted = {each.name: each for each in plant(tree).classes}

    assert tree["queues"] == 4
    assert all(("queue" in each) == ("/" not in name) for name, each in by_name.items())
    assert {each["queue"] for each in by_name.values() if "queue" in each} == {1, 2, 3, 4}
    assert planted["one/voice"].id.split(":")[0] == planted["one"].id.split(":")[0]


def test_another_class_moves_none_and_renumbers_none():
    before = {each.name: each.id for each in plant(section(*queued(4))).classes}
    more = {"one": customer("192.0.2.1/32"), "bulk": REST, "x": customer("192.0.2.2/32"), **MANY}
    after = {each.name: each.id for each in plant(section(*queued(4, classes=more))).classes}

    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (queued(1), "a number from 2"),
        (queued(65), "a number up to 64"),
        (queued(23), "23 queues for 22 classes, and a class stands whole in one | at most 22"),
        (queued(4, direction="in"), "only what is sent has queues"),
    ],
)
def test_queues_that_do_not_fit(changes, message):
    found = errors(*changes)

    assert message in found.get("traffic.shaping[0].queues", ""), found


def test_more_classes_than_ids_are_left_beside_queues(monkeypatch):
    monkeypatch.setattr("tidegate.policy.checks.tree_queues.MOST_CLASSES", 84)

    assert "24 classes beside the queues | at most 20 classes" in errors(*queued(4))["traffic.shaping[0].queues"]


def test_no_class_is_called_like_a_qdisc_of_ours():
    found = set(minors(map(str, range(MOST_CLASSES - MOST)), QUEUED).values())

    assert len(found) == MOST_CLASSES - MOST
    assert found.isdisjoint({ROOT, *range(MAJOR, MAJOR + MOST)})


def policed(*changes):
    """The example's tree, and a policer for what comes in."""
    classes = {"web": {"priority": 1, "guarantee": "1mbit", "match": [{"protocol": "tcp"}]}, "rest": REST}
    return both_ways(("method", "police"), ("classes", classes), *changes)


def test_what_comes_in_may_be_policed_instead():
    policy = check(*policed()).policy
    assert policy is not None
    interfaces = compile_host(policy, "edge1.lhr1").document["tc"]["interfaces"]

    assert [(one["name"], one["device"], one.get("policed")) for one in interfaces] == [
        ("uplink", "eth0", None),
        ("uplink in", "eth0", True),
    ]


LEAVES = {
    "a": {"priority": 0, "guarantee": "1mbit", "leaf": {"kind": "pfifo"}, "match": [{"dscp": "ef"}]},
    "rest": REST,
}
NESTED = {"a": {"priority": 0, "guarantee": "2mbit", "classes": {"b": REST}}}


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ([("direction", "out")], "method", "only what comes in can be policed"),
        ([("adopt", True)], "adopt", "a policer takes no root qdisc over"),
        ([("classes", LEAVES)], "classes.a.leaf", "nothing queues there"),
        ([("classes", NESTED)], "classes.a.classes", "only trees have classes inside classes"),
    ],
)
def test_what_needs_a_queue_is_refused_where_nothing_waits(changes, where, message):
    found = errors(*policed(*changes))

    assert message in found[f"traffic.shaping[1].{where}"]


def test_a_policer_has_at_most_as_many_classes_as_the_data_path_holds():
    many = {f"c{n}": {"priority": 1, "guarantee": "8kbit", "match": [{"source_port": n}]} for n in range(1, 65)}
    classes = {"rest": REST, **many}
    for each in many.values():
        each["match"][0]["protocol"] = "tcp"
    found = errors(*policed(("classes", classes)))

    assert "65 classes of 'uplink', which is policed" in found["traffic.shaping[1].classes"]
