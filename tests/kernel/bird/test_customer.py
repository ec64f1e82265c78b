"""A customer that is no BIRD says what it may, and then leaks, hijacks, and asks for traffic to be dropped.

Scenarios know no addresses: those are a family's. Every scenario runs with every BIRD and both families; a GoBGP is the
customer, a StayRTR the RPKI cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from tidegate.bird import compile as bird
from tidegate.bird import live
from tidegate.policy.model import Policy

from .conftest import CACHE, until
from .gobgp import GoBGP
from .rtr import Cache
from .stayrtr import PORT, StayRTR

EDGE, PROVIDER, CUSTOMER, BEHIND, TRANSIT_FREE, STRANGER = 64500, 64601, 64702, 34019, 1299, 64999
BLACKHOLE = ("community", "65535:666")


@dataclass(frozen=True)
class Addresses:
    """What one family's scenario is made of. A link's first address is the edge's."""

    family: str
    table: str
    length: int
    provider: tuple[str, str]
    customer: tuple[str, str]
    service: str
    elsewhere: str
    """What the provider announces."""
    space: str
    """The customer's set, as the policy writes it."""
    own: str
    more: str
    forged: str
    """In the customer's space, and by the cache another's."""
    leaked: str
    foreign: str
    victim: str
    """A host of the customer's."""
    stranger: str
    """A host of somebody else's."""


V4 = Addresses(
    "ipv4", "master4", 31, ("10.9.0.0", "10.9.0.1"), ("10.9.1.0", "10.9.1.1"), "198.41.0.0/24", "17.0.0.0/16",
    "31.13.0.0/16{16,24}", "31.13.0.0/20", "31.13.16.0/24", "31.13.17.0/24", "31.13.18.0/24", "8.8.8.0/24",
    "31.13.0.7/32", "8.8.8.8/32",
)  # fmt: skip
V6 = Addresses(
    "ipv6", "master6", 127, ("2a01:9::", "2a01:9::1"), ("2a01:9:1::", "2a01:9:1::1"), "2a01:41::/48", "2a01:17::/32",
    "2a03:2880::/32{32,48}", "2a03:2880::/36", "2a03:2880:1000::/48", "2a03:2880:1001::/48", "2a03:2880:1002::/48",
    "2620:fe::/48", "2a03:2880::7/128", "2620:fe::fe/128",
)  # fmt: skip


def policy(at, imports):
    """A provider and a customer; everything by their roles' defaults, but for what a customer needs."""
    links = {"provider": at.provider, "customer": at.customer}
    neighbors = {
        "provider": {"asn": PROVIDER, "role": "provider", "export": {"learned": "customer"}},
        "customer": {
            "asn": CUSTOMER,
            "role": "customer",
            "export": {"learned": "provider"},
            "import": {"prefixes": "customer", "blackhole": {}, **imports},
        },
    }
    routing = {
        "asn": EDGE,
        "services": {"web": {"prefixes": [at.service]}},
        "sets": {"customer": {"prefixes": [at.space]}},
        "rpki": {"caches": {"near": {"match": "all", "address": at.provider[1], "port": PORT, "retry": 1}}},
        "neighbors": {
            name: {"match": "all", "address": links[name][1], "hold_time": 9, **rest}
            for name, rest in neighbors.items()
        },
        "announcements": [{"service": "web", "match": "all", "to": {"role": "provider"}}],
    }
    interfaces = {name: {"device": name, "addresses": [f"{ends[0]}/{at.length}"]} for name, ends in links.items()}
    host = {"pop": "lhr1", "role": "edge", "class": "gen12", "router_id": "10.0.0.1", "interfaces": interfaces}
    fleet = {"regions": {"eu": {"pops": {"lhr1": {}}}}, "hosts": {"edge": host}}
    return Policy.model_validate({"fleet": fleet, "routing": routing})


def provider(at):
    """The provider's BIRD: it sends one route and keeps what it hears."""
    return f"""
router id 10.9.0.1;
protocol device {{}}
protocol static sent {{ {at.family}; route {at.elsewhere} blackhole; }}
protocol bgp edge
{{
  local {at.provider[1]} as {PROVIDER}; neighbor {at.provider[0]} as {EDGE};
  connect delay time 1; connect retry time 1; error wait time 1, 1; hold time 9;
  {at.family} {{ import all; export where proto = "sent"; }};
}}
"""


@dataclass
class World:
    """The edge, the provider's BIRD, and the customer's GoBGP."""

    at: Addresses
    edge: object
    provider: object
    customer: GoBGP

    def knows(self):
        return set(self.edge.bird.prefixes(f"table {self.at.table}"))

    def uphill(self):
        return set(self.provider.prefixes("protocol edge"))

    def heard_out(self):
        """Everything that the customer has said so far has been judged: a good route said last is there."""
        self.customer.unsay(self.at.more)
        until(lambda: self.at.more not in self.knows(), "the last word before is heard")
        self.customer.say(self.at.more)
        until(lambda: self.at.more in self.knows(), "the last word is heard")


