"""Arguments and options that several commands share, and how a policy is loaded for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tidegate.policy.load import load
from tidegate.policy.model import Policy

_FOLDER = {"exists": True, "file_okay": False, "readable": True}

PillarArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PILLAR_DIR", help="The folder whose traffic/ holds the policy.", show_default="./pillar", **_FOLDER
    ),
]
PillarOption = Annotated[
    Path,
    typer.Option("--pillar", help="The folder whose traffic/ holds the policy.", show_default="./pillar", **_FOLDER),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]

BROKEN = 1


def good_policy(pillar: Path) -> Policy:
    """The policy of a folder; ends the command if it has errors, which `check` is there to show."""
    return good_load(pillar)[0]


def good_load(pillar: Path) -> tuple[Policy, Mapping[str, Any]]:
    """The policy of a folder and the document it was read from; ends the command as `good_policy` does."""
    loaded = load(pillar)
    if loaded.policy is None:
        count = len(loaded.problems)
        errors = "an error" if count == 1 else f"{count} errors"
        Console(stderr=True).print(f"The policy in {pillar} has {errors}: see [bold]tidegate check {pillar}[/bold].")
        raise typer.Exit(BROKEN)
    return loaded.policy, loaded.document
