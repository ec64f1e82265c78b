"""Where a rollout is: status, watch, explain, history. They read; nothing they do has an effect on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.cli import rollout_status_view, stores, terminal
from tidegate.cli.arguments import JsonOption
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.rollout_arguments import MostOption, Number, TimeoutOption, following
from tidegate.host.errors import Refused

if TYPE_CHECKING:
    from tidegate.cli.watch import Screen
    from tidegate.rollout.event import Event
    from tidegate.rollout.following import Following
    from tidegate.rollout.journal import Rollout


def status(number: Number = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show where a rollout is: waves, gates, PoPs, margins, what is under way, what comes next.

    Without a number, the one under way, or else the last. Ends with 0 if it is complete, 3 if it needs people,
    4 if it was rolled back, aborted or superseded, and 5 while it goes on.
    """
    from tidegate.rollout.standing import EXIT

    with terminal.sentences(as_json):
        view = following(stores.opened(store), number).view()
    terminal.show(view.as_dict() if as_json else rollout_status_view.page(view), as_json)
    raise typer.Exit(EXIT[view.standing])


def watch(
    number: Number = None, timeout: TimeoutOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Follow a rollout until it ends or needs people: a live page, or in a pipe a line for each event.

    Ends as [bold]status[/bold] does. Ctrl-C leaves the rollout running.

    [bold]tidegate rollout watch[/bold]                          the one under way

    [bold]tidegate rollout watch 12 --timeout 1h || page[/bold]  in a script

    [bold]tidegate rollout watch --json[/bold]                   an object a line: every event, then the whole
    """
    with terminal.sentences(as_json):
        limit = None if timeout is None else _limit(timeout)
        found = following(stores.opened(store), number)
        raise typer.Exit(watched(found, as_json, limit))


def explain(number: Number = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say why a rollout is where it is, what it waits for, and what you can do about it."""
    from tidegate.rollout.explain import explain as explained

    with terminal.sentences(as_json):
        told = explained(following(stores.opened(store), number).view())
    terminal.show(told.as_dict() if as_json else rollout_status_view.explanation(told), as_json)


def history(
    number: Number = None, most: MostOption = 20, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """List rollouts, newest first; with a number, every event of that one: what happened, who asked, and why.

    [bold]tidegate rollout history[/bold]             the last 20 rollouts

    [bold]tidegate rollout history 12 --json[/bold]   the journal of one, with the evidence of every gate
    """
    from tidegate.rollout.journal import Journal

    with terminal.sentences(as_json):
        journal = Journal(stores.opened(store))
        if number is not None:
            journal.rollout(number)
            events = journal.events(number)
            terminal.show([event.as_dict() for event in events] if as_json else _events(events), as_json)
            return
        rollouts = journal.rollouts(most)
    if rollouts or as_json:
        terminal.show([rollout.as_dict() for rollout in rollouts] if as_json else _rollouts(rollouts), as_json)
    else:
        typer.echo("There is no rollout yet.", err=True)


def watched(found: Following, as_json: bool, limit: float | None = None) -> int:
    """Follow a rollout on what there is to show it on; the exit status that its standing has."""
    from tidegate.cli.watch import JsonLines, Lines, LivePage, follow
    from tidegate.rollout.standing import EXIT, Standing

    console = Console(highlight=False)
    live = LivePage(console) if console.is_terminal and not as_json else None
    screen: Screen = live or (JsonLines() if as_json else Lines(found.number))
    try:
        return EXIT[follow(found, screen, limit)]
    except KeyboardInterrupt:
        if live:
            live.close()
        number = found.number
        typer.echo(
            f"Rollout {number} goes on without you: 'tidegate rollout watch {number}' looks again, "
            f"'tidegate rollout pause {number}' stops it.",
            err=True,
        )
        return EXIT[Standing.GOING]
    finally:
        if live:
            live.close()


def _limit(text: str) -> float:
    from tidegate.policy.durations import seconds

    try:
        return seconds(text)
    except ValueError:
        raise Refused(f"'{text}' is no duration: expected one such as 30s, 5m or 1h30m.") from None


def _rollouts(rollouts: list[Rollout]) -> RenderableType:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("rollout", "release", "started (UTC)", "took", "who", "status"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("why", overflow="fold")
    for one in rollouts:
        status = one.status or "under way"
        style = rollout_status_view.STATUSES.get(status, "cyan")
        cells = (str(one.number), one.release[:12], f"{one.created_at:%Y-%m-%d %H:%M}", _took(one), one.who)
        grid.add_row(*map(Text, cells), Text(status, style=style), Text(one.why))
    return grid


def _took(one: Rollout) -> str:
    from tidegate.rollout.words import seconds

    return seconds((one.finished_at - one.created_at).total_seconds()) if one.finished_at else ""


def _events(events: list[Event]) -> RenderableType:
    from tidegate.rollout.narrative import sentence

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for event in events:
        grid.add_row(f"{event.at:%Y-%m-%d %H:%M:%S}" if event.at else "", Text(sentence(event)))
    return grid
