"""``tidegate store``: where everything is kept that releases and rollouts know.

SQLAlchemy is imported by the commands that use it: a `tidegate check` in an editor does not wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.arguments import JsonOption
from tidegate.cli.person import who
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.stores import opened
from tidegate.cli.terminal import sentences, show
from tidegate.release.release import SHORT

if TYPE_CHECKING:
    from tidegate.release.inventory import Inventory

app = typer.Typer(
    help="The store of releases, rollouts and operations: its state, backup and restore.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", dir_okay=False)]


@app.command("status")
def status(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say what is in the store, and which engine uses it.

    Ends with 0 if it can be read, with 1 and the reason if not.
    """
    from tidegate.release.inventory import inventory

    with sentences(as_json):
        found = inventory(opened(store))
    if as_json:
        show(found.as_dict(), as_json)
    else:
        typer.echo("\n".join(lines(found)))


@app.command("backup")
def backup(file: FileArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Copy the store, as it is at one moment, into FILE. It may be used meanwhile; FILE must not be there yet.

    [bold]tidegate store backup /backup/tidegate-$(date +%F).db[/bold]
    """
    from tidegate.release.backup import backup as back_up
    from tidegate.release.location import location

    with sentences(as_json):
        back_up(location(store), file)
    size = file.stat().st_size
    if as_json:
        show({"file": str(file), "size": size}, as_json)
    else:
        typer.echo(f"Backed up to {file}, {_megabytes(size)}.")


@app.command("restore")
def restore(file: FileArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Put the backup in FILE in the place of the store. Refused while an engine uses it.

    Hosts are then assigned to what they were assigned to when the backup was made. Rollouts that had not ended by then
    are paused.
    """
    from tidegate.release.backup import restore as put_back
    from tidegate.release.location import location

    with sentences(as_json):
        done = put_back(file, location(store), who())
    if as_json:
        show({"paused": done.paused, "aside": str(done.aside) if done.aside else None}, as_json)
        return
    typer.echo(f"Restored from {file}. Next: tidegate release verify, then tidegate store status.")
    if done.aside:
        typer.echo(f"What was in its place is damaged, and kept as {done.aside}.")
    for number in done.paused:
        typer.echo(f"Rollout {number} is paused: its journal ends where the backup does.")


def lines(found: Inventory) -> Iterator[str]:
    """The inventory for people."""
    size = f", {_megabytes(found.size)}" if found.size is not None else ""
    yield f"store       {found.name}{size}"
    newest = f", the newest {found.releases[0].short}" if found.releases else ""
    yield f"releases    {len(found.releases)}{newest}"
    assigned = [f"{count} hosts to {release[:SHORT]}" for release, count in found.assigned.items()]
    yield f"assigned    {', '.join(assigned) or 'none: hosts are served the working tree'}"
    rollouts = [f"{rollout.number} (release {rollout.release[:SHORT]}, {rollout.who})" for rollout in found.rollouts]
    yield f"rollouts    {', '.join(rollouts) or 'none under way'}"
    yield f"operations  {len(found.operations) or 'none'} in effect"
    engine = f"{found.lease.holder} until {found.lease.until:%H:%M:%S} UTC" if found.lease else "none: nothing moves"
    yield f"engine      {engine}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
