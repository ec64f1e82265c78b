"""Prometheus in the lab: on the client, outside of what it looks at. It reads edges' origin servers, and the engine.

Its series carry ``host`` and ``pop`` as the policy names them. A metrics gate asks `url`.
"""

from __future__ import annotations

from typing import Any

import yaml

from lab.salt_config import METRICS_PORT
from lab.topology import Topology

PORT = 9090
ORIGIN_PORT = 8080
"""Where an edge serves ``/metrics``, on the address of its own: the anycast one may be answered by another host."""


def url(topology: Topology) -> str:
    """Where Prometheus answers, as the master reaches it."""
    return f"http://{topology.address(topology.by_role('client')[0])}:{PORT}"


def config(topology: Topology) -> str:
    """``/etc/prometheus/prometheus.yml``: a sample a second, so that a wave of seconds can be judged."""
    targets = [
        {
            "targets": [f"{topology.address(host)}:{ORIGIN_PORT}"],
            "labels": {"host": host.name, "pop": host.name.rpartition(".")[2]},
        }
        for host in topology.edges
    ]
    master = topology.address(topology.by_role("master")[0])
    document: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {"job_name": "origin", "static_configs": targets},
            {"job_name": "tidegate", "static_configs": [{"targets": [f"{master}:{METRICS_PORT}"]}]},
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)
