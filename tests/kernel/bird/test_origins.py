"""RPKI: what a cache says decides about routes, at once and without a session's restart; without one all is unknown."""

from __future__ import annotations

import pytest

from .conftest import until
from .rtr import Cache

ROUTE, ELSEWHERE = "100.64.0.0/10", "0.0.0.0/0"


@pytest.fixture
def cache(edge):
    one = Cache()
    yield one
    one.close()


def judged(edge, invalid="reject", unknown="accept"):
    """The edge, judging what the provider sends by the cache on its loopback."""
    near = {"name": "near", "protocol": "cache_near", "address": "127.0.0.1", "port": 3323}
    edge.section["caches"] = [near | {"refresh": 900, "retry": 1, "expire": 7200}]
    edge.section["policies"] = {"p": {"role": "provider", "rpki": {"invalid": invalid, "unknown": unknown}}}
    for neighbor in edge.section["neighbors"]:
        neighbor["import_"]["policy"] = "p"
        neighbor["import_table"] = True
    return edge.confirmed(edge.generation())


def test_an_invalid_route_is_not_learned_until_the_cache_says_otherwise(edge, neighbor, cache):
    cache.say((ROUTE, 10, 64999))
    judged(edge)
    until(lambda: ELSEWHERE in edge.bird.prefixes("table master4"), "the unknown route is learned")
    until(lambda: ROUTE not in edge.bird.prefixes("table master4"), "the invalid one is not")
    cache.say((ROUTE, 10, 64601))
    until(lambda: ROUTE in edge.bird.prefixes("table master4"), "the cache calls it valid now", 10)
    cache.say((ROUTE, 10, 64999))
    until(lambda: ROUTE not in edge.bird.prefixes("table master4"), "and invalid again", 10)
    assert edge.established("peer_transit")


def test_tags_say_what_the_cache_said(edge, neighbor, cache):
    cache.say((ROUTE, 10, 64999), ("2001:db8:ffff::/48", 48, 64601))
    judged(edge, invalid="tag")
    for table, route in (("master4", ROUTE), ("master4", ELSEWHERE), ("master6", "2001:db8:ffff::/48")):
        until(lambda: route in edge.bird.prefixes(f"table {table}"), f"{route} is learned")  # noqa: B023
    until(lambda: "(64500, 2, 3)" in edge.bird.route(ROUTE), "invalid")
    until(lambda: "(64500, 2, 2)" in edge.bird.route(ELSEWHERE), "unknown")
    until(lambda: "(64500, 2, 1)" in edge.bird.route("2001:db8:ffff::/48"), "valid")
    assert "(64500, 1, 1)" in edge.bird.route(ROUTE)


def test_without_a_cache_every_route_is_unknown_and_the_policy_says_what_then(edge, neighbor):
    judged(edge)
    until(lambda: ROUTE in edge.bird.prefixes("table master4"), "unknown is accepted")
    judged(edge, unknown="reject")
    until(lambda: ROUTE not in edge.bird.prefixes("table master4"), "unknown is not valid")
