"""A policy that is valid and wrong: it takes a host's way home, and the host comes back by itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any

from lab.demo import states
from lab.demo.edits import Edits, edited
from lab.demo.stage import PILLAR, Stage
from lab.fleet import REPO

TITLE = "A bad policy cuts a host off"
_HOST, _ADDRESS = "edge1.lhr1", "198.51.100.1"
_CUT: Edits = {
    "traffic/routing.sls": ("accept: all  ", 'accept: {{ "none" if host.endswith(".lhr1") else "all" }}  '),
}
_LIMIT = 90
"""Seconds in which it must be over: 30 to find a way home, and the undoing."""
_INTERVAL = 0.5
_STEADY = 4
"""Answers in a row that count as back."""


def play(stage: Stage) -> str:
    """Serve the policy, apply it to one host, watch from outside, see why, try again, put it back."""
    stage.show.tell(
        "London stops importing routes. Nothing is wrong with such a policy, except that the way home is among them."
    )
    good = _status(stage, shown=False)["confirmed"]["generation"]
    try:
        _serve(stage)
        gone, away = _watch(stage)
        _explain(stage, good)
        _again(stage)
    finally:
        stage.fleet.policy(PILLAR)
    _put_back(stage)
    return f"cut off after {gone:.0f} s, back by itself {away:.0f} s later"


def _serve(stage: Stage) -> None:
    copy, changes = edited("cut-off", _CUT)
    stage.show.output("\n".join(changes))
    done = stage.check(copy)
    stage.claim(done.returncode == 0, "the check has nothing against the policy", f"exit code {done.returncode}")
    stage.shown("policy", copy)
    stage.fleet.policy(REPO / copy)


def _watch(stage: Stage) -> tuple[float, float]:
    """Apply it and watch from the master.

    Returns:
        Seconds until the host was gone, and seconds for which it was.
    """
    stage.run("master", "salt", "--async", _HOST, "state.apply")
    stage.show.then(f"The master pings {_HOST} twice a second from here on:")
    look = f"{stage.lab} logs {_HOST}"
    with stage.show.waiting(_HOST) as tell, closing(_pings(stage)) as pings:
        gone = next((at for at, answered in pings if not answered), 0.0)
        stage.claim(gone, f"{_HOST} is cut off within {_LIMIT} s", "it answers all the time", look)
        _event(stage, gone, "no answer")
        back = _back(pings, lambda at: tell(f"unreachable for {at - gone:.0f} s"))
        stage.claim(back, f"{_HOST} comes back within {_LIMIT} s", "it does not", look)
        _event(stage, back, "it answers again")
    stage.show.means(
        f"Away for {back - gone:.0f} s: it looked for a way home for 30 s, then undid the change by itself."
    )
    return gone, back - gone


def _back(pings: Iterable[tuple[float, bool]], missing: Callable[[float], None]) -> float:
    """When the answers began that did not stop again; 0 if that never happened."""
    steady: list[float] = []
    for at, answered in pings:
        if not answered:
            steady = []
            missing(at)
            continue
        steady.append(at)
        if len(steady) == _STEADY:
            return steady[0]
    return 0.0


def _pings(stage: Stage) -> Generator[tuple[float, bool], None, None]:
    """Seconds from now and whether a ping was answered then, twice a second, as they happen."""
    command = ["timeout", str(_LIMIT), "ping", "-n", "-O", "-i", str(_INTERVAL), _ADDRESS]
    fleet, begun = stage.fleet, time.monotonic()
    words = fleet.engine.exec_command(fleet.container(fleet.topology.host("master")), command)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as ping:
        try:
            for line in ping.stdout or ():
                if "bytes from" in line or "no answer" in line or "Unreachable" in line:
                    yield time.monotonic() - begun, "bytes from" in line
        finally:
            ping.terminate()


def _event(stage: Stage, when: float, what: str) -> None:
    route = stage.quietly(_HOST, "ip", "route", "show", "default").strip() or "none"
    stage.show.output(f"{when:5.1f} s  {what}; its default route: {route}")


def _explain(stage: Stage, good: str) -> None:
    stage.show.then("The host knows why:")
    with stage.show.waiting("the minion finds its master again"):
        stage.fleet.wait_for_minions()
    status = _status(stage, shown=True)
    stage.show.output(f"confirmed  {status['confirmed']['generation']}")
    stage.show.output(f"running    {status['running']['generation']}")
    stage.show.output(f"pending    {status['pending'] or 'none'}")
    for name, entry in status["reverted"].items():
        stage.show.output(f"reverted   {name}: {entry['reason']}")
    same = status["confirmed"]["generation"] == status["running"]["generation"] == good
    stage.claim(same and not status["pending"], f"{_HOST} runs generation {good} again", status)
    reasons = [entry["reason"] for entry in status["reverted"].values()]
    stage.claim(any("no way home" in reason for reason in reasons), "the reason was kept", reasons)
    stage.show.means("The generation of before runs again; filter, shaping and routing were undone together.")


def _again(stage: Stage) -> None:
    stage.show.then("The next highstate, with the same policy:")
    told = stage.salt(_HOST, "state.apply")[_HOST]
    comments = states.failed(told)
    for comment in comments:
        stage.show.output(comment)
    refused = bool(comments) and "not tried again" in comments[0] and not states.changed(told)
    stage.claim(refused, "the generation that was undone is refused", comments or told)
    stage.show.means(
        "Refused before anything was touched: a highstate every half hour must not cut it off every half hour."
    )


def _put_back(stage: Stage) -> None:
    stage.show.then("The policy is put back.")
    stage.shown("policy", "pillar")
    told = stage.salt(_HOST, "state.apply")[_HOST]
    stage.show.table(("host", "states", "failed", "changed"),
                     [(_HOST, str(len(told)), str(len(states.failed(told))), str(len(states.changed(told))))],
                     right=[1, 2, 3])  # fmt: skip
    clean = not states.failed(told) and not states.changed(told)
    stage.claim(clean, "the highstate is clean again", states.failed(told) or states.changed(told))
    stage.show.means("Nothing to do: the host already runs what this policy says.")


def _status(stage: Stage, *, shown: bool) -> dict[str, Any]:
    return dict(stage.salt(_HOST, "traffic.status", shown=shown)[_HOST])
