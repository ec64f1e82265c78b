"""What people ask of a rollout that is under way: pause, resume, approve, retry, skip-host, abort.

Each writes into its journal and comes back at once; the engine acts on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import stores, terminal
from tidegate.cli.arguments import JsonOption
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.rollout_arguments import BecauseOption, NeededBecause, Number, WaveOption, asking, number_and_hosts

if TYPE_CHECKING:
    from tidegate.rollout.asking import Asking
    from tidegate.rollout.event import Event

MaybeHosts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[N] [HOST]...", help="The rollout's number, and hosts.", show_default="all left behind"),
]
Hosts = Annotated[
    list[str], typer.Argument(metavar="[N] HOST...", help="The rollout's number, and hosts.", show_default=False)
]


def pause(
    number: Number = None, because: BecauseOption = "", store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Begin with no more hosts. What is under way is brought to its end, and gates go on watching.

    [bold]tidegate rollout pause --because "upstream maintenance in ams1"[/bold]
    """
    _ask(store, number, as_json, lambda asked: asked.pause(because))


def resume(
    number: Number = None, because: BecauseOption = "", store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Go on after a pause; after a stop, let the gates judge anew; if it is blocked, look at the hosts again.

    Hosts that failed are not tried again by this: see [bold]retry[/bold].
    """
    _ask(store, number, as_json, lambda asked: asked.resume(because))


def approve(
    number: Number = None,
    wave: WaveOption = None,
    because: BecauseOption = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a wave that has an approval gate. Its other gates have to pass all the same.

    [bold]tidegate rollout approve --wave canary --because "graphs are flat, NET-123"[/bold]
    """
    _ask(store, number, as_json, lambda asked: asked.approve(wave, because))


def retry(
    hosts: MaybeHosts = None, because: BecauseOption = "", store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Try hosts again that failed, did not answer, undid the release or were skipped; without names, all of them.

    A host that is stuck goes back once more. Before the first wave, every host is looked at again.

    [bold]tidegate rollout retry edge1.ams1 edge2.ams1[/bold]

    [bold]tidegate rollout retry 12[/bold]    everything that rollout 12 left behind
    """
    number, names = number_and_hosts(hosts or [])
    _ask(store, number, as_json, lambda asked: asked.retry(names, because))


def skip_host(hosts: Hosts, because: NeededBecause, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Go on without hosts: they keep the release that they have. They no longer count against the budget.

    [bold]tidegate rollout skip-host edge1.ams1 --because "disk is being replaced, DC-77"[/bold]
    """
    number, names = number_and_hosts(hosts)
    _ask(store, number, as_json, lambda asked: asked.skip(names, because))


def abort(
    number: Number = None, because: BecauseOption = "", store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """End it here. What is confirmed stays; what is not is undone. To bring hosts back, use [bold]rollback[/bold]."""
    _ask(store, number, as_json, lambda asked: asked.abort(because))


def _ask(store: str | None, told: int | None, as_json: bool, ask: Callable[[Asking], Event]) -> None:
    with terminal.sentences(as_json):
        found = stores.opened(store)
        number, asked = asking(found, told)
        written(number, ask(asked), as_json)


def written(number: int, event: Event, as_json: bool) -> None:
    """Say what was asked for, and how to see what comes of it."""
    from tidegate.rollout.narrative import sentence

    if as_json:
        terminal.show({"rollout": number, **event.as_dict()}, as_json)
    else:
        typer.echo(f"Rollout {number}: {sentence(event)}")
        typer.echo(f"What comes of it: tidegate rollout watch {number}", err=True)
