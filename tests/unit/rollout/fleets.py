"""Fleets to make waves of: a host is written as ``name: (pop, class)`` or ``name: (pop, class, role)``."""

from typing import Any

from tidegate.policy.load import examine
from tidegate.policy.model import Policy
from tidegate.rollout.waves import assign

REGIONS = {"eu": ("lhr1", "ams1", "fra1"), "us": ("iad1", "ord1", "sjc1")}

FLEET = {f"edge{number}.{pop}": (pop, "gen12") for pops in REGIONS.values() for pop in pops for number in (1, 2, 3)} | {
    f"old{number}.{pop}": (pop, "gen11") for pop in ("lhr1", "iad1") for number in (1, 2)
}
"""22 hosts: three gen12 in every PoP, two gen11 in two of them."""

CANARY = {"name": "canary", "one_per": "class"}
REST = {"name": "all", "match": "all"}


def document(hosts: dict[str, tuple[str, ...]], waves: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A policy of these hosts, in this order, and nothing else but waves."""
    regions = {name: {"pops": {pop: {} for pop in pops}} for name, pops in REGIONS.items()}
    fleet = {
        name: {
            "pop": labels[0],
            "class": labels[1],
            "role": labels[2] if len(labels) > 2 else "edge",
            "router_id": f"10.{position >> 16}.{position >> 8 & 255}.{position & 255}",
            "interfaces": {"uplink": {"device": "eth0"}},
        }
        for position, (name, labels) in enumerate(hosts.items(), 1)
    }
    data: dict[str, Any] = {"fleet": {"regions": regions, "hosts": fleet}}
    return data if waves is None else {**data, "rollout": {"waves": waves}}


def waves(hosts, rules=None):
    """The waves of a fleet, whether or not `tidegate check` would have it so."""
    return assign(Policy.model_validate(document(hosts, rules)))


def hosts_of(hosts, rules=None):
    """Wave → its hosts."""
    return {wave.name: set(wave.hosts) for wave in waves(hosts, rules)}


def errors(hosts, rules):
    """Path → what `tidegate check` says about it."""
    found = {}
    for problem in examine(document(hosts, rules)).problems:
        text = f"{problem.message} | {problem.expected} | {problem.hint}"
        found[problem.where] = f"{found[problem.where]} || {text}" if problem.where in found else text
    return found
