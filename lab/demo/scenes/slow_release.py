"""A release with which every check is good, and every answer slow: only a comparison tells."""

from __future__ import annotations

import time

from lab.demo import releases
from lab.demo.edits import Edits
from lab.demo.stage import Stage

TITLE = "Its sibling is healthy, and slow"
_RATE, _PAGE = 6.0, "/page"
_BEFORE = 24
"""Seconds to look at before the change: what the gate compares with, and a little."""
_A_ZERO_LESS: Edits = {
    "traffic/shaping.sls": ("{match: {pop: lhr1}, interface: uplink, profile: edge, rate: 20mbit}",
                            "{match: {pop: lhr1}, interface: uplink, profile: edge, rate: 2mbit}"),
}  # fmt: skip


def play(stage: Stage) -> str:
    """Shape London to a tenth, let the judge compare its two hosts, judge again from what was kept."""
    stage.show.tell(
        "Somebody means to write 20 Mbit/s for London and leaves out a zero. Every check stays good: routes are "
        "announced, classes are as planned, health answers. Pages take ten times as long. This time the canary's gate "
        "is a comparison: how many answers take more than a tenth of a second, on the host that has the release and "
        "on the one beside it."
    )
    releases.serve(stage, 2, _A_ZERO_LESS, sibling="-slow", gates="judged.sls")
    release = releases.release(stage, "London at 20 Mbit/s")
    with releases.counted(stage, _RATE, _PAGE) as counts:
        with stage.show.waiting(f"what answers take before the change, {_BEFORE} s"):
            time.sleep(_BEFORE)
        number = releases.roll_out(stage, release, "the demo", releases.ROLLED_BACK)
    tried = releases.tried(stage, number)
    stage.claim(len(tried) == 1, "one host has tried it", tried)
    releases.claim_none_lost(stage, counts[0])
    told = stage.run("master", "tidegate", "judge", "--replay", str(number), "--wave", "canary")
    stage.claim("FAIL" in told and "slow_answers" in told, "the judge found slow answers", told)
    stage.show.means(
        "Both hosts answered everything, so nothing was lost; one answered slowly. The data that it was judged by are "
        "in the rollout's journal, and give the same verdict again."
    )
    return f"stopped at {tried[0]} by the judge, rolled back; {counts[0].lost} of {counts[0].sent} requests lost"
