"""Prometheus in the lab: on the client, outside of what it looks at.

It reads edges' origin servers, their machines with what Tidegate writes there, their BIRD; the client's requests; the
engine.

Its series carry ``host`` and ``pop`` as the policy names them. A metrics gate asks `url`.
"""

from __future__ import annotations

from typing import Any

import yaml

from lab.salt_config import METRICS_PORT
from lab.topology import Topology

PORT = 9090
EDGE_JOBS = {"origin": (8080, "1s"), "node": (9100, "5s"), "bird": (9324, "5s")}
"""Job → port of ``/metrics`` on an edge's own address (the anycast one may be another host's), and how often."""
REQUESTS_PORT = 9481


def url(topology: Topology) -> str:
    """Where Prometheus answers, as the master reaches it."""
    return f"http://{topology.address(topology.by_role('client')[0])}:{PORT}"


def config(topology: Topology) -> str:
    """``/etc/prometheus/prometheus.yml``: a sample a second, so that a wave of seconds can be judged."""
    jobs: list[dict[str, Any]] = [
        {"job_name": job, "scrape_interval": interval, "static_configs": _edges(topology, port)}
        for job, (port, interval) in EDGE_JOBS.items()
    ]
    master = topology.address(topology.by_role("master")[0])
    jobs += [
        {"job_name": "requests", "static_configs": [{"targets": [f"127.0.0.1:{REQUESTS_PORT}"]}]},
        {"job_name": "tidegate", "static_configs": [{"targets": [f"{master}:{METRICS_PORT}"]}]},
    ]
    document = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    return yaml.safe_dump(document, sort_keys=False)


def _edges(topology: Topology, port: int) -> list[dict[str, Any]]:
    return [
        {
            "targets": [f"{topology.address(host)}:{port}"],
            "labels": {"host": host.name, "pop": host.name.rpartition(".")[2]},
        }
        for host in topology.edges
    ]
