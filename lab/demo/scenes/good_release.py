"""The same wish once more, with the mistake mended."""

from __future__ import annotations

from lab.demo import releases
from lab.demo.edits import Edits
from lab.demo.scenes.anycast import PREFIX
from lab.demo.scenes.bad_release import TEMPLATE
from lab.demo.stage import Stage

TITLE = "Release 3, good"
_MED: Edits = {"traffic/routing.sls": ("match: {pop: ams1}", "match: {pop: ams1}\n        med: 80")}


def play(stage: Stage) -> str:
    """Take the site's template away, release a MED for every PoP, and roll it out."""
    stage.show.tell("The site's template goes, and release 3 asks for a MED in Amsterdam too.")
    stage.fleet.override(TEMPLATE, None)
    releases.serve(stage, 3, _MED)
    release = releases.release(stage, "a MED everywhere")
    with releases.counted(stage) as counts:
        releases.roll_out(stage, release, "the demo", releases.COMPLETED)
    told = stage.run("transit-eu", "vtysh", "-c", f"show bgp ipv4 unicast {PREFIX}", trim=_metrics)
    stage.claim("metric 50" in told and "metric 80" in told, "the routers see both MEDs", told)
    releases.claim_none_lost(stage, counts[0])
    stage.run("master", "tidegate", "rollout", "history")
    stage.show.means("Every rollout stays on record: who, why, and the evidence of every gate.")
    return f"completed; {counts[0].lost} of {counts[0].sent} requests lost"


def _metrics(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "metric" in line)
