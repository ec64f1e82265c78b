"""How long a policy takes: the check of the example, and the plans of a generated fleet of ten thousand hosts.

Run `python bench/compile.py` from anywhere; `--json` prints figures for `bench/RESULTS.md`.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tidegate.policy.load import examine, load
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet

EXAMPLE = Path(__file__).resolve().parent.parent / "pillar"
REGIONS, POPS_IN_REGION = 20, 10


def fleet_of(size: int) -> dict[str, Any]:
    """A policy as a large network might write it: 200 PoPs, two sessions a host, five rules, five classes."""
    pops = [f"pop{number:03}" for number in range(REGIONS * POPS_IN_REGION)]
    regions = {
        f"region{number:02}": {
            "pops": {pop: {} for pop in pops[number * POPS_IN_REGION : (number + 1) * POPS_IN_REGION]}
        }
        for number in range(REGIONS)
    }
    hosts = {f"edge{number // len(pops)}.{pops[number % len(pops)]}": number for number in range(size)}
    return {
        "fleet": {"regions": regions, "hosts": {name: _host(name, number) for name, number in hosts.items()}},
        "routing": _routing(pops),
        "filtering": _filtering(),
        "shaping": [_tree()],
    }


def _host(name: str, number: int) -> dict[str, Any]:
    edge, pop = name.split(".pop")
    place, position = int(pop), int(edge.removeprefix("edge")) + 10
    return {
        "pop": f"pop{pop}",
        "role": "edge",
        "class": f"gen{10 + number % 4}",
        "router_id": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        "interfaces": {
            "uplink": {
                "device": "eth0",
                "addresses": [f"100.64.{place}.{position}/24", f"2001:db8:{place:x}::{position:x}/64"],
            }
        },
    }


def _routing(pops: list[str]) -> dict[str, Any]:
    neighbors = {}
    for place, pop in enumerate(pops):
        for kind, address in (("v4", f"100.64.{place}.1"), ("v6", f"2001:db8:{place:x}::1")):
            neighbors[f"{pop}-transit-{kind}"] = {
                "match": {"pop": pop},
                "address": address,
                "asn": 64601,
                "role": "provider",
                "password": {"secret": f"bgp/{pop}"},
                "import": {"max_prefix": {"limit": 1000000}},
            }
    return {
        "asn": 64500,
        "services": {
            "web": {"prefixes": ["192.0.2.0/24", "2001:db8:1000::/48"], "min_pops": 100},
            "dns": {"prefixes": ["198.51.100.0/24", "2001:db8:2000::/48"], "min_pops": 100},
        },
        "neighbors": neighbors,
        "announcements": [
            {"service": "web", "match": {"role": "edge"}, "to": {"role": "provider"}, "communities": ["64500:100"]},
            {"service": "dns", "match": {"host": "edge[0-4]*"}, "to": {"role": "provider"}, "prepend": 1},
        ],
    }


def _filtering() -> dict[str, Any]:
    rule = {"match": {"role": "edge"}, "interface": "uplink", "action": "drop"}
    return {
        "sets": {
            "bogons": {"prefixes": ["0.0.0.0/8", "127.0.0.0/8", "240.0.0.0/4"]},
            "abusers": {"prefixes": [f"203.0.113.{number * 4}/30" for number in range(50)]},
        },
        "rules": [
            {**rule, "name": "bogons", "source": "bogons"},
            {**rule, "name": "abusers", "source": "abusers"},
            {**rule, "name": "dns-amplification", "destination": "web", "protocol": "udp", "source_port": 53},
            {**rule, "name": "ntp-amplification", "destination": "web", "protocol": "udp", "source_port": 123},
            {**rule, "name": "old", "match": {"class": ["gen10", "gen11"]}, "protocol": "gre"},
        ],
    }


def _tree() -> dict[str, Any]:
    return {
        "match": {"role": "edge"},
        "interface": "uplink",
        "rate": "10gbit",
        "classes": {
            "control": {"priority": 0, "guarantee": "1%", "match": [{"dscp": "cs6"}, {"protocol": "tcp", "port": 179}]},
            "management": {"priority": 1, "guarantee": "1%", "match": [{"protocol": "tcp", "source_port": 22}]},
            "dns": {"priority": 1, "guarantee": "10%", "match": [{"source": "dns"}]},
            "web": {"priority": 2, "guarantee": "60%", "match": [{"source": "web"}]},
            "bulk": {"priority": 3, "guarantee": "5%", "default": True},
        },
    }


def timed(work: Callable[[], Any], times: int) -> dict[str, float]:
    """Seconds, best and middle of some runs; ``cpu_s`` is processor time, which other work does not lengthen."""
    wall, processor = [], []
    for _ in range(times):
        gc.collect()
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return {"min_s": round(min(wall), 3), "median_s": round(median(wall), 3), "cpu_s": round(min(processor), 3)}


def measure(size: int, times: int) -> dict[str, Any]:
    """All figures. Every compile starts from a policy that nothing has been worked out from yet."""
    document = fleet_of(size)
    loaded = examine(document)
    if loaded.problems:
        sys.exit("\n".join(map(str, loaded.problems[:10])))
    policies = iter([Policy.model_validate(document) for _ in range(times)])
    return {
        "hosts": size,
        "compile_fleet": timed(lambda: compile_fleet(next(policies)), times),
        "check_fleet": timed(lambda: examine(document), 1),
        "load_example_first": timed(lambda: load(EXAMPLE), 1),
        "load_example": timed(lambda: load(EXAMPLE), times),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.hosts, options.times)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{options.hosts} hosts, {options.times} runs, seconds: min / median / processor")
    for name in ("compile_fleet", "check_fleet", "load_example_first", "load_example"):
        best, middle, processor = figures[name].values()
        print(f"  {name:20} {best:8.3f} / {middle:.3f} / {processor:.3f}")


if __name__ == "__main__":
    main()
