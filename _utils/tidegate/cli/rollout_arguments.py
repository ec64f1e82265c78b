"""Arguments and options of ``tidegate rollout``, and what its commands have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.person import who

if TYPE_CHECKING:
    from tidegate.release.store import Store
    from tidegate.rollout.asking import Asking
    from tidegate.rollout.following import Following

Number = Annotated[
    int | None,
    typer.Argument(metavar="[N]", min=1, help="The rollout's number.", show_default="the one under way"),
]
HOST_AND_NUMBER = "[N] HOST..."
ReleaseArgument = Annotated[
    str, typer.Argument(metavar="RELEASE", help="A release's id, how it begins, or 'newest'.", show_default=False)
]
MaybeRelease = Annotated[
    str | None,
    typer.Argument(
        metavar="[RELEASE]", help="A release's id, how it begins, or 'newest'.", show_default="the policy's waves alone"
    ),
]
MaybePillar = Annotated[
    Path | None,
    typer.Option("--pillar", help="The folder whose traffic/ holds the policy.", show_default="./pillar"),
]
MatchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--match", "-m", metavar="LABEL=VALUE", help="Only hosts with this label: pop, region, role, class, host."
    ),
]
EmergencyOption = Annotated[
    bool,
    typer.Option("--emergency", help="The policy's emergency waves and soaks: fewer, never none. Needs --because."),
]
OverrideOption = Annotated[bool, typer.Option("--override-freeze", help="Go on in a freeze window. Needs --because.")]
SupersedeOption = Annotated[
    int | None,
    typer.Option("--supersede", metavar="N", help="Take over the hosts of a rollout that has not ended."),
]
BecauseOption = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; others will read it.")]
NeededBecause = Annotated[
    str, typer.Option("--because", metavar="TEXT", help="Why; others will read it.", show_default=False)
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Then follow it, as 'rollout watch' does.")]
WaveOption = Annotated[
    str | None,
    typer.Option("--wave", metavar="NAME", help="The wave.", show_default="the one that waits for it"),
]
WavesOption = Annotated[
    list[str] | None, typer.Option("--wave", metavar="NAME", help="Bring back this wave; may be given again.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Bring back every wave, in reverse order.")]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="RELEASE", help="Roll its hosts out to this release instead, in waves with gates."),
]
MostOption = Annotated[int, typer.Option("--most", "-n", min=1, help="How many, newest first.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="Leave after so long, as in 30m; the rollout goes on."),
]


def number_of(store: Store, told: int | None, *, active: bool) -> int:
    """The rollout that is meant; see `asking.chosen`."""
    from tidegate.rollout.asking import chosen

    return chosen(store, told, active=active)


def asking(store: Store, told: int | None) -> tuple[int, Asking]:
    """The rollout under way that is meant, to ask something of."""
    from tidegate.rollout.asking import Asking

    number = number_of(store, told, active=True)
    return number, Asking(store, number, who())


def following(store: Store, told: int | None) -> Following:
    """The rollout that is meant, to read."""
    from tidegate.rollout.following import Following

    return Following(store, number_of(store, told, active=False))


def number_and_hosts(words: Sequence[str]) -> tuple[int | None, list[str]]:
    """Hosts, and before them a rollout's number or not: a host's name that is a number is written after one."""
    if words and words[0].isdigit():
        return int(words[0]), list(words[1:])
    return None, list(words)
