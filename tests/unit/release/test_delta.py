"""What a delta says: in the network's terms, each change once, with all its places."""

import copy
import json
import time
from functools import partial

import pytest
from fleet import GONE, edited, large, plans, policy, sealed
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tidegate.cli.delta_view import view
from tidegate.host.plan import Plan
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet
from tidegate.release.delta import delta
from tidegate.release.delta.reach import reach
from tidegate.release.delta.space import Size

BEFORE = plans()
V4, V6 = "routing/neighbors/lhr1-v4", "routing/neighbors/lhr1-v6"
RULES = "filtering/rules"


def of(*changes):
    return delta(BEFORE, plans(*changes))


def test_nothing_changes_between_equal_plans():
    same = {host: Plan(json.loads(plan.canonical())) for host, plan in BEFORE.items()}
    found = delta(BEFORE, same)
    assert not found
    assert (found.hosts.unchanged, found.hosts.before, found.hosts.after) == (4, 4, 4)
    assert not any((found.services, found.announcements, found.sessions, found.rules, found.classes))


# ---- Announcements and services --------------------------------------------------------------------------------


def test_a_service_that_is_no_longer_announced_from_a_pop():
    found = of(("routing/announcements/0/match", {"host": "edge1.lhr1"}))
    (gone,) = found.announcements
    assert (gone.verb, gone.service, gone.role, gone.prefixes) == ("withdrawn", "web", "peer", ("192.0.2.0/24",))
    assert gone.where.as_dict()["pops"] == {"ams1": {"ams1-v4": ["edge1.ams1"]}}
    (change,) = found.services
    assert (change.prefixes, change.vanishes, change.appears) == (("192.0.2.0/24",), ("ams1",), ())
    assert (change.before, change.after) == (2, 1)
    assert not found.sessions
    assert found.by_pop["ams1"] == {"hosts changed": 1, "prefixes withdrawn": 1}
    assert found.by_region["eu"] == found.by_host["edge1.ams1"] == found.by_pop["ams1"]


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [("communities", ["64500:1"], "communities"), ("prepend", 2, "prepend"), ("med", 10, "med")],
)
def test_other_attributes_are_a_change_of_the_announcement_and_not_of_the_session(key, value, field):
    found = of((f"routing/announcements/0/{key}", value))
    assert {one.verb for one in found.announcements} == {"changed"}
    assert {edit.field for one in found.announcements for edit in one.edits} == {field}
    assert not found.sessions
    assert not found.services


def test_a_prefix_that_the_host_does_not_originate_is_not_announced():
    fleet = edited(BEFORE, "edge1.lhr1", lambda plan: plan["bird"].update(services=[]))
    assert {one.verb for one in delta(BEFORE, fleet).announcements} == {"withdrawn"}
    assert reach(fleet)["web"] == {"192.0.2.0/24": {"ams1"}}


def test_a_host_that_moves_takes_its_pairs_along():
    after = edited(BEFORE, "edge1.ams1", lambda plan: plan["labels"].update(pop="iad1", region="us"))
    found = delta(BEFORE, after)
    assert [(one.vanishes, one.appears) for one in found.services] == [(("ams1",), ("iad1",))]
    fields = {edit.field for one in found.adjustments for edit in one.edits}
    assert fields == {"pop", "region"}


