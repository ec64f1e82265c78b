"""A release that looks right and is bad: the first wave finds out, and nobody else."""

from __future__ import annotations

from lab.demo import releases
from lab.demo.edits import Edits, overridden
from lab.demo.scenes.anycast import PREFIX
from lab.demo.stage import Stage

TITLE = "Release 2 looks right, and is bad"
TEMPLATE = "traffic/templates/bird/announce.j2"
BUG = ("  bgp_med = ", "  if ! defined(bgp_med) then return false;\n  bgp_med = ")
MED: Edits = {"traffic/routing.sls": ("match: {pop: [lhr1, iad1]}", "match: {pop: [lhr1, iad1]}\n        med: 50")}


def play(stage: Stage) -> str:
    """Override a template with a mistake that nothing uses yet, release what uses it, watch, count."""
    stage.show.tell(
        "Like many sites, this one has a template of its own. It has a mistake: what is to be announced with a MED and "
        "has none yet is dropped. No host has noticed, for no announcement has had a MED so far:"
    )
    stage.show.output("\n".join(overridden(stage.fleet, TEMPLATE, *BUG)))
    stage.show.then("Somebody asks for one, in London and Ashburn. The policy is good, and so is every rule:")
    before = releases.answer(stage, "release", "show")["id"]
    releases.serve(stage, 2, MED)
    release = releases.release(stage, "a MED, so that upstreams prefer London and Ashburn")
    stage.run("master", "tidegate", "release", "delta", before[:12], release[:12])
    with releases.counted(stage) as counts:
        number = releases.roll_out(stage, release, "the demo", releases.ROLLED_BACK)
    tried = releases.tried(stage, number)
    stage.run("master", "tidegate", "rollout", "explain", str(number))
    stage.claim(len(tried) == 1, "one host has tried it", tried)
    releases.claim_none_lost(stage, counts[0])
    stage.show.means(
        f"BIRD accepted the file and dropped {PREFIX}. {tried[0]} saw it, undid it by itself, and the rollout ended "
        f"there; its neighbour in the PoP answered meanwhile. Requests lost: {counts[0].lost}."
    )
    return f"stopped at {tried[0]}, rolled back; {counts[0].lost} of {counts[0].sent} requests lost"
