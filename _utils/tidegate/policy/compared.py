"""``rollout.gates[].metrics.compare`` and ``judge``: hosts with the release against hosts without. See docs/judge.md.

Everything leaves here as plain data: shares as numbers from 0 to 1, durations in seconds.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.queries import HostsQuery, Number
from tidegate.policy.strict import Name, Strict, spelt

PERCENT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)%")
LEAST_TICKS = 5
"""Ticks that a soak must have after the warm-up: with less, hardly anything can be shown."""


def _amount(value: Any) -> Any:
    if isinstance(value, str) and PERCENT.fullmatch(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300:
        return value
    raise unlike("a number from 0 in the metric's unit, or a share of the baseline's level such as '10%'")


def _share(value: Any) -> Any:
    match = PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0.1 <= float(match[1]) <= 20:
        raise unlike("a percentage from 0.1% to 20%, such as '2%'")
    return value


_SCHEMA = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{PERCENT.pattern}$"}]}
Amount = Annotated[Any, BeforeValidator(_amount), WithJsonSchema(_SCHEMA)]
"""So much in the metric's own unit, or a share of its level on the hosts without the release."""
Share = Annotated[Any, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": f"^{PERCENT.pattern}$"})]
Label = Annotated[str, spelt(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}", "the name of a label of Prometheus")]
Unit = Annotated[str, spelt(r"[^\x00-\x1f]{0,20}", "a unit of at most 20 characters")]


def amount(value: str | float) -> tuple[float, bool]:
    """An `Amount` as a number, and whether it is a share."""
    if isinstance(value, str):
        return float(value.rstrip("%")) / 100, True
    return float(value), False


class Compared(Strict):
    """A metric that must not be worse on hosts that have the release than on hosts like them that have not."""

    name: Name = Field(description="Name of the metric, unique in the gate.")
    query: HostsQuery = Field(
        description="PromQL with one series a host. Of a counter the total as it is, without rate(). {{ hosts }} are "
        "the hosts to compare, {{ window }} a tick. Where Jinja reads the file: between {% raw %} and {% endraw %}."
    )
    kind: Literal["counter", "gauge", "latency", "bounded"] = Field(
        description="counter: events over time or exposure. gauge: a level. latency: compared as ratios. "
        "bounded: a level from min to max, such as a share."
    )
    exposure: HostsQuery | None = Field(
        default=None, description="Of a counter: the total that its events are counted against; time unless stated."
    )
    worse: Literal["higher", "lower", "either"] = Field(default="higher", description="Which direction is bad.")
    margin: Amount = Field(
        description="What the release may cost and still pass: a number in the metric's unit (of a counter: events a "
        "second, or per exposure), or a share of the level without the release, such as 10%."
    )
    tolerance: Amount | None = Field(
        default=None, description="How much worse is not yet a reason to stop; written as the margin, and less than it."
    )
    min: Number | None = Field(default=None, description="Of a bounded metric: what is below is no measurement.")
    max: Number | None = Field(default=None, description="Of a bounded metric: what is above is no measurement.")
    quiet: bool = Field(default=False, description="Of a counter: that it counts nothing at all is normal.")
    unit: Unit = Field(default="", description="For people.")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind == "bounded":
            if self.min is None or self.max is None or not self.min < self.max:
                raise unlike("min and max of a bounded metric, the first below the second")
        elif self.min is not None or self.max is not None:
            raise unlike("min and max of a bounded metric alone", f"This one is a {self.kind}.")
        if self.kind != "counter" and (self.exposure is not None or self.quiet):
            raise unlike("exposure and quiet of a counter alone", f"This one is a {self.kind}.")
        return self

    @model_validator(mode="after")
    def _amounts(self) -> Self:
        margin, share = amount(self.margin)
        if margin <= 0:
            raise unlike("a margin above 0", "No number of hosts shows that there is no difference at all.")
        if self.kind == "latency" and not share:
            raise unlike("a latency's margin as a share, such as '10%'", "Latencies are compared as ratios.")
        if self.kind == "latency" and self.worse != "higher" and margin >= 1:
            raise unlike("a margin below 100%", "Nothing could be worse by the whole level.")
        if self.tolerance is not None:
            tolerance, shared = amount(self.tolerance)
            if shared != share and tolerance > 0:
                raise unlike("a tolerance written as the margin is", "Both a share, or both a number.")
            if tolerance >= margin:
                raise unlike("a tolerance less than the margin")
        return self

    def settings(self) -> dict[str, Any]:
        """Plain data: ``query``, ``exposure``, ``min``, ``max``, and ``definition`` as `judge.metric.Definition`."""
        margin, relative = amount(self.margin)
        definition = {
            "name": self.name,
            "kind": "counter" if self.kind == "counter" else "gauge",
            "worse": self.worse,
            "margin": margin,
            "relative": relative,
            "log": self.kind == "latency",
            "tolerance": amount(self.tolerance or 0)[0],
            "quiet": self.quiet,
            "unit": self.unit,
        }
        asked = {"query": self.query, "exposure": self.exposure, "min": self.min, "max": self.max}
        return {**asked, "definition": definition}


class Judge(Strict):
    """How the metrics to compare are judged, and which errors are allowed how often."""

    tick: Annotated[Duration, between("1s", "15m")] = Field(
        default="1m", description="Length of a tick: for each, a host is one number. Several scrapes long."
    )
    warmup: Annotated[Duration, between("0s", "1h")] = Field(
        default="2m", description="How long after the change nothing is judged, because a harmless restart is felt."
    )
    before: Annotated[Duration, between("5s", "2d")] | None = Field(
        default=None, description="How long before the change is looked at; twice the soak unless stated."
    )
    behind: Annotated[Duration, between("0s", "10m")] = Field(
        default="10s", description="How far behind now is judged: as late as samples may be."
    )
    label: Label = Field(default="host", description="The label of a series that has the host's id.")
    false_abort: Share = Field(
        default="2%",
        description="How often a release that changes nothing may be stopped, over all metrics and ticks of a wave.",
    )
    undecided: Literal["extend", "pause", "fail"] = Field(
        default="extend",
        description="When the soak is over and nobody knows: extend (watch on, then pause), pause (people look), fail.",
    )
    extension: Annotated[Duration, between("1s", "7d")] | None = Field(
        default=None, description="How long it is extended; as long as the soak unless stated."
    )

    @property
    def shortest_soak(self) -> float:
        """Seconds that a soak must last for anything to be judged."""
        return seconds(self.warmup) + LEAST_TICKS * seconds(self.tick)

    def settings(self) -> dict[str, Any]:
        """Plain data; ``before`` and ``extension`` are ``None`` where the soak decides."""
        return {
            "tick": seconds(self.tick),
            "warmup": seconds(self.warmup),
            "before": None if self.before is None else seconds(self.before),
            "behind": seconds(self.behind),
            "label": self.label,
            "false_abort": amount(self.false_abort)[0],
            "undecided": self.undecided,
            "extension": None if self.extension is None else seconds(self.extension),
        }
