"""Aggregates: announced like services, for a service that they hold a part of."""

from example import check, errors

from tidegate.bird.compile import compile_section

AT = "traffic.routing.aggregates.all"
ANNOUNCED = ("routing/announcements/1", {"service": "all", "match": {"host": "edge1.lhr1"}, "to": {"role": "provider"}})


def aggregate(prefix="192.0.0.0/22", of="web"):
    return ("routing/aggregates", {"all": {"prefix": prefix, "of": of}})


def test_an_aggregate_brings_the_service_it_needs():
    alone = [("routing/announcements/0/match", {"host": "edge1.ams1"}), ("routing/services/web/min_pops", 0)]
    changes = [aggregate(), *alone, ANNOUNCED]
    section = compile_section(check(*changes).policy, "edge1.lhr1")
    assert section["aggregates"] == [{"name": "all", "prefix": "192.0.0.0/22", "of": "web", "via": "192.0.2.0"}]
    assert [service["name"] for service in section["services"]] == ["web"]
    assert [export["prefixes"] for export in section["neighbors"][0]["export"]] == [["192.0.0.0/22"]]


def test_an_aggregate_holds_something_of_its_service():
    assert "holds no prefix" in errors(aggregate("198.18.0.0/15"), ANNOUNCED)[f"{AT}.prefix"]
    assert "holds no prefix" in errors(aggregate("192.0.2.0/24"), ANNOUNCED)[f"{AT}.prefix"]
    assert "Did you mean 'web'" in errors(aggregate(of="wen"), ANNOUNCED)[f"{AT}.of"]


def test_names_of_aggregates_are_their_own():
    assert (
        "has this name"
        in errors(("routing/aggregates", {"web": {"prefix": "192.0.0.0/22", "of": "web"}}))[
            "traffic.routing.aggregates.web"
        ]
    )


def test_communities_have_names_and_extended_ones_bounds():
    first = "routing/announcements/0"
    policy = check(
        (f"{first}/communities", ["no-export"]), (f"{first}/extended_communities", ["rt:64500:70000"])
    ).policy
    (export,) = compile_section(policy, "edge1.lhr1")["neighbors"][0]["export"]
    assert (export["communities"], export["extended_communities"]) == (["65535:65281"], ["rt:64500:70000"])
    for wrong in ("rt:65536:65536", "xx:1:2", "rt:1", "rt:1:2:3", "rt:-1:2"):
        assert errors((f"{first}/extended_communities", [wrong]))
