"""A rich section, and every BIRD version that script/fetch-birds has fetched."""

from __future__ import annotations

import copy
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.bird import parse
from tidegate.bird.render import render

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = REPOSITORY / "salt" / "traffic" / "templates"
CACHE = Path(os.environ.get("TIDEGATE_CACHE", Path.home() / ".cache" / "tidegate")) / "bird"
SERIES = {"2.0": (2, 0, 12), "2.17": (2, 17, 6), "3.1": (3, 1, 8)}
SECRETS = {
    "bgp/lhr1-transit": "s3cret; {not} #syntax",
    "bgp/lhr1-peer": "other secret",
    "bgp/old": "old key",
    "bgp/new": "new key",
}
KEY = b"a host's own key"


@dataclass(frozen=True)
class Bird:
    """One version of BIRD as a program."""

    series: str
    program: Path

    @property
    def version(self):
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return parse.version(done.stdout + done.stderr)

    def judge(self, text: str, folder: Path) -> str:
        """What ``bird -p`` says about a configuration; an empty string: accepted without a warning."""
        file = folder / f"{self.series}.conf"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [self.program, "-p", "-c", file], capture_output=True, text=True, errors="replace", check=False
        )
        return done.stderr + (f"exit {done.returncode}" if done.returncode else "")


@pytest.fixture(params=SERIES, scope="session")
def bird(request) -> Bird:
    program = CACHE / request.param / "bin" / "bird"
    if not program.exists():
        pytest.skip(f"BIRD {request.param} is not fetched: run script/fetch-birds")
    return Bird(request.param, program)


def neighbor(name: str, **changes):
    """A session that accepts nothing and announces nothing, but for ``changes``."""
    return {
        "name": name,
        "protocol": "peer_" + name.replace("-", "_"),
        "description": name,
        "address": "198.51.100.3",
        "local": "198.51.100.2",
        "device": "eth0",
        "family": "ipv4",
        "asn": 64601,
        "role": "provider",
        "password": None,
        "hold_time": None,
        "keepalive": None,
        "import_": {"accept": "none", "max_prefix": None, "local_pref": None},
        "export": [],
    } | changes


def export(service: str, *prefixes: str, **changes):
    return {
        "service": service,
        "prefixes": list(prefixes),
        "communities": [],
        "large_communities": [],
        "prepend": 0,
        "med": None,
    } | changes


_REJECT = {
    "bogon_prefixes": True,
    "bogon_asns": True,
    "private_asns": True,
    "graceful_shutdown": True,
    "max_path_length": 64,
}
_STRICT = _REJECT | {"default_route": True, "first_as": True, "next_hop": "neighbor", "transit_free_asns": [174, 3356]}
POLICIES = {
    "provider-4": _REJECT | {"role": "provider", "length": [8, 24]},
    "peer-4": _STRICT | {"role": "peer", "length": [8, 24], "rpki": {"invalid": "reject", "unknown": "reject"}},
    "rs-4": _STRICT
    | {
        "role": "rs",
        "length": [8, 24],
        "first_as": False,
        "next_hop": "link",
        "rpki": {"invalid": "tag", "unknown": "accept"},
        "aspa": {"invalid": "tag", "unknown": "accept"},
        "if_supported": True,
    },
    "customer-4": _STRICT
    | {
        "role": "customer",
        "length": [8, 24],
        "blackhole": {"communities": ["65535:666", "64500:666"], "length": [32, 32]},
        "rpki": {"invalid": "log", "unknown": "accept"},
        "tuning": [
            {"community": "64500:80", "large_community": None, "local_pref": 80, "med": None},
            {"community": None, "large_community": "4200000000:80:0", "local_pref": None, "med": 10},
        ],
    },
    "rs-client-4": _REJECT | {"role": "rs-client", "length": [8, 24], "next_hop": "neighbor"},
    "customer-6": _STRICT
    | {"role": "customer", "length": [16, 48], "blackhole": {"communities": ["65535:666"], "length": [64, 128]}},
}


def cache(name: str, **changes):
    times = {"refresh": 900, "retry": 90, "expire": 7200}
    return {"name": name, "protocol": "cache_" + name.replace("-", "_"), **times} | changes


