"""``tidegate drift``: what was changed on hosts by hand, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from tidegate.cli import masters, stores, terminal
from tidegate.cli.arguments import BROKEN, JsonOption
from tidegate.cli.operation_arguments import ForOption, WaitOption
from tidegate.cli.person import who
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.rollout_arguments import NeededBecause

if TYPE_CHECKING:
    from tidegate.release.store import Store
    from tidegate.rollout.drifts import Drift, Drifts

DRIFTED = 3
"""Exit status: something was changed by hand that nobody has accepted, or is not known; people are needed."""

WAIT = 30
RESTORING = 180
MOST_LINES = 12
"""Lines of one host's drift."""

app = typer.Typer(
    help="What was changed on hosts by hand: find it, undo it, or accept it. Alone, it lists what is found.",
    rich_markup_mode="rich",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Hosts = Annotated[
    list[str] | None, typer.Argument(metavar="[HOST]...", help="These hosts.", show_default="every host with a release")
]
Some = Annotated[list[str], typer.Argument(metavar="HOST...", help="These hosts.", show_default=False)]
One = Annotated[str, typer.Argument(metavar="HOST", help="The host.", show_default=False)]


@app.callback()
def alone(context: typer.Context) -> None:
    """List what is found, unless there is a command."""
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_(hosts: Hosts = None, wait: WaitOption = WAIT, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Ask hosts what differs from what they were given. On the master they are asked now, over Salt.

    Elsewhere it shows what the last rollout's look before its start found. Ends with 0 if nothing differs, or somebody
    has accepted it, and with 3 if something does, or a host did not say.
    """
    from tidegate.rollout.drifts import drifts

    with terminal.sentences(as_json):
        opened = stores.opened(store)
        if not masters.here():
            _last_look(opened, as_json)
            return
        found = drifts(opened, masters.fleet(), hosts or (), float(wait))
    terminal.show(found.as_dict() if as_json else page(found), as_json)
    if found.unexplained or found.unknown:
        raise typer.Exit(DRIFTED)


@app.command("restore")
def restore(hosts: Some, wait: WaitOption = RESTORING, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Undo what was changed by hand: the hosts apply what they are served. On the master.

    [bold]tidegate drift restore edge1.lhr1[/bold]
    """
    from tidegate.cli.operation_view import applied
    from tidegate.rollout.drifts import restore as restored

    with terminal.sentences(as_json):
        outcomes = restored(stores.opened(store), masters.fleet(), hosts, float(wait))
    document = {host: one.as_dict() for host, one in outcomes.items()}
    terminal.show(document if as_json else applied(outcomes), as_json)
    if any(not one.good for one in outcomes.values()):
        raise typer.Exit(BROKEN)


@app.command("adopt")
def adopt(
    host: One,
    because: NeededBecause,
    lasts: ForOption = None,
    wait: WaitOption = WAIT,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept what was changed on a host, exactly as it is now: rollouts and highstates leave it alone. On the master.

    If it changes once more, that is drift again. To end it: [bold]tidegate operation end ID[/bold].

    [bold]tidegate drift adopt edge1.lhr1 --because "vendor's workaround, NET-9" --for 2d[/bold]
    """
    from tidegate.rollout import operating
    from tidegate.rollout.drifts import adopt as adopted
    from tidegate.rollout.drifts import drifts

    with terminal.sentences(as_json):
        opened = stores.opened(store)
        until = operating.ends(lasts)
        found = drifts(opened, masters.fleet(), [host], float(wait))
        operation = adopted(opened, found, host, who(), because, until)
    if as_json:
        terminal.show(operation.as_dict(), as_json)
    else:
        typer.echo(f"Operation {operation.id}: {host} is left alone as it is (drift {operation.settings['drift']}).")


def page(found: Drifts) -> RenderableType:
    """Hosts with what differs, and those of which nothing is known."""
    return Group(*_lines(found))


def _lines(found: Drifts) -> Iterator[RenderableType]:
    counts = f"{len(found.found)} changed by hand, {len(found.unknown)} unknown, {found.clean} as they were given"
    yield Text(counts, style="bold")
    for drift in found.found:
        yield Text()
        yield from _drift(drift)
    for host, reason in found.unknown.items():
        yield Text(f"{host}  ").append("unknown", style="magenta").append(f"  {reason}")


def _drift(drift: Drift) -> Iterator[RenderableType]:
    head = Text(drift.host, style="bold").append(f"  drift {drift.id}", style="not bold dim")
    if drift.adopted:
        head.append(f"  adopted by {drift.adopted.who}: {drift.adopted.why}", style="not bold yellow")
    yield head
    lines = [f"  {name}: {line}" for name, some in drift.lines.items() for line in some]
    yield from (Text(line) for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield Text(f"  and {len(lines) - MOST_LINES} lines more: --json has them all", style="dim")


def _last_look(store: Store, as_json: bool) -> None:
    from tidegate.rollout.following import last_look

    look = last_look(store)
    if as_json:
        terminal.show({"rollout": look.rollout, "problems": dict(look.problems)} if look else {}, as_json)
    elif look is None:
        typer.echo("No rollout has looked at hosts yet, and there is no Salt master here to ask them.", err=True)
    else:
        typer.echo(
            f"There is no Salt master here; rollout {look.rollout} looked at hosts {look.at:%Y-%m-%d %H:%M} UTC:"
        )
        typer.echo("\n".join(f"  {host}  {reason}" for host, reason in look.problems.items()) or "  nothing was found")
    if look and look.problems:
        raise typer.Exit(DRIFTED)
