"""The filter's counters in the Prometheus text format (0.0.4). Pure.

``salt-call xdp.metrics`` shows them; ``python3 -m tidegate.xdp.export`` prints them for a textfile collector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tidegate.xdp.counters import RuleTally, Tally

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, int]


class State(NamedTuple):
    """What is in force: the policy's marker, whether it is confirmed, and each device's mode."""

    marker: str
    confirmed: bool
    modes: Mapping[str, str]


def text(state: State, rules: Mapping[str, RuleTally], totals: Mapping[str, Tally]) -> str:
    """All figures, rules in their order."""
    families: list[tuple[str, str, str, list[Sample]]] = [
        (
            "tidegate_filter_info",
            "gauge",
            "1, with the name of the policy in force and whether it is confirmed.",
            [((("policy", state.marker), ("confirmed", str(state.confirmed).lower())), 1)],
        ),
        (
            "tidegate_filter_attached",
            "gauge",
            "Whether the program runs on the interface, by mode.",
            [((("device", device), ("mode", mode)), int(mode != "none")) for device, mode in state.modes.items()],
        ),
        *_pair("tidegate_filter", "Packets that met a policy, by what became of them.", _totals(totals)),
        *_pair(
            "tidegate_filter_rule",
            "What each rule in force has matched.",
            [((("rule", name),), tally.packets, tally.bytes) for name, tally in rules.items()],
        ),
        *_pair(
            "tidegate_filter_rule_over_limit",
            "Of what each rule matched, what was past its limit.",
            [((("rule", name),), tally.over_packets, tally.over_bytes) for name, tally in rules.items()],
        ),
    ]
    return "".join(_family(*family) for family in families)


def _totals(totals: Mapping[str, Tally]) -> list[tuple[Labels, int, int]]:
    return [((("outcome", name),), tally.packets, tally.bytes) for name, tally in totals.items()]


def _pair(
    name: str, help_text: str, figures: Iterable[tuple[Labels, int, int]]
) -> tuple[tuple[str, str, str, list[Sample]], tuple[str, str, str, list[Sample]]]:
    figures = list(figures)
    return (
        (f"{name}_packets_total", "counter", help_text, [(labels, packets) for labels, packets, _ in figures]),
        (f"{name}_bytes_total", "counter", help_text, [(labels, size) for labels, _, size in figures]),
    )


def _family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        spelt = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels)
        lines.append(f"{name}{{{spelt}}} {value}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
