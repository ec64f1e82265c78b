"""The checker's figures in the Prometheus text format (0.0.4): ``RUN/health.prom``, for node_exporter's textfile
collector or for whoever reads files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.checker.record import Known
from tidegate.host.paths import paths

STATES = ("unproven", "up", "down", "held")


@dataclass
class Tally:
    """What one check has seen since the checker started; ``seconds`` is how long its last look took."""

    good: int = 0
    bad: int = 0
    seconds: float = 0.0


def text(services: Mapping[str, Known], tallies: Mapping[tuple[str, str], Tally], changes: Mapping[str, int]) -> str:
    """All figures; ``changes`` counts announcements and withdrawals of each service since the checker started."""
    checks = [(service, name, pulse) for service, one in services.items() for name, pulse in one.pulses.items()]
    families = (
        (
            "tidegate_service_announced",
            "gauge",
            "Whether the service is announced by this host.",
            [((("service", name),), int(one.announced)) for name, one in services.items()],
        ),
        (
            "tidegate_service_state",
            "gauge",
            "1 for the state that the service is in.",
            [
                ((("service", name), ("state", state)), int(one.standing.state == state))
                for name, one in services.items()
                for state in STATES
            ],
        ),
        (
            "tidegate_service_changes_total",
            "counter",
            "Announcements and withdrawals since the checker started.",
            [((("service", name),), changes.get(name, 0)) for name in services],
        ),
        (
            "tidegate_check_well",
            "gauge",
            "Whether the check is well; absent until somebody has looked.",
            [(_check(s, name), int(pulse.well)) for s, name, pulse in checks if pulse.well is not None],
        ),
        (
            "tidegate_check_looks_total",
            "counter",
            "Looks since the checker started.",
            [
                ((*_check(service, name), ("result", result)), count)
                for (service, name), tally in tallies.items()
                for result, count in (("good", tally.good), ("bad", tally.bad))
            ],
        ),
        (
            "tidegate_check_seconds",
            "gauge",
            "How long the last look took.",
            [(_check(*key), round(tally.seconds, 6)) for key, tally in tallies.items()],
        ),
    )
    return "".join(_family(*family) for family in families)


def write(content: str) -> None:
    """Replace the file in one step. Nothing is synced: a restart of the host forgets it anyway."""
    file = path()
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(content, encoding="utf-8")
    aside.replace(file)


def path() -> Path:
    """Where the figures are."""
    return paths().run / "health.prom"


Labels = tuple[tuple[str, str], ...]


def _check(service: str, name: str) -> Labels:
    return (("service", service), ("check", name))


def _family(name: str, kind: str, words: str, samples: Iterable[tuple[Labels, float]]) -> str:
    lines = [f"{name}{{{','.join(_label(*label) for label in labels)}}} {value}" for labels, value in samples]
    return "\n".join([f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines, ""])


def _label(key: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{key}="{escaped}"'
