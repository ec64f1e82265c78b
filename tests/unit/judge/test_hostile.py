"""Whatever the data are: a judgement, never an exception, and never a pass on what is not known."""

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from series import BEFORE, CHANGED, STEP, comparison, hosts_of, now

from tidegate.judge.case import Case
from tidegate.judge.differences import differences
from tidegate.judge.inconclusive import Patience, next_step
from tidegate.judge.metric import Definition, Metric, Samples
from tidegate.judge.text import lines

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -1.0, 1e300, 1e-300, math.nan])
)
definitions = st.builds(
    Definition,
    name=st.just("m"),
    kind=st.sampled_from(["counter", "gauge"]),
    worse=st.sampled_from(["higher", "lower", "either"]),
    margin=st.sampled_from([-1.0, 0.0, 0.1, 1.0, 1e9]),
    relative=st.booleans(),
    log=st.booleans(),
    tolerance=st.sampled_from([0.0, 0.05]),
    quiet=st.booleans(),
)


@st.composite
def series(draw, chosen):
    found = {}
    for host in hosts_of(chosen):
        if draw(st.integers(0, 9)) == 0:
            continue
        values = np.array(draw(st.lists(numbers, min_size=1, max_size=4)))
        times = np.arange(CHANGED - draw(st.sampled_from([0, 2, BEFORE])) * STEP, now(draw(st.integers(-3, 9))), 30.0)
        found[host] = Samples(times, np.resize(values, len(times)))
    return found


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_garbage_never_passes_and_never_breaks(data):
    chosen = comparison(data.draw(st.integers(1, 8)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), 5)
    exposure = data.draw(st.none() | series(chosen))
    metrics = [Metric(data.draw(definitions), data.draw(series(chosen)), exposure) for _ in range(2)]
    case = Case.judged(metrics, chosen, now(data.draw(st.integers(-3, 9))))
    found = case.judgement
    for metric in found.metrics:
        assert metric.reason
        if metric.outcome == "pass":
            assert not metric.faults
            assert math.isfinite(metric.effect)
            assert metric.margin > 0
    assert next_step(found, Patience()) in ("promote", "stop", "wait", "pause")
    assert "\n".join(lines(found))
    again = Case.of(json.loads(json.dumps(case.as_dict(), allow_nan=False)))
    assert not differences(again.judgement, again.replayed())
