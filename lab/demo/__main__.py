"""The command ``script/demo``: brings a lab up, plays the scenes, says how to look around and how to stop."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from lab.cables import CableError
from lab.demo.scenes import SCENES
from lab.demo.show import Show
from lab.demo.stage import DemoError, Stage
from lab.engine import EngineError
from lab.fleet import DEFAULT_NAME, Fleet, LabError
from lab.progress import Progress

_FAULTS = (EngineError, CableError, LabError, LookupError, OSError, subprocess.SubprocessError)
Played = list[tuple[str, str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo.

    Returns:
        0 if every scene showed what it claims, 1 if one did not, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="script/demo", description="Tidegate on a fleet in containers, scene by scene."
    )
    parser.add_argument(
        "--name", default=os.environ.get("TIDEGATE_LAB", DEFAULT_NAME), help="the lab's name (%(default)s)"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    show = Show()
    command = "lab/lab" if options.name == DEFAULT_NAME else f"lab/lab --name {options.name}"
    title = "Preparing"
    played: Played = []
    begun = time.monotonic()
    try:
        stage = Stage(Fleet(options.name), show)
        _prepare(stage)
        for number, scene in enumerate(SCENES, 1):
            title = f"{number}/{len(SCENES)}  {scene.TITLE}"
            show.title(title)
            started = time.monotonic()
            outcome = scene.play(stage)
            played.append((scene.TITLE, outcome, time.monotonic() - started))
    except DemoError as error:
        return _failed(show, command, title, error.claim, error.seen, error.advice)
    except _FAULTS as error:
        return _failed(show, command, title, "every step succeeds", str(error), f"{command} status")
    except KeyboardInterrupt:
        show.tell(f"\nInterrupted. What is up of the lab stays up; `{command} down` removes it.")
        return 130
    _close(show, command, played, time.monotonic() - begun)
    return 0


def _prepare(stage: Stage) -> None:
    stage.show.title("Tidegate on a fleet in containers")
    stage.show.tell(
        "Four edges in three PoPs (BIRD 2 and BIRD 3), two upstream routers (FRR), a Salt master, a client: real Salt, "
        "real eBGP, real XDP. Every command below really runs, and you can run it yourself; what follows it is its own "
        "output, cut to what matters, with Salt's answers as tables."
    )
    stage.show.tell("")
    if stage.fleet.containers():
        with stage.show.waiting("removing the lab of before"):
            stage.fleet.down()
        stage.show.tell(f"A lab `{stage.fleet.name}` was there; it has been removed, the demo begins with a fresh one.")
    stage.fleet.up(Progress(5, sys.stdout))


def _failed(show: Show, command: str, title: str, claim: str, seen: str, advice: str) -> int:
    show.console.print()
    show.tell(f"The demo stopped in scene {title}.")
    show.tell(f"  should be:  {claim}")
    show.tell("  seen:")
    show.output(seen)
    show.tell(f"  look closer:  {advice}")
    show.tell(f"The lab is left as it is; `{command} down` removes it.")
    return 1


def _close(show: Show, command: str, played: Played, total: float) -> None:
    show.title("What was shown")
    show.table(
        ("scene", "outcome", "seconds"), [(title, text, f"{took:.0f}") for title, text, took in played], right=[2]
    )
    show.tell(f"\nAll of it in {total:.0f} s. The lab is still up; look around:\n")
    show.output(
        f"{command} exec master salt 'edge*' traffic.health # every check on every host\n"
        f"{command} exec edge2.lhr1 birdc show protocols   # a host from the inside\n"
        f"{command} exec client curl http://192.0.2.10/    # who answers\n"
    )
    show.then("And stop it:\n")
    show.output(f"{command} down")


if __name__ == "__main__":
    sys.exit(main())
