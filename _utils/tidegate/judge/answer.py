"""Answers of Prometheus to range queries as metrics: one series a host, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tidegate.judge.metric import Definition, Metric, Samples

LABEL = "host"
"""The label of a series that has the minion id: queries aggregate ``by (host)``."""


class Series(Protocol):
    """One series of an answer, as `rollout.gates.prometheus.Series` has it."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""

    @property
    def points(self) -> Sequence[tuple[float, float]]:
        """(Unix seconds, value), in order."""


def answered(
    definition: Definition,
    series: Sequence[Series],
    exposure: Sequence[Series] | None = None,
    warnings: Sequence[str] = (),
    label: str = LABEL,
) -> Metric:
    """The metric of an answer. What cannot be told apart by host is a failure, which never passes.

    Args:
        definition: What was asked for.
        series: The answer; of a counter the raw totals, not their rate.
        exposure: The answer for what events are counted against.
        warnings: What the server warned of: an answer that may be incomplete is none.
        label: The label that has the host's id.
    """
    if warnings:
        return Metric(definition, failure=f"the server warned that its answer may be incomplete: {warnings[0]}")
    try:
        against = None if exposure is None else _by_host(exposure, label)
        return Metric(definition, _by_host(series, label), against)
    except _NotByHostError as error:
        return Metric(definition, failure=str(error))


class _NotByHostError(ValueError):
    pass


def _by_host(series: Sequence[Series], label: str) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    for each in series:
        host = each.labels.get(label)
        if not host:
            raise _NotByHostError(f"a series has no label {label!r}: aggregate by ({label})")
        if host in found:
            raise _NotByHostError(f"{host} has more than one series: aggregate by ({label})")
        found[host] = Samples.of([at for at, _ in each.points], [value for _, value in each.points])
    return found
