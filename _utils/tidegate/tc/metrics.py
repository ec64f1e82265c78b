"""The trees' counters in Prometheus' text exposition format (version 0.0.4). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tidegate.tc.policer import PolicedClass, Policer
from tidegate.tc.policing import Policed
from tidegate.tc.show import Counters, LiveClass
from tidegate.tc.tree import HtbClass, Tree

_COUNTED = (
    ("bytes", "tidegate_tc_sent_bytes_total", "counter", "Bytes that a class sent."),
    ("packets", "tidegate_tc_sent_packets_total", "counter", "Packets that a class sent."),
    ("drops", "tidegate_tc_dropped_packets_total", "counter", "Packets that a class dropped."),
    ("overlimits", "tidegate_tc_overlimits_total", "counter", "How often a class had to wait for its rate."),
    ("backlog", "tidegate_tc_backlog_bytes", "gauge", "Bytes that wait in a class."),
    ("queued", "tidegate_tc_backlog_packets", "gauge", "Packets that wait in a class."),
)
_PLANNED = (
    ("guarantee", "tidegate_tc_guarantee_bits_per_second", "What a class is guaranteed."),
    ("ceiling", "tidegate_tc_ceiling_bits_per_second", "What a class may have at most."),
)


class _Row(NamedTuple):
    """One class, with what it is labelled by."""

    labels: str
    counters: Counters | Policed | None
    guarantee: int
    ceiling: int


def text(
    trees: Sequence[tuple[Tree, Mapping[int, LiveClass]]],
    policers: Sequence[tuple[Policer, Mapping[str, Policed]]] = (),
) -> str:
    """Every class that packets wait in: sent, dropped, overlimits, backlog, beside what it is guaranteed.

    Of a class that is policed: let in as sent, and dropped; it has no queue. A class that is not there, or shows no
    counters, has no sample: unknown is not zero.
    """
    rows = [
        _Row(_labels(tree, each), live[each.minor].counters if each.minor in live else None, each.rate, each.ceiling)
        for tree, live in trees
        for each in tree.leaves
    ]
    rows += [
        _Row(_labels(policer, each), counts.get(each.name), each.guarantee, each.ceiling)
        for policer, counts in policers
        for each in policer.classes
    ]
    return "".join(f"{line}\n" for line in _lines(rows))


def _lines(rows: Sequence[_Row]) -> Iterator[str]:
    for attribute, name, kind, about in _COUNTED:
        yield from _head(name, kind, about)
        for row in rows:
            if row.counters and attribute in row.counters._fields:
                yield f"{name}{row.labels} {getattr(row.counters, attribute)}"
    for attribute, name, about in _PLANNED:
        yield from _head(name, "gauge", about)
        yield from (f"{name}{row.labels} {getattr(row, attribute)}" for row in rows)


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _labels(tree: Tree | Policer, each: HtbClass | PolicedClass) -> str:
    """Names of classes and devices are letters, digits and a few signs: there is nothing to escape."""
    return f'{{interface="{tree.interface}",device="{tree.device}",class="{each.name}",priority="{each.priority}"}}'