# ---- Sessions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verb", "fields"),
    [
        ([(f"{V4}/asn", 64777)], "restarted", ["asn"]),
        ([(f"{V4}/hold_time", 30)], "restarted", ["hold_time"]),
        ([(f"{V4}/keepalive", 20)], "restarted", ["keepalive"]),
        ([(f"{V4}/password", {"secret": "bgp/new"})], "restarted", ["password"]),
        ([(f"{V4}/import", {"accept": "default"})], "refiltered", ["import_"]),
        ([(f"{V4}/role", "peer")], "refiltered", ["import_", "role"]),
        ([(f"{V4}/role", "rs-client")], "restarted", ["import_", "role"]),
        ([(f"{V4}/passive", True)], "restarted", ["passive"]),
        ([(f"{V4}/ttl_security", True)], "restarted", ["ttl_security"]),
        ([(f"{V4}/graceful_restart", "full")], "restarted", ["graceful_restart"]),
        ([(f"{V4}/roles", "announce")], "restarted", ["local_role", "require_roles"]),
        ([(f"{V4}/export", {"learned": "customer"})], "refiltered", ["learned"]),
        ([(f"{V4}/export", {"max_prefix": {"limit": 9}})], "refiltered", ["max_exported"]),
        ([(f"{V4}/import", {"bogon_prefixes": "accept"})], "refiltered", ["import_"]),
        ([(f"{V4}/description", "another")], "described", ["description"]),
        ([(f"{V4}/description", "another"), (f"{V4}/hold_time", 9)], "restarted", ["description", "hold_time"]),
    ],
)
def test_which_edits_restart_a_session(changes, verb, fields):
    (session,) = of(*changes).sessions
    assert (session.verb, session.fields) == (verb, fields)
    assert session.where.neighbors == ("lhr1-v4",)


def test_our_own_numbers_restart_every_session_of_the_host():
    (session,) = of(("fleet/hosts/edge1.lhr1/router_id", "10.9.9.9")).sessions
    assert (session.verb, session.where.neighbors) == ("restarted", ("lhr1-v4", "lhr1-v6"))
    asn = of(("routing/asn", 64999)).sessions
    assert sum(len(one.where.places) for one in asn if one.verb == "restarted") == 3


def test_a_neighbor_with_a_new_name_is_a_restart():
    v4 = policy().routing.neighbors["lhr1-v4"].model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
    v4["match"] = {"host": "edge1.lhr1"}
    found = of((V4, GONE), ("routing/neighbors/renamed", v4))
    (session,) = found.sessions
    assert session.verb == "restarted"
    assert {"name", "protocol"} <= set(session.fields)


def test_sessions_come_and_go_with_their_neighbor():
    found = of((V6, GONE))
    (session,) = found.sessions
    assert (session.verb, session.where.neighbors) == ("removed", ("lhr1-v6",))
    assert [one.verb for one in found.announcements] == ["withdrawn"]


def test_a_field_that_is_not_known_here_is_taken_for_a_restart():
    after = edited(BEFORE, "edge1.lhr1", lambda plan: plan["bird"]["neighbors"][0].update(multihop=2))
    assert [one.verb for one in delta(BEFORE, after).sessions] == ["restarted"]


# ---- Filter and shaping ----------------------------------------------------------------------------------------


def test_a_rule_that_comes_tells_how_much_it_covers():
    rule = {"name": "new", "match": {"pop": "lhr1"}, "interface": "uplink", "action": "drop"}
    found = of((f"{RULES}/2", {**rule, "source": ["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/48"]}))
    (change,) = found.rules
    assert (change.verb, change.name, change.before) == ("added", "new", None)
    assert change.after.source == Size(512, 65536)
    assert change.where.hosts == ("edge1.lhr1", "edge2.lhr1")
    assert (dict(change.where.labels), change.where.of) == ({"pop": "lhr1"}, 2)


def test_a_changed_set_tells_what_is_added_and_removed():
    (change,) = of(("filtering/sets/bogons/prefixes", ["0.0.0.0/8", "10.0.0.0/8"])).rules
    assert change.edits[0].as_dict() == {"field": "source", "added": ["10.0.0.0/8"], "removed": ["240.0.0.0/4"]}
    assert (change.before.source.v4, change.after.source.v4) == (2**24 + 2**28, 2**25)


def test_the_order_of_rules_is_told_because_the_first_match_decides():
    rules = list(reversed(policy().filtering.model_dump(exclude_unset=True)["rules"]))
    rules = [{**rule, "match": {"role": "edge"}, "source_port": 53} for rule in rules]
    rules[1].pop("source_port")
    assert [one.verb for one in of((RULES, rules)).rules] == ["reordered"]


@pytest.mark.parametrize(
    ("prefixes", "size"),
    [
        ([], Size(0, 0)),
        (["10.0.0.0/8", "10.1.0.0/16"], Size(2**24, 0)),
        (["2001:db8::/64", "2001:db8::1/128"], Size(0, 1)),
        (["2001:db8::1/128", "2001:db8::9/128"], Size(0, 1)),
        (["0.0.0.0/0", "::/0"], Size(2**32, 2**64)),
        (None, Size(2**32, 2**64)),
        (["nonsense"], Size(0, 0)),
    ],
)
def test_address_space_is_counted_once(prefixes, size):
    assert Size.of(prefixes) == size


