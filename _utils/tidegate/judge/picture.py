"""A judgement as a picture, PNG or SVG: the effect with its bounds against the margin, and the evidence, over time."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Literal

from tidegate.host.errors import Refused
from tidegate.judge.judgement import Judgement, MetricJudgement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8
"""Metrics in one picture, the worst first; a longer one is not looked at."""
COLOURS = {"fail": "#b3261e", "inconclusive": "#8a6d00", "pass": "#1b6e3c"}


def picture(judgement: Judgement, kind: Literal["png", "svg"] = "svg") -> bytes:
    """The picture.

    Raises:
        Refused: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Refused("there is no matplotlib to draw with: install tidegate[plots]") from error
    rank = ["fail", "inconclusive", "pass"]
    chosen = sorted(judgement.metrics, key=lambda each: (rank.index(each.outcome), -each.evidence))[:MOST]
    drawn = [each for each in chosen if each.course.effect]
    rows = max(1, len(drawn))
    figure = Figure(figsize=(11, 1 + 2.6 * rows), layout="constrained")
    figure.suptitle(
        f"{judgement.outcome} at tick {judgement.tick} of {judgement.planned}", color=COLOURS[judgement.outcome]
    )
    for row, metric in enumerate(drawn):
        _effect(figure.add_subplot(rows, 2, 2 * row + 1), metric)
        _evidence(figure.add_subplot(rows, 2, 2 * row + 2), metric, judgement)
    if not drawn:
        figure.text(0.5, 0.4, judgement.reason, ha="center", wrap=True)
    return _saved(figure, kind)


def _saved(figure: Figure, kind: str) -> bytes:
    from matplotlib import rc_context

    held = io.BytesIO()
    # The same judgement gives the same bytes.
    with rc_context({"svg.hashsalt": "tidegate", "svg.fonttype": "none"}):
        figure.savefig(held, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None)
    return held.getvalue()


def _effect(axes: Axes, metric: MetricJudgement) -> None:
    course = metric.course
    factor = 100.0 if metric.log else 1.0
    ticks = range(1, len(course.effect) + 1)
    scaled = [[_shown(each, metric) for each in part] for part in (course.low, course.effect, course.high)]
    colour = COLOURS[metric.outcome]
    axes.fill_between(ticks, scaled[0], scaled[2], color=colour, alpha=0.18, linewidth=0)
    axes.plot(ticks, scaled[1], color=colour, linewidth=1.6)
    axes.axhline(0, color="#555555", linewidth=0.8)
    limits = {"higher": [1], "lower": [-1], "either": [1, -1]}[metric.worse]
    for sign in limits:
        if metric.margin > 0:
            margin = _shown(sign * metric.margin, metric)
            axes.axhline(margin, color="#555555", linewidth=1, linestyle="--")
    reach = [abs(each) for part in scaled for each in part[len(part) // 4 :] if math.isfinite(each)]
    margin = metric.margin * factor if metric.margin > 0 else 0.0
    most = max([*reach, margin, 1e-12]) * 1.15
    axes.set_ylim(-most, most)
    unit = "%" if metric.log else metric.unit
    axes.set_title(f"{metric.name}: effect{f' ({unit})' if unit else ''}, with its margin", fontsize=9, loc="left")
    axes.set_xlabel("tick", fontsize=8)
    axes.tick_params(labelsize=8)


def _shown(value: float, metric: MetricJudgement) -> float:
    if not math.isfinite(value):
        return math.nan
    return 100 * math.expm1(min(value, 50.0)) if metric.log else value


def _evidence(axes: Axes, metric: MetricJudgement, judgement: Judgement) -> None:
    ticks = range(1, len(metric.course.evidence) + 1)
    top = judgement.threshold
    # What is far beyond says no more, and would hide what is near.
    held = [min(max(each, -2.0), 2 * top) for each in metric.course.evidence]
    axes.plot(ticks, held, color=COLOURS[metric.outcome], linewidth=1.6)
    axes.axhline(top, color="#555555", linewidth=1, linestyle="--")
    axes.set_ylim(-2.2, 2.1 * top)
    axes.set_title("evidence of a deterioration (log10), and what stops the release", fontsize=9, loc="left")
    axes.set_xlabel("tick", fontsize=8)
    axes.tick_params(labelsize=8)
