"""A policy that is valid and wrong: it takes a host's way home, and the host comes back by itself."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.demo import states
from lab.demo.edits import Edits, edited
from lab.demo.stage import PILLAR, Stage
from lab.fleet import LabError

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
        with tempfile.TemporaryDirectory() as work:
            _serve(stage, Path(work) / "copy")
        gone, away = _watch(stage)
        _explain(stage, good)
        _again(stage)
    finally:
        stage.fleet.policy(PILLAR)
    _put_back(stage)
    return f"cut off after {gone:.0f} s, back by itself after {away:.0f} s away, bad generation refused from then on"


def _serve(stage: Stage, copy: Path) -> None:
    changes = edited(copy, _CUT)
    stage.show.output("\n".join(changes))
    done = stage.here("tidegate check copy", [stage.venv("tidegate"), "check", "copy"], copy.parent)
    stage.claim(done.returncode == 0, "the check has nothing against the policy", f"exit code {done.returncode}")
    stage.show.command(f"{stage.lab} policy copy")
    stage.fleet.policy(copy)


def _watch(stage: Stage) -> tuple[float, float]:
    """Apply it and watch from the master.

    Returns:
        Seconds until the host was gone, and seconds for which it was.
    """
    stage.run("master", "salt", "--async", _HOST, "state.apply")
    stage.show.tell(f"\nThe master pings {_HOST} twice a second from here on:")
    begun, gone, since = time.monotonic(), 0.0, 0.0
    steady = 0
    with stage.show.waiting(f"{_HOST} is watched from its master") as tell:
        for answered in _pings(stage):
            now = time.monotonic() - begun
            if not gone and not answered:
                gone = now
                _event(stage, gone, "no answer")
            steady = steady + 1 if answered else 0
            if gone and steady == 1:
                since = now
            tell(f"gone for {now - gone:.0f} s" if gone and not answered else "it answers")
            if gone and steady == _STEADY:
                _event(stage, since, "it answers again")
                stage.show.means(f"It was away for {since - gone:.0f} s, and nobody lifted a finger.")
                return gone, since - gone
    what = "comes back" if gone else "is cut off"
    stage.claim(False, f"{_HOST} {what} within {_LIMIT} s", "it did not", f"{stage.lab} logs {_HOST}")
    raise AssertionError


def _pings(stage: Stage) -> Iterator[bool]:
    """Whether each ping was answered, twice a second, as they happen."""
    command = ["timeout", str(_LIMIT), "ping", "-n", "-O", "-i", str(_INTERVAL), _ADDRESS]
    fleet = stage.fleet
    words = fleet.engine.exec_command(fleet.container(fleet.topology.host("master")), command)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as ping:
        try:
            for line in ping.stdout or ():
                if "bytes from" in line:
                    yield True
                elif "no answer" in line or "Unreachable" in line:
                    yield False
        finally:
            ping.terminate()


def _event(stage: Stage, when: float, what: str) -> None:
    route = stage.quietly(_HOST, "ip", "route", "show", "default").strip() or "none"
    stage.show.output(f"{when:5.1f} s  {what}; its default route: {route}")


def _explain(stage: Stage, good: str) -> None:
    stage.show.tell("\nThe host knows why:")
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
    stage.show.means(f"Generation {good} runs again: XDP, tc and BIRD were undone together.")


def _again(stage: Stage) -> None:
    stage.show.tell("\nThe next highstate, with the same policy:")
    told = stage.salt(_HOST, "state.apply")[_HOST]
    comments = states.failed(told)
    for comment in comments:
        stage.show.output(comment)
    refused = bool(comments) and "not tried again" in comments[0] and not states.changed(told)
    stage.claim(refused, "the generation that was undone is refused", comments or told)
    stage.show.means(
        "Refused before anything was touched: a highstate every half hour must not cut the host off every time."
    )


def _put_back(stage: Stage) -> None:
    stage.show.tell("\nThe policy is put back.")
    stage.show.command(f"{stage.lab} policy pillar")
    told = stage.salt(_HOST, "state.apply")[_HOST]
    stage.show.table(("host", "states", "failed", "changed"),
                     [(_HOST, str(len(told)), str(len(states.failed(told))), str(len(states.changed(told))))],
                     right=[1, 2, 3])  # fmt: skip
    clean = not states.failed(told) and not states.changed(told)
    stage.claim(clean, "the highstate is clean again", states.failed(told) or states.changed(told))


def _status(stage: Stage, *, shown: bool) -> dict[str, Any]:
    end = time.monotonic() + 60
    while True:
        try:
            return dict(stage.salt(_HOST, "traffic.status", shown=shown)[_HOST])
        except LabError:
            if time.monotonic() > end:
                raise
