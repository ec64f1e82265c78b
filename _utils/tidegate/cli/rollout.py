"""``tidegate rollout``: how a release reaches the fleet.

SQLAlchemy and the compiler are imported by the commands that use them, as in `cli.release`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from tidegate.cli import rollout_ask, rollout_read, rollout_view, stores, terminal
from tidegate.cli.arguments import JsonOption, good_policy
from tidegate.cli.person import who
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.rollout_arguments import (
    AllOption,
    BecauseOption,
    EmergencyOption,
    MatchOption,
    MaybePillar,
    MaybeRelease,
    Number,
    OverrideOption,
    ReleaseArgument,
    SupersedeOption,
    ToOption,
    WatchOption,
    WavesOption,
    YesOption,
    asking,
    number_of,
)
from tidegate.cli.steps import steps
from tidegate.host.errors import Refused

if TYPE_CHECKING:
    from tidegate.release.store import Store
    from tidegate.rollout.proposal import Proposal, Request

app = typer.Typer(
    help="How a release reaches the fleet: in waves, each judged by gates before the next begins.",
    epilog="Exit status of status, watch and start --watch: 0 complete, 1 an error, 2 called wrongly, "
    "3 it needs people, 4 rolled back, aborted or superseded, 5 still going.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

WIDEST = 100
"""Columns: a plan is read beside other things, and pasted into reviews."""


@app.command("plan")
def plan(
    release: MaybeRelease = None,
    match: MatchOption = None,
    emergency: EmergencyOption = False,
    pillar: MaybePillar = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a rollout would do: its waves, their hosts, and what each changes in the network. Nothing is started.

    With a release, only hosts whose plan it changes. Without, the waves that the policy would make of the whole fleet:
    the same policy always makes the same ones, and a new host changes them as little as possible.

    [bold]tidegate rollout plan newest[/bold]                   what the newest release changes, wave by wave

    [bold]tidegate rollout plan 3f2a --match region=eu[/bold]   in one region alone

    [bold]tidegate rollout plan[/bold]                          the waves of the policy in ./pillar/traffic
    """
    if release is None:
        _policy_waves(pillar or Path("pillar"), as_json)
        return
    from tidegate.cli import rollout_plan_view
    from tidegate.rollout import proposal as proposals

    with terminal.sentences(as_json), steps() as step:
        step("planning it")
        # A plan needs no reason; whoever starts it does.
        why = "planned, not started"
        request = proposals.Request(release, proposals.of_words(match or []), emergency=emergency, why=why)
        proposal = proposals.propose(stores.opened(store), request)
    terminal.show(rollout_plan_view.as_dict(proposal) if as_json else rollout_plan_view.page(proposal), as_json)


@app.command("start")
def start(
    release: ReleaseArgument,
    match: MatchOption = None,
    emergency: EmergencyOption = False,
    override_freeze: OverrideOption = False,
    supersede: SupersedeOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    watch: WatchOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a rollout, after showing its plan and asking. The engine on the master carries it out.

    Other rollouts may go on beside it, but not on its hosts: to take those over, [bold]--supersede[/bold] the other.

    [bold]tidegate rollout start newest --because "second transit in lhr1, NET-123"[/bold]

    [bold]tidegate rollout start 3f2a --match pop=lhr1 --yes --watch[/bold]         in a script

    [bold]tidegate rollout start 3f2a --emergency --because "attack on 192.0.2.0/24"[/bold]
    """
    from tidegate.rollout import proposal as proposals

    with terminal.sentences(as_json):
        request = proposals.Request(
            release, proposals.of_words(match or []), None, emergency, supersede, override_freeze, because.strip()
        )
        _start(stores.opened(store), request, yes, watch, as_json)


@app.command("rollback")
def rollback(
    number: Number = None,
    wave: WavesOption = None,
    everything: AllOption = False,
    to: ToOption = None,
    because: BecauseOption = "",
    yes: YesOption = False,
    watch: WatchOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring hosts back to what they had before: a wave, all of them, or to any release.

    Hosts go back as they came, under the same limits, and each proves itself healthy. [bold]--to[/bold] starts a new
    rollout over the hosts of this one, ended or not, with waves and gates.

    [bold]tidegate rollout rollback --all --because "users in ams1 see errors"[/bold]

    [bold]tidegate rollout rollback 12 --wave half[/bold]

    [bold]tidegate rollout rollback 12 --to 91bc[/bold]    also long after it has ended
    """
    if sum((bool(wave), everything, to is not None)) != 1:
        raise typer.BadParameter("say how far: one of --wave NAME, --all and --to RELEASE", param_hint="--all")
    with terminal.sentences(as_json):
        opened = stores.opened(store)
        if to is None:
            found, asked = asking(opened, number)
            rollout_ask.written(found, asked.rollback(wave or None, because), as_json)
            if watch:
                _watch(opened, found, as_json)
            return
        from tidegate.rollout import proposal as proposals

        found = number_of(opened, number, active=False)
        request = proposals.Request(to, why=because.strip() or f"rollback of rollout {found}")
        _start(opened, proposals.again(opened, found, request), yes, watch, as_json)


for name, command in (
    ("status", rollout_read.status),
    ("watch", rollout_read.watch),
    ("explain", rollout_read.explain),
    ("history", rollout_read.history),
    ("pause", rollout_ask.pause),
    ("resume", rollout_ask.resume),
    ("approve", rollout_ask.approve),
    ("retry", rollout_ask.retry),
    ("skip-host", rollout_ask.skip_host),
    ("abort", rollout_ask.abort),
):
    app.command(name)(command)


def _start(store: Store, request: Request, yes: bool, watch: bool, as_json: bool) -> None:
    """Plan, show, ask, start; what is started is what was shown."""
    from tidegate.cli import rollout_plan_view
    from tidegate.rollout import proposal as proposals

    with steps() as step:
        step("planning it")
        proposal = proposals.propose(store, request)
    if not as_json:
        terminal.console().print(rollout_plan_view.page(proposal))
    if not yes:
        _ask(proposal)
    number = proposal.start(store, who())
    if as_json and not watch:
        plan = rollout_plan_view.as_dict(proposal)
        terminal.show({"rollout": number, **plan}, as_json)
    elif not as_json:
        console = terminal.console()
        console.print(f"\n[green]Rollout [bold]{number}[/bold] started.[/green]")
        if not watch:
            console.print(f"What becomes of it: [bold]tidegate rollout watch {number}[/bold]")
    if watch:
        _watch(store, number, as_json)


def _ask(proposal: Proposal) -> None:
    from tidegate.cli.rollout_plan_view import question

    if not sys.stdin.isatty():
        raise Refused("Nobody can be asked here whether to start it: look at the plan, then give --yes.")
    if not typer.confirm(question(proposal), err=True):
        raise Refused("Nothing was started.")


def _watch(store: Store, number: int, as_json: bool) -> None:
    from tidegate.rollout.following import Following

    raise typer.Exit(rollout_read.watched(Following(store, number), as_json))


def _policy_waves(pillar: Path, as_json: bool) -> None:
    from tidegate.rollout.waves import assign

    if not pillar.is_dir():
        raise typer.BadParameter(f"there is no folder {pillar}: name one, or a release", param_hint="--pillar")
    policy = good_policy(pillar)
    view = rollout_view.Plan.of(policy, assign(policy))
    if as_json:
        typer.echo(json.dumps(view.as_dict(), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    console.print(rollout_view.page(view))