class Customer:
    """What a customer's scenario is played on."""

    version: str
    at: Addresses
    imports: ClassVar[dict[str, object]] = {}

    @pytest.fixture
    def program(self):
        path = CACHE / self.version / "bin" / "bird"
        if not path.exists():
            pytest.skip(f"BIRD {self.version} is not fetched: run script/fetch-birds")
        return path

    @pytest.fixture
    def peers(self, wire, namespace):
        """The namespaces of the provider, where the cache is too, and of the customer, on links to the edge."""
        at, peers = self.at, {}
        for name, ends in (("provider", at.provider), ("customer", at.customer)):
            peers[name] = there = namespace()
            wire.host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", there.name)
            for end, device, address in ((wire.host, name, ends[0]), (there, "eth0", ends[1])):
                nodad = ["nodad"] if at.family == "ipv6" else []
                end.run("ip", "address", "add", f"{address}/{at.length}", "dev", device, *nodad)
                end.run("ip", "link", "set", device, "up")
            there.run("ip", "link", "set", "lo", "up")
        return peers

    @pytest.fixture
    def world(self, edge, peers, make_daemon, tmp_path, daemons):
        at = self.at
        told = make_daemon("provider", peers["provider"], provider(at))
        customer = GoBGP(peers["customer"], tmp_path, at.family)
        daemons.callback(customer.stop)
        customer.start(asn=CUSTOMER, router_id="10.9.1.1", neighbor=at.customer[0], neighbor_asn=EDGE)
        edge.section = bird.compile_section(policy(at, self.imports), "edge")
        live.apply(edge.generation(), 60)
        for name in ("provider", "customer"):
            until(lambda name=name: edge.established(f"peer_{name}"), f"session to the {name}")
        world = World(at, edge, told, customer)
        customer.say(at.more)
        until(lambda: {at.elsewhere, at.more} <= world.knows(), "both are heard")
        return world


class Behaviour(Customer):
    """What becomes of what it says."""

    @pytest.fixture
    def cache(self, peers, tmp_path, daemons):
        cache = StayRTR(peers["provider"], self.at.provider[1], tmp_path)
        cache.say(roa(self.at.own, CUSTOMER), roa(self.at.forged, STRANGER))
        daemons.callback(cache.stop)
        cache.start()
        return cache

    def test_its_own_goes_uphill_and_leaks_and_hijacks_go_nowhere(self, world):
        at, customer = self.at, world.customer
        customer.say(at.own)
        customer.say(at.leaked, "aspath", str(TRANSIT_FREE))
        customer.say(at.foreign)
        customer.say(at.elsewhere)
        world.heard_out()
        assert world.knows() == {at.service, at.elsewhere, at.own, at.more}
        until(lambda: world.uphill() == {at.service, at.own, at.more}, "the provider hears of what is right")
        until(lambda: at.elsewhere in customer.hears(), "the customer hears of the provider's")

    def test_traffic_is_dropped_to_its_own_hosts_alone(self, world, wire):
        at, customer = self.at, world.customer

        def dropped():
            return wire.host.run("ip", f"-{at.family[-1]}", "route", "show", "type", "blackhole").split()

        customer.say(at.victim, *BLACKHOLE)
        customer.say(at.stranger, *BLACKHOLE)
        world.heard_out()
        assert world.knows() == {at.service, at.elsewhere, at.more, at.victim}
        until(lambda: at.victim.partition("/")[0] in dropped(), "the kernel drops it")
        assert at.stranger.partition("/")[0] not in dropped()
        until(lambda: world.uphill() == {at.service, at.more}, "the provider hears of the rest alone")
        customer.unsay(at.victim)
        until(lambda: at.victim.partition("/")[0] not in dropped(), "it is dropped no more")

    def test_the_cache_decides_whose_a_prefix_is(self, cache, world):
        at, customer = self.at, world.customer
        customer.say(at.own)
        customer.say(at.forged)
        world.heard_out()
        until(lambda: at.forged not in world.knows(), "what is another's is not learned")
        assert at.own in world.knows()
        cache.say(roa(at.own, CUSTOMER), roa(at.forged, CUSTOMER))
        until(lambda: at.forged in world.knows(), "the cache calls it the customer's now")
        cache.say(roa(at.own, STRANGER), roa(at.forged, CUSTOMER))
        until(lambda: at.own not in world.knows(), "and the other one a stranger's")
        until(lambda: world.uphill() == {at.service, at.more, at.forged}, "the provider hears of it")


class Paths(Customer):
    """What becomes of paths, by ASPA."""

    imports: ClassVar = {"aspa": "reject-invalid"}

    @pytest.fixture
    def cache(self, peers):
        with peers["provider"].entered():
            one = Cache(PORT, self.at.provider[1])
        yield one
        one.close()

    def test_who_is_behind_it_has_to_say_so(self, cache, world):
        at, customer = self.at, world.customer
        cache.say(aspas={BEHIND: [STRANGER]})
        customer.say(at.own, "aspath", str(BEHIND))
        world.heard_out()
        until(lambda: at.own not in world.knows(), "a path over somebody who is no provider is not learned")
        cache.say(aspas={BEHIND: [STRANGER, CUSTOMER]})
        until(lambda: at.own in world.knows(), "it is, once the customer is a provider")
        cache.say(aspas={BEHIND: [STRANGER]})
        until(lambda: at.own not in world.knows(), "and no longer when it is not")


def roa(prefix, asn):
    """The prefix as it is, and nothing longer."""
    return prefix, int(prefix.partition("/")[2]), asn


class TestBird20Ipv4(Behaviour):
    version, at = "2.0", V4


class TestBird20Ipv6(Behaviour):
    version, at = "2.0", V6


class TestBird217Ipv4(Behaviour):
    version, at = "2.17", V4


class TestBird217Ipv6(Behaviour):
    version, at = "2.17", V6


class TestBird31Ipv4(Behaviour):
    version, at = "3.1", V4


class TestBird31Ipv6(Behaviour):
    version, at = "3.1", V6


class TestPathsBird217Ipv4(Paths):
    version, at = "2.17", V4


class TestPathsBird217Ipv6(Paths):
    version, at = "2.17", V6


class TestPathsBird31Ipv4(Paths):
    version, at = "3.1", V4


class TestPathsBird31Ipv6(Paths):
    version, at = "3.1", V6
