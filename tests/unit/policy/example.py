"""A small good policy, and how tests change one thing in it."""

import copy
from typing import Any

from tidegate.policy.load import Loaded, examine

GOOD: dict[str, Any] = {
    "fleet": {
        "regions": {"eu": {"pops": {"lhr1": {}, "ams1": {}}}, "us": {"pops": {"iad1": {}}}},
        "hosts": {
            f"edge{number}.{pop}": {
                "pop": pop,
                "role": "edge",
                "class": "gen12",
                "router_id": f"10.0.0.{position}",
                "interfaces": {
                    "uplink": {
                        "device": "eth0",
                        "addresses": [f"198.51.100.{2 * position + 1}/31", f"2001:db8:{position}::2/64"],
                    }
                },
            }
            for position, (number, pop) in enumerate([(1, "lhr1"), (2, "lhr1"), (1, "ams1"), (1, "iad1")], 1)
        },
    },
    "routing": {
        "asn": 64500,
        "services": {"web": {"prefixes": ["192.0.2.0/24", "2001:db8:100::/48"], "min_pops": 1}},
        "neighbors": {
            "lhr1-v4": {"match": {"host": "edge1.lhr1"}, "address": "198.51.100.2", "asn": 64601, "role": "provider"},
            "lhr1-v6": {"match": {"host": "edge1.lhr1"}, "address": "2001:db8:1::1", "asn": 64601, "role": "provider"},
            "ams1-v4": {"match": {"pop": "ams1"}, "address": "198.51.100.6", "asn": 64602, "role": "peer"},
        },
        "announcements": [
            {"service": "web", "match": {"host": ["edge1.lhr1", "edge1.ams1"]}, "to": {"role": ["provider", "peer"]}}
        ],
    },
    "filtering": {
        "sets": {"bogons": {"prefixes": ["0.0.0.0/8", "240.0.0.0/4"]}},
        "rules": [
            {"name": "bogons", "match": {"role": "edge"}, "interface": "uplink", "source": "bogons", "action": "drop"},
            {
                "name": "dns",
                "match": {"role": "edge"},
                "interface": "uplink",
                "destination": "web",
                "protocol": "udp",
                "source_port": 53,
                "action": "drop",
            },
        ],
    },
    "shaping": [
        {
            "match": {"role": "edge"},
            "interface": "uplink",
            "rate": "100mbit",
            "classes": {
                "control": {"priority": 0, "guarantee": "5%", "match": [{"protocol": "tcp", "port": 179}]},
                "web": {"priority": 1, "guarantee": "60%", "ceiling": "90mbit", "match": [{"source": "web"}]},
                "bulk": {"priority": 3, "guarantee": "10%", "default": True},
            },
        }
    ],
}

GONE = object()
"""As a value in `changed`: take the key away."""


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The good policy with values put at slash-separated paths (host names hold dots)."""
    data = copy.deepcopy(GOOD)
    for path, value in changes:
        here: Any = data
        *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in above:
            here = here[part]
        if value is GONE:
            del here[last]
        elif isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value
    return data


def check(*changes: tuple[str, Any]) -> Loaded:
    """What examining the changed policy gives."""
    return examine(changed(*changes))


def errors(*changes: tuple[str, Any]) -> dict[str, str]:
    """Path → message, expectation and hint of every problem there, of the changed policy."""
    found: dict[str, str] = {}
    for problem in check(*changes).problems:
        text = f"{problem.message} | {problem.expected} | {problem.hint}"
        found[problem.where] = f"{found[problem.where]} || {text}" if problem.where in found else text
    return found
