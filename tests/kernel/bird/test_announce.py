"""What neighbors get and what they cannot do: seen from their own BIRD."""

from __future__ import annotations

from tidegate.bird import live, routes

from .conftest import export, session, until


def test_an_announcement_arrives_with_everything_planned(edge, neighbor):
    edge.confirmed(edge.generation())
    until(lambda: "2001:db8:100::/48" in neighbor.prefixes(), "IPv6 announced")
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "IPv4 announced")
    route = neighbor.route("192.0.2.0/24")
    assert "bgp_path: 64500 64500 64500" in route
    assert "bgp_community: (64500,100)" in route
    assert "bgp_large_community: (64500, 7, 8)" in route
    assert "bgp_med: 50" in route


def test_what_is_learned_goes_to_the_main_table_but_never_our_own_prefixes(edge, neighbor, wire):
    edge.confirmed(edge.generation())
    until(lambda: "100.64.0.0/10" in wire.host.run("ip", "route", "show", "proto", "bird"), "learned route installed")
    assert "192.0.2.128/25" not in edge.bird.prefixes()
    assert "bgp_local_pref: 120" in edge.bird.route("100.64.0.0/10")
    assert "bgp_large_community: (64500, 1, 1)" in edge.bird.route("100.64.0.0/10")


def test_default_alone_or_nothing_is_accepted_where_the_plan_says_so(edge, neighbor):
    def only_default(section):
        section["neighbors"][0]["import_"]["accept"] = "default"
        section["neighbors"][1]["import_"]["accept"] = "none"

    edge.confirmed(edge.generation(only_default))
    until(lambda: "0.0.0.0/0" in edge.bird.prefixes(), "default learned")
    assert "100.64.0.0/10" not in edge.bird.prefixes()
    assert "2001:db8:ffff::/48" not in edge.bird.prefixes()


def test_what_one_neighbor_teaches_is_never_exported_to_another(edge, neighbor, other):
    def with_other(section):
        section["neighbors"].append(
            session("other", address="198.51.100.5", local="198.51.100.4", device="eth1", asn=64700, role="peer")
            | {"export": section["neighbors"][0]["export"]}
        )

    edge.confirmed(edge.generation(with_other))
    until(lambda: "100.64.0.0/10" in edge.bird.prefixes(), "learned from the provider")
    until(lambda: other.prefixes() == ["192.0.2.0/24"], "exactly the service arrives")
    assert edge.bird.prefixes("export peer_other") == ["192.0.2.0/24"]
    assert edge.bird.prefixes("export peer_transit") == ["192.0.2.0/24"]


def test_a_service_is_withdrawn_by_its_route_and_no_reconfiguration_brings_it_back(edge, neighbor):
    generation = edge.confirmed(edge.generation())
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "announced")
    routes.remove({(4210, "192.0.2.0/24")})
    until(lambda: "192.0.2.0/24" not in neighbor.prefixes(), "withdrawn", 3)
    edge.bird.ask(f'configure "{edge.bird.conf}"')
    until(lambda: edge.established("peer_transit"), "session up")
    assert "192.0.2.0/24" not in edge.bird.prefixes()
    assert "192.0.2.0/24" not in neighbor.prefixes()
    live.apply(generation, 60)
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "announced again")


def test_a_route_in_the_table_that_nobody_planned_is_not_announced(edge, neighbor):
    edge.confirmed(edge.generation())
    routes.add({(4210, "198.18.0.0/15")})
    until(lambda: "198.18.0.0/15" in edge.bird.prefixes("table svc4"), "BIRD sees it")
    assert "198.18.0.0/15" not in edge.bird.prefixes()
    assert "198.18.0.0/15" not in neighbor.prefixes()


def test_an_aggregate_is_announced_while_its_service_is_there(edge, neighbor):
    def with_aggregate(section):
        section["aggregates"] = [{"name": "web-all", "prefix": "192.0.0.0/22", "of": "web", "via": "192.0.2.0"}]
        section["neighbors"][0]["export"].append(export("192.0.0.0/22", service="web-all", prepend=1))

    edge.confirmed(edge.generation(with_aggregate))
    until(lambda: {"192.0.0.0/22", "192.0.2.0/24"} <= set(neighbor.prefixes()), "both announced")
    routes.remove({(4210, "192.0.2.0/24")})
    until(lambda: not {"192.0.0.0/22", "192.0.2.0/24"} & set(neighbor.prefixes()), "both withdrawn", 5)
    routes.add({(4210, "192.0.2.0/24")})
    until(lambda: {"192.0.0.0/22", "192.0.2.0/24"} <= set(neighbor.prefixes()), "both announced again", 5)
