"""Fleets to compare and to judge: the example policy with changes, or plans edited by hand."""

import copy

from example import GONE, GOOD, changed

from tidegate.host.plan import seal
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet

__all__ = ["GONE", "GOOD", "changed", "edited", "large", "plans", "policy", "sealed"]


def policy(*changes):
    return Policy.model_validate(changed(*changes))


def plans(*changes):
    return compile_fleet(policy(*changes))


def sealed(document):
    return seal({key: value for key, value in document.items() if key != "digest"})


def edited(fleet, host, edit):
    """The fleet with one host's plan edited: what another version of the library might have compiled."""
    document = copy.deepcopy(dict(fleet[host].document))
    edit(document)
    return {**fleet, host: sealed(document)}


def large(pops=20, hosts_in_pop=5, **neighbor):
    """A policy with many like hosts: one provider a PoP, one service announced everywhere."""
    names = [f"pop{number:02}" for number in range(pops)]
    hosts = {}
    for place, pop in enumerate(names):
        for number in range(hosts_in_pop):
            hosts[f"edge{number}.{pop}"] = {
                "pop": pop,
                "role": "edge",
                "class": f"gen{10 + number % 2}",
                "router_id": f"10.0.{place}.{number + 1}",
                "interfaces": {"uplink": {"device": "eth0", "addresses": [f"100.64.{place}.{number + 10}/24"]}},
            }
    return {
        "fleet": {
            "regions": {
                "east": {"pops": {pop: {} for pop in names[::2]}},
                "west": {"pops": {pop: {} for pop in names[1::2]}},
            },
            "hosts": hosts,
        },
        "routing": {
            "asn": 64500,
            "services": {"web": {"prefixes": ["192.0.2.0/24"], "min_pops": 2}},
            "neighbors": {
                f"{pop}-transit": {
                    "match": {"pop": pop},
                    "address": f"100.64.{place}.1",
                    "asn": 64601,
                    "role": "provider",
                    **neighbor,
                }
                for place, pop in enumerate(names)
            },
            "announcements": [{"service": "web", "match": "all", "to": "all"}],
        },
    }
