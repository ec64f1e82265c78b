"""What a policy may not say about balancing, and where the error points."""

import pytest
from example import errors


def server(pop, number):
    addresses = [f"10.9.0.{number}/24", f"2001:db8:9::{number}/64"]
    return {
        "pop": pop,
        "role": "server",
        "class": "gen12",
        "router_id": f"10.0.1.{number}",
        "interfaces": {"uplink": {"device": "eth0", "addresses": addresses}},
    }


FLEET = [
    ("fleet/hosts/server1.lhr1", server("lhr1", 1)),
    ("fleet/hosts/server2.lhr1", server("lhr1", 2)),
    ("fleet/hosts/server1.ams1", server("ams1", 9)),
    ("routing/neighbors/ams1-v4/match", {"host": "edge1.ams1"}),
]


def found(pool=(), **changed):
    web = {"vips": ["192.0.2.10", "2001:db8:100::10"], "ports": ["tcp/80"]}
    web |= {"pool": {"match": {"role": "server"}, **dict(pool)}, **changed}
    return errors(*FLEET, ("balancing", {"services": {"web": web}}))


def test_a_good_one_is_good():
    assert found({"drain": "server2.lhr1", "weights": {"server1*": 50}}) == {}


@pytest.mark.parametrize(
    ("changes", "pool", "key", "words"),
    [
        ({"vips": "198.18.0.1"}, {}, "vips[0]", "no announced service holds this address"),
        ({}, {"match": {"host": "server1.ams1"}}, "pool.match", "no server of the pool is in PoP lhr1"),
        ({}, {"weights": {"server*": 0}}, "pool.weights", "has weight 0"),
        ({}, {"weights": {"sever1.lhr1": 1}}, "pool.weights", "no server of the pool has this name"),
        ({}, {"drain": "server*"}, "pool.drain", "is draining"),
        ({"encapsulation": "ipip"}, {"drain": "server2.lhr1"}, "pool.drain", "would cut established flows"),
        ({}, {"mtu": 1300}, "pool.mtu", "at least 1320"),
        ({}, {"min_capacity": "50%"}, "pool.min_capacity", "nobody looks"),
        ({"ports": "tcp/0"}, {}, "ports", "tcp/443"),
    ],
)
def test_faults_are_told_where_they_are(changes, pool, key, words):
    problems = found(pool, **changes)
    assert words in problems[f"traffic.balancing.services.web.{key}"]


def test_two_services_on_one_address_and_port():
    web = {"vips": "192.0.2.10", "ports": "tcp/80", "pool": {"match": {"role": "server"}}}
    problems = errors(*FLEET, ("balancing", {"services": {"web": web, "twin": web}}))
    assert "balances 192.0.2.10 tcp/80 already" in problems["traffic.balancing.services.twin.vips[0]"]
