"""A policy is checked as a whole before anything else happens."""

from __future__ import annotations

from lab.demo.edits import Edits, edited
from lab.demo.stage import Stage

TITLE = "The policy, checked"
_MISTAKES: Edits = {
    "traffic/filtering.sls": ("240.0.0.0/4, ", "198.51.100.0/24, "),
    "traffic/routing.sls": ("match: {pop: [lhr1, iad1]}", "match: {pop: [lhr, iad1]}"),
    "traffic/shaping.sls": ("guarantee: 60%", "guarante: 60%"),
}


def play(stage: Stage) -> str:
    """Check the good policy, then a copy with three mistakes."""
    stage.show.tell("One policy in Salt pillar says who announces what, what is dropped, and whose packets go first.")
    done = stage.check("pillar")
    stage.claim(done.returncode == 0, "the example policy has no errors", f"exit code {done.returncode}")
    copy, changes = edited("misspelt", _MISTAKES)
    stage.show.then("A copy of it, with a prefix too many, a misspelt PoP and a misspelt key:")
    stage.show.output("\n".join(changes))
    done = stage.check(copy)
    found = done.stdout.count("expected ")
    stage.claim(done.returncode == 1 and found == len(_MISTAKES), "all three mistakes are found", f"{found} found")
    stage.show.means(
        "All mistakes in one run, each with its line. The first is well-formed in every way; it was found by asking "
        "what the filter would do to each host's own BGP sessions."
    )
    return f"good policy accepted, {found} of {len(_MISTAKES)} mistakes found in a copy"
