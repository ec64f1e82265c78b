"""A release reaches the whole fleet, in waves with gates."""

from __future__ import annotations

from lab.demo import releases
from lab.demo.edits import Edits
from lab.demo.stage import Stage

TITLE = "Release 1, in waves"
_EDITS: Edits = {"traffic/routing.sls": ('communities: ["64500:100"]', 'communities: ["64500:100", "64500:110"]')}


def play(stage: Stage) -> str:
    """Freeze the policy as a release, show its waves, roll it out while the client keeps asking."""
    stage.show.tell(
        "From here on nothing reaches a host by itself: a policy becomes a release, and a rollout brings it to the "
        "hosts wave by wave. This one changes the community on what every host announces."
    )
    releases.serve(stage, 1, _EDITS)
    release = releases.release(stage, "one more community")
    stage.run("master", "tidegate", "rollout", "plan", release[:12])
    with releases.counted(stage) as counts:
        number = releases.roll_out(stage, release, "the demo", releases.COMPLETED)
    view = releases.answer(stage, "rollout", "status", str(number))
    waves = [wave["name"] for wave in view["waves"]]
    releases.claim_none_lost(stage, counts[0])
    stage.show.means(
        "No wave began before the gates of the one before it had passed: health and drift of every host, the testinfra "
        "suite, figures from Prometheus, a probe from outside."
    )
    return f"{len(waves)} waves ({', '.join(waves)}); {counts[0].lost} of {counts[0].sent} requests lost"
