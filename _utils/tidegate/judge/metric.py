"""One metric as the judge is given it: what it measures, which way is worse, and every host's series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
Worse = Literal["higher", "lower", "either"]


@dataclass(frozen=True)
class Samples:
    """One series of one host.

    Attributes:
        times: Seconds since the epoch, ascending; shape (n,).
        values: At these times; NaN for a sample that is none; shape (n,).
    """

    times: Array
    values: Array

    @classmethod
    def of(cls, times: object, values: object) -> Samples:
        """From anything that NumPy can read; sorted by time, one sample a moment."""
        moments = np.asarray(times, dtype=np.float64)
        _, first = np.unique(moments, return_index=True)
        return cls(moments[first], np.asarray(values, dtype=np.float64)[first])


@dataclass(frozen=True)
class Definition:
    """What a metric is, as the policy says.

    Attributes:
        name: Unique within its gate.
        kind: ``counter`` for a total that only grows; it is judged as events over exposure. ``gauge`` for all else:
            levels, shares, latencies.
        worse: The direction that is bad.
        margin: What a release may cost and still pass. It must be above 0.
        relative: The margin is a share of the baseline's level; else it is in the metric's own unit.
        log: Compare ratios, not differences: for what is never negative and has long tails, such as latencies.
        tolerance: How much worse is not yet a deterioration; in the same terms as the margin.
        quiet: Of a counter: that nothing happens at all is normal. Without it, silence is no evidence.
        unit: For people; of a counter that of its events.
    """

    name: str
    kind: Literal["counter", "gauge"] = "gauge"
    worse: Worse = "higher"
    margin: float = 0.1
    relative: bool = True
    log: bool = False
    tolerance: float = 0.0
    quiet: bool = False
    unit: str = ""

    def problem(self) -> str | None:
        """What is wrong with it, in words; ``None`` if nothing is."""
        if not self.margin > 0:
            return f"its margin is {self.margin:g}; it must be above 0"
        if not 0 <= self.tolerance < self.margin:
            return f"its tolerance is {self.tolerance:g}; it must be at least 0 and less than its margin"
        if self.log and self.kind == "counter":
            return "a counter is not compared on a logarithmic scale: it may be 0"
        if self.log and not self.relative:
            return "on a logarithmic scale its margin is a share: it must be relative"
        if self.log and self.worse != "higher" and self.margin >= 1:
            return "a margin of the whole level or more lets everything pass"
        return None


@dataclass(frozen=True)
class Metric:
    """A metric with its data.

    Attributes:
        definition: What it is.
        series: Host → its series. Of a counter these are the raw totals, with their resets.
        exposure: Host → the counter that events are counted against, such as requests; ``None`` for time.
        failure: Why there is no data, if the provider gave none.
    """

    definition: Definition
    series: Mapping[str, Samples] = field(default_factory=dict)
    exposure: Mapping[str, Samples] | None = None
    failure: str | None = None
