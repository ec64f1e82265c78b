"""What is accepted from whom: by role, by the policy's word for the role, by the neighbor's own."""

import pytest
from example import check, errors

from tidegate.bird.compile import compile_section

N = "routing/neighbors/lhr1-v4"
AT = "traffic.routing.neighbors.lhr1-v4"


def accepted(*changes):
    """What the neighbor's plan says: its import, and the checks behind it."""
    loaded = check(*changes)
    assert not loaded.problems, loaded.problems
    section = compile_section(loaded.policy, "edge1.lhr1")
    (rules,) = [one["import_"] for one in section["neighbors"] if one["name"] == "lhr1-v4"]
    return rules, section.get("policies", {}).get(rules.get("policy"), {})


def test_a_role_has_its_checks_and_a_neighbor_its_own_word():
    _, provider = accepted()
    assert provider["bogon_prefixes"] and "default_route" not in provider and "transit_free_asns" not in provider
    _, peer = accepted((f"{N}/role", "peer"))
    assert peer["default_route"] and 3356 in peer["transit_free_asns"]
    changes = [("routing/imports", {"provider": {"bogon_prefixes": "accept", "local_pref": 50}})]
    rules, of_role = accepted(*changes)
    assert "bogon_prefixes" not in of_role and rules["local_pref"] == 50
    rules, own = accepted(*changes, (f"{N}/import", {"bogon_prefixes": "reject"}))
    assert own["bogon_prefixes"] and rules["local_pref"] == 50


def test_a_customer_without_a_filter_sends_nothing():
    assert accepted((f"{N}/role", "customer"))[0]["accept"] == "none"
    sets = {"isp": {"prefixes": ["31.13.0.0/16+"]}}
    changes = [("routing/sets", sets), (f"{N}/role", "customer"), (f"{N}/import", {"prefixes": "isp"})]
    rules, _ = accepted(*changes)
    assert (rules["accept"], rules["prefixes"]) == ("all", ["isp"])


def test_drops_need_to_know_what_is_the_neighbors_own():
    found = errors((f"{N}/role", "customer"), (f"{N}/import", {"accept": "all", "blackhole": {}}))
    assert "nobody knows" in found[f"{AT}.import.blackhole"]


@pytest.mark.parametrize("role", ["provider", "peer", "rs"])
@pytest.mark.parametrize("learned", ["provider", "peer", "rs", "rs-client"])
def test_what_came_from_uphill_never_goes_uphill(role, learned):
    found = errors((f"{N}/role", role), (f"{N}/export", {"learned": ["customer", learned]}))
    assert "never told" in found[f"{AT}.export.learned"]


def test_a_default_route_goes_down_alone():
    assert "never told" in errors((f"{N}/export", {"default_route": True}))[f"{AT}.export.default_route"]
    assert check((f"{N}/role", "customer"), (f"{N}/export", {"default_route": True})).policy


def test_lengths_are_in_order_and_of_the_family():
    found = errors((f"{N}/import", {"ipv4_length": {"min": 24, "max": 8}, "ipv6_length": {"min": 16, "max": 129}}))
    assert f"{AT}.import.ipv4_length.max" in found
    assert f"{AT}.import.ipv6_length.max" in found
    assert f"{AT}.import.ipv4_length" in errors((f"{N}/import", {"ipv4_length": {"min": 8, "max": 33}}))


def caches(match):
    return ("routing/rpki", {"caches": {"near": {"match": match, "address": "192.0.2.53", "port": 3323}}})


def test_origins_are_judged_where_there_is_a_cache():
    assert "rpki" not in accepted()[1]
    assert accepted(caches("all"))[1]["rpki"] == {"invalid": "reject", "unknown": "accept"}
    assert "rpki" not in accepted(caches("all"), (f"{N}/import", {"rpki": "ignore"}))[1]
    wanted = {"rpki": "tag", "rpki_unknown": "reject"}
    assert accepted(caches("all"), (f"{N}/import", wanted))[1]["rpki"] == {"invalid": "tag", "unknown": "reject"}


def test_who_asks_for_it_has_a_cache():
    found = errors(caches({"pop": "iad1"}), (f"{N}/import", {"rpki": "reject-invalid"}))
    assert "has no RPKI cache" in found[f"{AT}.import.rpki"]


@pytest.mark.parametrize("community", ["65536:1", "1:2:3", "x", "-1:1"])
def test_communities_out_of_range_are_refused(community):
    found = errors((f"{N}/import", {"by_community": [{"community": community, "local_pref": 1}]}))
    assert any("by_community" in where for where in found)


@pytest.mark.parametrize(
    "adjustment",
    [{"local_pref": 1}, {"community": "1:2"}, {"community": "1:2", "large_community": "1:2:3", "med": 1}],
)
def test_an_adjustment_is_for_one_community_and_sets_something(adjustment):
    assert errors((f"{N}/import", {"by_community": [adjustment]}))


def test_a_long_as_number_is_an_as_number():
    assert check((f"{N}/asn", 4200000001)).policy
