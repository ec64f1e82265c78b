"""``tidegate rollout``: how a release reaches the fleet."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console

from tidegate.cli import rollout_view
from tidegate.cli.arguments import JsonOption, PillarOption, good_policy
from tidegate.rollout.waves import assign

app = typer.Typer(
    help="How a release reaches the fleet: in waves.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

WIDEST = 100
"""Columns: a plan is read beside other things, and pasted into reviews."""


@app.callback()
def _group() -> None:
    # With a callback, a group of one command stays a group: `tidegate rollout plan`.
    pass


@app.command("plan")
def plan(pillar: PillarOption = Path("pillar"), as_json: JsonOption = False) -> None:
    """Show the waves in which a release would reach the fleet, and their hosts. Nothing is started.

    The same policy always makes the same waves; a new host changes them as little as possible.

    [bold]tidegate rollout plan[/bold]           the waves of the policy in ./pillar/traffic

    [bold]tidegate rollout plan --json[/bold]    every host of every wave, and whom it is compared with
    """
    policy = good_policy(pillar)
    view = rollout_view.Plan.of(policy, assign(policy))
    if as_json:
        typer.echo(json.dumps(view.as_dict(), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    console.print(rollout_view.page(view))