def test_rates_and_classes():
    found = of(("shaping/0/classes/web/ceiling", "80mbit"), ("shaping/0/classes/bulk/guarantee", "20%"))
    assert {(one.verb, one.class_, one.edits[0].field) for one in found.classes} == {
        ("changed", "web", "ceiling"),
        ("changed", "bulk", "guarantee"),
    }
    whole = of(("shaping", []))
    assert {one.class_ for one in whole.classes if one.verb == "removed"} == {"", "control", "web", "bulk"}


# ---- Hosts -----------------------------------------------------------------------------------------------------


def test_hosts_come_and_go_with_what_they_announce():
    after = {host: plan for host, plan in BEFORE.items() if host != "edge1.ams1"}
    found = delta(BEFORE, after)
    assert (found.hosts.goes.hosts, found.hosts.unchanged) == (("edge1.ams1",), 3)
    assert [one.verb for one in found.announcements] == ["withdrawn"]
    assert [one.verb for one in found.sessions] == ["removed"]
    back = delta(after, BEFORE)
    assert back.hosts.comes.hosts == ("edge1.ams1",)
    assert [one.verb for one in back.announcements] == ["announced"]


def test_bird_taken_over_is_told():
    after = edited(BEFORE, "edge2.lhr1", lambda plan: plan.update(bird=None))
    (one,) = delta(BEFORE, after).adjustments
    assert [(edit.field, edit.before, edit.after) for edit in one.edits] == [("BIRD", "managed", "left alone")]


def test_changed_checks_of_a_service_are_told_beside_whatever_else_changes():
    check = {"http": "http://127.0.0.1:8080/health", "interval": "2s", "fall": 2}
    before = plans(("routing/services/web/check", check))
    after = plans(("routing/services/web/check", {**check, "fall": 5}), (f"{V4}/description", "another"))
    edits = [edit for one in delta(before, after).adjustments for edit in one.edits]
    assert {edit.field for edit in edits} == {"checks of web"}
    assert all("fall 2" in edit.before and "fall 5" in edit.after for edit in edits)
    (gained,) = {edit for one in of(("routing/services/web/check", check)).adjustments for edit in one.edits}
    assert gained.before == "none"


# ---- A large fleet ---------------------------------------------------------------------------------------------


def test_alike_changes_on_many_hosts_are_one_line():
    before = compile_fleet(Policy.model_validate(large()))
    after = compile_fleet(Policy.model_validate(large(hold_time=30)))
    found = delta(before, after)
    (session,) = found.sessions
    assert (session.verb, len(session.where.places), session.where.labels) == ("restarted", 100, ())
    assert found.by_region["east"]["sessions restarted"] == 50
    assert len(printed(found)) < 8


def test_ten_thousand_hosts_of_which_one_changed_are_compared_quickly():
    some = BEFORE["edge1.lhr1"].document
    before = {f"h{number}": sealed({**some, "host": f"h{number}"}) for number in range(10_000)}
    after = edited(before, "h77", lambda plan: plan["bird"]["neighbors"][0].update(hold_time=9))
    start = time.process_time()
    found = delta(before, after)
    # 0.1 s where nothing else runs; the bound of 0.5 s is the promise.
    assert time.process_time() - start < 0.5
    assert (found.hosts.unchanged, [one.verb for one in found.sessions]) == (9_999, ["restarted"])


# ---- For people and programs -----------------------------------------------------------------------------------


def printed(found, width=100):
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(view(found))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_view_fits_and_says_it():
    found = of(("routing/announcements/0/match", {"host": "edge1.lhr1"}), (f"{V4}/hold_time", 30))
    lines = printed(found)
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for words in (
        "2 hosts changed; 2 unchanged",
        "web 192.0.2.0/24  from ams1: 2 → 1 PoP",
        "from ams1-v4, edge1.ams1",
        "restarted  lhr1-v4  hold time none → 30  edge1.lhr1",
    ):
        assert words in text


