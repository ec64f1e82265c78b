"""A PoP loses power: the next one answers; it comes back by itself."""

from __future__ import annotations

import time

from lab.demo.scenes.anycast import VIP
from lab.demo.stage import EDGES, Stage

TITLE = "A PoP loses power"
_POP = ("edge1.lhr1", "edge2.lhr1")


def play(stage: Stage) -> str:
    """Kill both edges of London, ask again, start them, ask again."""
    stage.show.tell("Both edges in London are killed: every process at once, as a loss of power would.")
    for host in _POP:
        stage.shown("kill", host)
        stage.fleet.kill(host)
    away = _until_answered_by(stage, "ams1")
    stage.run("client", "curl", "-sS", "-m", "5", f"http://{VIP}/")
    stage.show.means(f"Amsterdam answers {away:.1f} s after the last host in London was gone.")
    stage.show.then("Power returns. Nobody runs a highstate.")
    for host in _POP:
        stage.shown("start", host)
        with stage.show.waiting(f"{host} boots"):
            stage.fleet.start(host)
    _until_answered_by(stage, "lhr1")
    stage.run("client", "curl", "-sS", "-m", "5", f"http://{VIP}/")
    stage.run(_POP[0], "journalctl", "--boot", "--no-pager", "--output=cat", "--unit=tidegate-restore")
    with stage.show.waiting("the minions find their master"):
        stage.fleet.wait_for_minions()
    told = stage.salt(EDGES, "traffic.drift")
    stage.show.table(("host", "differs from its confirmed generation in"), [(h, _list(told[h])) for h in sorted(told)])
    stage.claim(not any(told.values()), "no host differs from its generation after the boot", told)
    stage.show.means("Each boot restored the confirmed generation before BIRD started: filter, shaping, announcements.")
    return f"next PoP answered in {away:.1f} s; hosts restored themselves"


def _until_answered_by(stage: Stage, pop: str) -> float:
    """Seconds until a request from the client is answered by a PoP."""
    begun = time.monotonic()
    ask = ("curl", "-sS", "-m", "1", f"http://{VIP}/")
    stage.until(lambda: f" in {pop} answered" in stage.quietly("client", *ask), f"{pop} answers the client")
    return time.monotonic() - begun


def _list(found: object) -> str:
    return ", ".join(found) if isinstance(found, dict) and found else "nothing" if found == {} else str(found)
