"""Balancing's figures in the Prometheus text format (0.0.4): ``RUN/balancing.prom``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from tidegate.balancing import volumes
from tidegate.bpf.loader import pinned_maps
from tidegate.host.paths import paths
from tidegate.xdp import attachment

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


def text(members: Mapping[str, Mapping[str, bool | None]], capacity: Mapping[str, float]) -> str:
    """All figures.

    Args:
        members: Service → backend → whether it is well; ``None`` has no figure.
        capacity: Service → the share of its weight that is well.

    Raises:
        Failed: The kernel's counters cannot be read.
    """
    well = [
        (_of(name, host), int(one)) for name, hosts in members.items() for host, one in hosts.items() if one is not None
    ]
    with pinned_maps(attachment.maps_directory()) as maps:
        counted = volumes.of(maps, volumes.names(maps)) if maps else {}
        fates = volumes.fates(maps) if maps else {}
    services = {name: volume for name, volume in counted.items() if "/" not in name}
    backends = {(*name.split("/", 1),): volume for name, volume in counted.items() if "/" in name}
    families = (
        ("backend_well", "gauge", "Whether the backend is well; absent until somebody has looked.", well),
        ("pool_capacity", "gauge", "The share of the pool's weight that is well.", _by_service(capacity)),
        ("service_packets_total", "counter", "Packets for the service.", _by_service(_part(services, 0))),
        ("service_bytes_total", "counter", "Bytes for the service, unwrapped.", _by_service(_part(services, 1))),
        ("backend_packets_total", "counter", "Packets sent to the backend.", _by_backend(_part(backends, 0))),
        ("backend_bytes_total", "counter", "Bytes sent to the backend, unwrapped.", _by_backend(_part(backends, 1))),
        (
            "fate_packets_total",
            "counter",
            "What became of packets that balancing looked at.",
            [((("fate", name),), volume.packets) for name, volume in fates.items()],
        ),
    )
    return "".join(_family(f"tidegate_balancing_{name}", *rest) for name, *rest in families)


def write(content: str) -> None:
    """Replace the file in one step. Nothing is synced: a restart of the host forgets it anyway."""
    file = paths().run / "balancing.prom"
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(content, encoding="utf-8")
    aside.replace(file)


def _part(counted: Mapping, position: int) -> dict:  # type: ignore[type-arg]
    return {key: volume[position] for key, volume in counted.items()}


def _by_service(values: Mapping[str, float]) -> list[Sample]:
    return [((("service", name),), value) for name, value in values.items()]


def _by_backend(values: Mapping[tuple[str, ...], float]) -> list[Sample]:
    return [(_of(*key), value) for key, value in values.items()]


def _of(service: str, host: str) -> Labels:
    return (("service", service), ("backend", host))


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [
        f"{name}{{{','.join(f'{key}={chr(34)}{value}{chr(34)}' for key, value in labels)}}} {value}"
        for labels, value in samples
    ]
    return "\n".join([f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines, ""])