def test_the_view_of_nothing():
    assert printed(delta(BEFORE, BEFORE)) == ["Nothing changes on any of 4 hosts."]


def test_markup_in_a_plan_stays_text():
    assert "[red]x[/red]" in "\n".join(printed(of((f"{V4}/description", "[red]x[/red]"))))


# ---- Properties ------------------------------------------------------------------------------------------------

MIRROR = {"announced": "withdrawn", "added": "removed", "withdrawn": "announced", "removed": "added"}


def leaves(value, path=()):
    """Paths to all scalars and innermost lists."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, child in children for leaf in leaves(child, (*path, key))]
    return found or [path]


PATHS = [path for path in leaves(BEFORE["edge1.lhr1"].document) if path[0] not in ("digest", "host", "schema")]
# A name is what two sides are paired by: twice the same one on a host is refused before any delta.
EDITABLE = [path for path in PATHS if path[-1] not in ("name", "host", "protocol") or path[0] == "labels"]

ROUTING = [path for path in EDITABLE if path[0] == "bird"]


@st.composite
def fleets(draw):
    """Plans of the example with some leaves of some hosts changed, and some hosts missing."""
    fleet = dict(BEFORE)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(ROUTING if draw(st.booleans()) else EDITABLE))
        fleet = edited(fleet, "edge1.lhr1", partial(put, path=path, value=draw(values(path))))
    for host in draw(st.sets(st.sampled_from(sorted(BEFORE)), max_size=2)):
        del fleet[host]
    return fleet


def put(document, path, value):
    *above, last = path
    for key in above:
        document = document[key]
    document[last] = value


def get(document, path):
    for key in path:
        document = document[key]
    return document


def values(path):
    """Other values of a leaf's own type."""
    now = get(BEFORE["edge1.lhr1"].document, path)
    if path[-1] in ("accept", "action", "mode", "role", "family"):
        return st.sampled_from(["all", "none", "default", "drop", "allow", "provider", "ipv6"])
    if isinstance(now, bool):
        return st.booleans()
    if isinstance(now, int):
        return st.integers(1, 100)
    if isinstance(now, str):
        return st.sampled_from(["192.0.2.0/24", "198.51.100.0/24", "2001:db8:100::/48", "x"])
    return st.sampled_from([None, 5]) if now is None and path[-1] in ("protocol", "med") else st.just(now)


@given(fleets())
@settings(max_examples=60, deadline=None)
def test_a_fleet_does_not_differ_from_itself(fleet):
    assert not delta(fleet, fleet)


@given(fleets(), fleets())
@settings(max_examples=150, deadline=None)
def test_every_change_is_told_and_backwards_it_is_the_mirror(before, after):
    found, back = delta(before, after), delta(after, before)
    assert bool(found) == (
        before.keys() != after.keys() or any(before[host].digest != after[host].digest for host in before)
    )
    told = {
        host
        for part in (found.announcements, found.sessions, found.rules, found.classes, found.adjustments)
        for one in part
        for host in one.where.hosts
    }
    assert set(found.hosts.changed.hosts) <= told
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()
    assert found.as_dict() == delta(copy.copy(before), copy.copy(after)).as_dict()
    for part in ("announcements", "rules", "classes"):
        forth = {(one.verb, *pair) for one in getattr(found, part) for pair in spelt(one)}
        again = {(MIRROR.get(one.verb, one.verb), *pair) for one in getattr(back, part) for pair in spelt(one)}
        assert forth == again
    assert {(one.vanishes, one.appears, one.before) for one in found.services} == {
        (one.appears, one.vanishes, one.after) for one in back.services
    }
    assert sessions(found) == {(MIRROR.get(verb, verb), host, peer) for verb, host, peer in sessions(back)}
    printed(found)


def spelt(one):
    what = (one.prefixes,) if hasattr(one, "prefixes") else (getattr(one, "name", ""), getattr(one, "class_", ""))
    return {(*what, place.host, place.neighbor) for place in one.where.places}


def sessions(found):
    return {(one.verb, place.host, place.neighbor) for one in found.sessions for place in one.where.places}
