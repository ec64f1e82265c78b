"""The judge's metrics out of a Prometheus: each host's series from before the change until now."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegate.host.errors import Refused
from tidegate.judge.answer import answered
from tidegate.judge.comparison import Comparison, matched_sets
from tidegate.judge.metric import Definition, Metric, Samples
from tidegate.rollout.gates.gate import brief
from tidegate.rollout.gates.prometheus import Prometheus, PrometheusError, Range, Series, Unreachable
from tidegate.rollout.gates.query import render

PER_TICK = (4, 2, 1)
"""Values asked for in each tick, if that is not too many of them."""
MOST_POINTS = 10_000
"""Values of one series in one answer: Prometheus gives 11,000."""
MOST_VALUES = 300_000
"""Values in one answer: some 30 bytes each, of the `prometheus.LARGEST` that are read."""
LOOKBACK = 2.0
"""Ticks that a sample may be old: after that the host has no value, and the judge calls it late."""


@dataclass(frozen=True)
class Asking:
    """How a gate asks for all that it compares.

    Attributes:
        server: Whom.
        comparison: Of which hosts and times.
        now: Up to when, in Unix seconds.
        label: The label that has the host's id.
        deadline: Until when it may take, of `time.monotonic`.
    """

    server: Prometheus
    comparison: Comparison
    now: float
    label: str
    deadline: float

    def metrics(self, compared: Sequence[Mapping[str, Any]]) -> list[Metric]:
        """The metrics, in order. What could not be had says why; after a server that is down nothing more is asked."""
        found: list[Metric] = []
        gone: str | None = None
        for settings in compared:
            definition = Definition(**settings["definition"])
            if gone is not None:
                found.append(Metric(definition, failure=gone))
                continue
            try:
                found.append(self._metric(definition, settings))
            except (PrometheusError, Refused) as error:
                found.append(Metric(definition, failure=brief(error)))
                gone = brief(error) if isinstance(error, Unreachable) else None
        return found

    def _metric(self, definition: Definition, settings: Mapping[str, Any]) -> Metric:
        answer = self._range(settings["query"])
        exposure = self._range(settings["exposure"]) if settings.get("exposure") else None
        warnings = (*answer.warnings, *(exposure.warnings if exposure else ()))
        metric = answered(definition, answer.series, exposure.series if exposure else None, warnings, self.label)
        if settings.get("min") is None:
            return metric
        return replace(metric, series=_bounded(metric.series, settings["min"], settings["max"]))

    def _range(self, query: str) -> Range:
        """One answer, asked for in parts where it would be too large."""
        hosts = [host for each in matched_sets(self.comparison) for host in (*each.canaries, *each.baselines)]
        start, end, step = self._grid()
        share = max(1, int(MOST_VALUES / ((end - start) / step + 1)))
        parts = [self._part(query, hosts[first : first + share], start, end, step) for first in _firsts(hosts, share)]
        series = [one for part in parts for one in part.series]
        return Range(tuple(series), tuple(warning for part in parts for warning in part.warnings))

    def _part(self, query: str, hosts: Sequence[str], start: float, end: float, step: float) -> Range:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("the gate's time was up before this was asked")
        text = render(query, hosts, max(1.0, self.comparison.step))
        answer = self.server.range(text, start, end, step, left, lookback=LOOKBACK * self.comparison.step)
        wanted = set(hosts)
        # A query may match more than it was asked for; whoever has no label at all is the judge's to refuse.
        return Range(tuple(one for one in answer.series if _wanted(one, self.label, wanted)), answer.warnings)

    def _grid(self) -> tuple[float, float, float]:
        """Start, end and step, so that the edges of ticks are among the moments that are asked for."""
        chosen = self.comparison
        since = chosen.before[0] - chosen.step
        length = self.now - since
        step = next((chosen.step / n for n in PER_TICK if length / (chosen.step / n) <= MOST_POINTS), chosen.step)
        start = chosen.start - math.ceil((chosen.start - since) / step) * step
        end = chosen.start + math.floor(max(self.now - chosen.start, 0.0) / step) * step
        return start, end, step


def _firsts(hosts: Sequence[str], share: int) -> range:
    return range(0, len(hosts), share)


def _wanted(series: Series, label: str, hosts: set[str]) -> bool:
    return series.labels.get(label, "") in hosts or not series.labels.get(label)


def _bounded(series: Mapping[str, Samples], least: float, most: float) -> dict[str, Samples]:
    """What is outside of its bounds is no measurement."""

    def inside(samples: Samples) -> Samples:
        good = (samples.values >= least) & (samples.values <= most)
        return Samples(samples.times, np.where(good, samples.values, np.nan))

    return {host: inside(samples) for host, samples in series.items()}
