"""The policy becomes what every host runs."""

from __future__ import annotations

from typing import Any

from lab.demo import states
from lab.demo.stage import EDGES, Stage

TITLE = "The highstate"
_FIRST = "edge1.lhr1"
_SUBSYSTEMS = ("xdp", "tc", "bird")


def play(stage: Stage) -> str:
    """A dry run on one host, the highstate on all, a second one that changes nothing, and no way home but BGP's."""
    stage.show.tell("First a dry run on one host: it says what would change, and changes nothing.")
    _preview(stage)
    stage.show.then(
        "Now all hosts at once: changes to XDP and tc, prefixes announced, the generation that was confirmed."
    )
    hosts = _apply(stage)
    stage.show.then("Once more: a host that runs its plan is left alone.")
    _apply_again(stage)
    stage.show.then("The installer's default routes go: from here on only the policy leads home to the master.")
    stage.shown("settle")
    with stage.show.waiting("default routes by BGP"):
        stage.fleet.settle()
    route = stage.run(_FIRST, "ip", "route", "show", "default")
    stage.claim("proto bird" in route, f"{_FIRST} has a default route from BIRD", route)
    stage.show.means("The way home is a BGP route now, and so subject to the policy.")
    return f"confirmed on {hosts} hosts; a second run changed nothing"


def _preview(stage: Stage) -> None:
    told = stage.salt(_FIRST, "state.apply", "test=True")[_FIRST]
    for name in _SUBSYSTEMS:
        lines = _changes(told, name)
        stage.claim(lines, f"a dry run shows the changes of {name}", told)
        worth = _announced(lines) if name == "bird" else lines
        for line in worth:
            stage.show.output(f"{name:<5} {line}")
        if left := len(lines) - len(worth):
            stage.show.skipped(f"bird.conf as a diff of {left} lines")


def _apply(stage: Stage) -> int:
    told = stage.salt(EDGES, "state.apply")
    columns = ("host", "runs", "xdp", "tc", "prefixes", "generation", "seconds")
    stage.show.table(columns, [_row(stage, host, told[host]) for host in sorted(told)], right=[2, 3, 4, 6])
    _claim_success(stage, told)
    stage.show.means(
        "Filter, shaping and routing changed as one transaction on each host. It became permanent after local health "
        "and a round trip to the master had held for ten seconds; until then a dead-man stood ready to undo it."
    )
    return len(told)


def _row(stage: Stage, host: str, told: Any) -> list[str]:
    xdp, tc, bird = (_changes(told, name) for name in _SUBSYSTEMS)
    figures = (len(xdp), len(tc), len(_announced(bird)))
    generation = states.of(told, "traffic.confirmed")["changes"].get("generation", {}).get("new", "none")
    software = stage.fleet.topology.host(host).software
    return [host, software, *map(str, figures), generation, f"{states.seconds(told):.1f}"]


def _apply_again(stage: Stage) -> None:
    told = stage.salt(EDGES, "state.apply")
    rows = [
        (host, str(len(told[host])), str(len(states.changed(told[host]))), f"{states.seconds(told[host]):.1f}")
        for host in sorted(told)
    ]
    stage.show.table(("host", "states", "changed", "seconds"), rows, right=[1, 2, 3])
    _claim_success(stage, told)
    for host, answer in told.items():
        comments = "\n".join(str(state["comment"]) for state in answer.values() if state["changes"])
        look = f"{stage.lab} exec master salt {host} traffic.status"
        stage.claim(not comments, f"a second highstate changes nothing on {host}", comments, look)


def _changes(told: Any, subsystem: str) -> list[str]:
    return list(states.of(told, f"{subsystem}.applied")["changes"].get(subsystem, []))


def _announced(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("+ announce")]


def _claim_success(stage: Stage, told: dict[str, Any]) -> None:
    for host, answer in sorted(told.items()):
        bad = states.failed(answer)
        stage.claim(not bad, f"the highstate succeeds on {host}", "\n".join(bad), f"{stage.lab} logs {host}")
