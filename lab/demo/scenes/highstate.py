"""The policy becomes what every host runs."""

from __future__ import annotations

from typing import Any

from lab.demo import states
from lab.demo.stage import Stage

TITLE = "The highstate"
_FIRST = "edge1.lhr1"
_COLUMNS = ("host", "runs", "xdp", "tc", "bird", "confirmed", "seconds")


def play(stage: Stage) -> str:
    """A dry run on one host, the highstate on all, a second one that changes nothing, and no way home but BGP's."""
    stage.show.tell("First a dry run on one host: what would change, and nothing does.")
    _preview(stage)
    stage.show.tell("\nNow every host, all at once.")
    told = stage.salt("*", "state.apply")
    stage.show.table(_COLUMNS, [_row(stage, host, told[host]) for host in sorted(told)], right=[6])
    _claim_success(stage, told)
    stage.show.means(
        "XDP, tc and BIRD changed as one transaction on each host; it became permanent only after local health and a "
        "round trip to the master had held for ten seconds. Until then a dead-man stood ready to undo it."
    )
    stage.show.tell("\nOnce more: a host that runs its plan is left alone.")
    again = stage.salt("*", "state.apply")
    stage.show.table(("host", "states", "changed", "seconds"), [_count(host, again[host]) for host in sorted(again)],
                     right=[1, 2, 3])  # fmt: skip
    _claim_success(stage, again)
    stage.claim(not any(states.changed(told) for told in again.values()), "a second highstate changes nothing", again)
    stage.show.tell(
        "\nThe default route that the installer left is taken away: from here on only the policy leads home."
    )
    stage.show.command(f"{stage.lab} settle")
    with stage.show.waiting("default routes by BGP"):
        stage.fleet.settle()
    stage.run(_FIRST, "ip", "route", "show", "default")
    return f"{len(told)} hosts confirmed their first generation; a second run changed nothing"


def _preview(stage: Stage) -> None:
    told = stage.salt(_FIRST, "state.apply", "test=True")[_FIRST]
    for name in ("xdp", "tc", "bird"):
        lines: list[str] = states.of(told, f"{name}.applied")["changes"].get(name, [])
        stage.claim(lines, f"a dry run shows the changes of {name}", told)
        worth = [line for line in lines if line.startswith("+ announce")] if name == "bird" else lines
        for line in worth:
            stage.show.output(f"{name:<5} {line}")
        if left := len(lines) - len(worth):
            stage.show.skipped(f"and bird.conf as a diff, {left} lines")


def _row(stage: Stage, host: str, told: Any) -> list[str]:
    cells = [states.brief(told, f"{name}.applied") for name in ("xdp", "tc", "bird")]
    return [
        host,
        stage.fleet.topology.host(host).software,
        *cells,
        states.outcome(told, "traffic.confirmed"),
        f"{states.seconds(told):.1f}",
    ]


def _count(host: str, told: Any) -> list[str]:
    return [host, str(len(told)), str(len(states.changed(told))), f"{states.seconds(told):.1f}"]


def _claim_success(stage: Stage, told: dict[str, Any]) -> None:
    for host, answer in sorted(told.items()):
        bad = states.failed(answer)
        stage.claim(not bad, f"the highstate succeeds on {host}", "\n".join(bad), f"{stage.lab} logs {host}")