def accepted(policy: str, **changes):
    return {"accept": "all", "max_prefix": None, "local_pref": None, "policy": policy} | changes


@pytest.fixture
def section():
    """One of everything a section may ask for."""
    return {
        "router_id": "10.0.0.1",
        "asn": 4200000000,
        "table": 4210,
        "services": [
            {"name": "web", "ipv4": ["192.0.2.0/24"], "ipv6": ["2001:db8:100::/48"]},
            {"name": "dns", "ipv4": ["203.0.113.0/25", "203.0.113.53/32"], "ipv6": []},
        ],
        "neighbors": [
            neighbor(
                "lhr1-transit",
                description="Transit #1 {LHR}; Zürich's \\ 東京",
                password={"secret": "bgp/lhr1-transit"},
                hold_time=90,
                keepalive=30,
                import_={"accept": "all", "max_prefix": {"limit": 1000000, "action": "block"}, "local_pref": 100},
                export=[
                    export("dns", "203.0.113.0/25", "203.0.113.53/32"),
                    export(
                        "web",
                        "192.0.2.0/24",
                        communities=["64500:100", "65535:0"],
                        large_communities=["4200000000:5:6"],
                        prepend=2,
                        med=0,
                    ),
                ],
            ),
            neighbor(
                "lhr1-transit6",
                address="2001:db8:1::3",
                local="2001:db8:1::2",
                family="ipv6",
                import_={"accept": "default", "max_prefix": {"limit": 10, "action": "restart"}, "local_pref": None},
                export=[export("web", "2001:db8:100::/48")],
            ),
            neighbor(
                "lhr1-peer",
                address="198.51.100.5",
                local="198.51.100.4",
                device="eth1.100",
                asn=64700,
                role="peer",
                password={"secret": "bgp/lhr1-peer"},
                import_={"accept": "all", "max_prefix": {"limit": 1000, "action": "warn"}, "local_pref": 200},
                # Announced in another way than to the provider: a second function.
                export=[export("web", "192.0.2.0/24"), export("dns", "203.0.113.0/25", "203.0.113.53/32")],
            ),
            neighbor("lhr1-customer", address="198.51.100.7", local="198.51.100.6", asn=64701, role="customer"),
            # All that a customer may have: checked against its sets, may ask for drops, told of everything.
            neighbor(
                "lhr1-isp",
                address="198.51.100.9",
                local="198.51.100.8",
                asn=64702,
                role="customer",
                local_role="provider",
                require_roles=True,
                passive=True,
                ttl_security=True,
                graceful_restart="full",
                import_={
                    "accept": "all",
                    "max_prefix": {"limit": 50, "action": "restart"},
                    "max_received": {"limit": 100, "action": "warn"},
                    "local_pref": 300,
                    "med": 0,
                    "policy": "customer-4",
                    "prefixes": ["isp", "isp-more"],
                    "origins": ["isp-asns"],
                    "refuse": ["never"],
                },
                learned=["customer", "peer", "provider"],
                default_route=True,
                max_exported={"limit": 2000000, "action": "block"},
            ),
            neighbor(
                "lhr1-isp6",
                address="2001:db8:7::3",
                local="2001:db8:7::2",
                family="ipv6",
                asn=64702,
                role="customer",
                import_=accepted("customer-6", prefixes=["isp", "nothing"]),
                learned=["customer"],
                default_route=True,
            ),
            neighbor(
                "lhr1-upstream",
                address="198.51.100.11",
                local="198.51.100.10",
                asn=64603,
                import_=accepted("provider-4"),
                actions=[
                    {"community": "64500:3001", "prepend": 2, "no_export": True},
                    {"large_community": "64999:9:64603", "refuse": True},
                ],
                export=[
                    export("web", "192.0.2.0/24"),
                    export("web-all", "192.0.0.0/22", extended_communities=["rt:64500:100", "ro:4200000000:7"]),
                ],
                learned=["customer"],
            ),
            neighbor(
                "lhr1-ix-rs",
                address="203.0.113.129",
                local="203.0.113.130",
                device="ix",
                asn=64800,
                role="rs",
                link="203.0.113.128/25",
                local_role="rs_client",
                require_roles=False,
                import_table=True,
                graceful_restart="none",
                import_=accepted("rs-4"),
                learned=["customer"],
            ),
            neighbor(
                "lhr1-ix-client",
                address="203.0.113.131",
                local="203.0.113.130",
                device="ix",
                asn=64801,
                role="rs-client",
                import_=accepted("peer-4", prefixes=["isp"]),
                learned=["rs-client"],
            ),
            neighbor(
                "edge3",
                address="10.0.0.3",
                local="10.0.0.1",
                asn=4200000000,
                role="ibgp",
                device=None,
                import_={"accept": "all", "max_prefix": None, "local_pref": None},
                learned=["customer", "peer", "provider", "rs", "rs-client"],
            ),
            neighbor(
                "edge2",
                address="fe80::2",
                local="fe80::1",
                family="ipv6",
                asn=4200000000,
                role="ibgp",
                import_={"accept": "all", "max_prefix": None, "local_pref": None},
                export=[export("web", "2001:db8:100::/48")],
            ),
            # One of our own routers, beyond other routers: no interface of its own.
            neighbor("reflector", address="10.0.0.99", local="198.51.100.2", device=None, asn=4200000000, role="ibgp"),
            # Both families over one session, on a link that has link-local addresses alone.
            neighbor(
                "fabric",
                address="fe80::9",
                local="",
                device="fabric0",
                family="ipv6",
                families=["ipv6", "ipv4"],
                extended_next_hop=True,
                bfd={"interval": 100, "multiplier": 5},
                add_paths="both",
                graceful_restart="full",
                stale_time=3600,
                import_=accepted("customer-6", other_policy="rs-client-4", prefixes=["isp"]),
                role="customer",
                export=[export("web", "2001:db8:100::/48"), export("web", "192.0.2.0/24")],
            ),
            neighbor(
                "collector",
                address="203.0.113.200",
                device=None,
                multihop=3,
                vrf={"device": "blue", "table": 77},
                add_paths="send",
                export=[export("web", "192.0.2.0/24")],
            ),
            neighbor(
                "client",
                address="10.0.0.7",
                local="10.0.0.1",
                device=None,
                asn=4200000000,
                role="ibgp",
                reflected=True,
                add_paths="receive",
                import_={"accept": "all"},
            ),
        ],
        "aggregates": [{"name": "web-all", "prefix": "192.0.0.0/22", "of": "web", "via": "192.0.2.0"}],
        "policies": copy.deepcopy(POLICIES),
        "caches": [
            cache("near", address="2001:db8:9::9", port=3323),
            cache("far-away", address="198.51.100.53", port=323, expire=172800),
        ],
        "sets": {
            "isp": {
                "ipv4": ["203.0.113.0/24{24,28}", "192.0.2.0/24"],
                "ipv6": ["2001:db8:7000::/36{36,48}"],
                "asns": [],
            },
            "isp-more": {"ipv4": ["198.18.0.0/15"], "ipv6": [], "asns": []},
            "isp-asns": {"ipv4": [], "ipv6": [], "asns": [64702, 4200000001]},
            "never": {"ipv4": ["198.19.0.0/16{16,32}"], "ipv6": [], "asns": [666]},
            "nothing": {"ipv4": [], "ipv6": [], "asns": []},
        },
    }


@pytest.fixture
def signed(section):
    """The section with a session that is signed by TCP-AO, while its keys are rolled over."""
    keys = [
        {"id": 1, "secret": "bgp/old", "algorithm": "hmac sha1", "use": "deprecated"},
        {"id": 2, "secret": "bgp/new", "algorithm": "cmac aes128", "use": "preferred"},
    ]
    section["neighbors"].append(neighbor("signed", address="198.51.100.21", local="198.51.100.20", keys=keys))
    return section


@pytest.fixture
def rendered(section):
    """A function that renders the (changed) section for a version: its bird.conf."""

    def make(version=(2, 17, 6), **changes) -> str:
        files = render(section | changes, version=version, templates=TEMPLATES, secrets=SECRETS, key=KEY)
        return files["bird.conf"]

    return make
