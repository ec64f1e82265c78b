"""``tidegate drain``, ``undrain`` and ``tidegate operation``: what people do to running hosts beside releases.

An operation is no edit of the policy: it is kept in the store with who, why and until when, composes with whatever
release a host has, and ends by itself or when somebody ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from tidegate.cli import masters, stores, terminal
from tidegate.cli.arguments import BROKEN, JsonOption
from tidegate.cli.operation_arguments import (
    Backend,
    BackOption,
    BelowOption,
    DrainOption,
    EverOption,
    ForOption,
    GracefullyOption,
    How,
    HowOption,
    IdArgument,
    LaterOption,
    Places,
    Target,
    TimesOption,
    ToOption,
    WaitOption,
)
from tidegate.cli.person import who
from tidegate.cli.release_arguments import StoreOption
from tidegate.cli.rollout_arguments import BecauseOption, NeededBecause

if TYPE_CHECKING:
    from tidegate.release.operations import Kind, Operation
    from tidegate.release.store import Store
    from tidegate.rollout.applying import Applied

WAIT = 120
"""Seconds that hosts have to apply a drain."""

app = typer.Typer(
    help="Drains, holds and pauses: what is done to running hosts beside releases. Alone, it lists them.",
    rich_markup_mode="rich",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def alone(context: typer.Context) -> None:
    """List those in effect, unless there is a command."""
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_(ever: EverOption = False, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List operations in effect: what, who, why and until when."""
    from tidegate.cli.operation_view import table
    from tidegate.release.operations import Operations

    now = datetime.now(timezone.utc)
    with terminal.sentences(as_json):
        operations = Operations(stores.opened(store))
        found = operations.all() if ever else operations.active(now)
    if as_json:
        terminal.show([one.as_dict() for one in found], as_json)
    elif found:
        terminal.show(table(found, now), as_json)
    else:
        typer.echo("No operation is in effect.", err=True)


@app.command("drain")
def drain(
    target: Target,
    because: NeededBecause,
    lasts: ForOption = None,
    how: HowOption = How.WITHDRAW,
    times: TimesOption = None,
    gracefully: GracefullyOption = None,
    below: BelowOption = False,
    later: LaterOption = False,
    wait: WaitOption = WAIT,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lead traffic away from hosts, PoPs, a service or a neighbor. Sessions stay up; the policy stays as it is.

    On the master the hosts are told at once; elsewhere they follow with their next highstate. A drain that would leave
    a service with fewer PoPs than its min_pops is refused.

    [bold]tidegate drain edge1.lhr1 --because "new line card, DC-12" --for 2h[/bold]

    [bold]tidegate drain pop=lhr1 --how graceful --because "power works"[/bold]

    [bold]tidegate drain pop=lhr1 --gracefully 300 --because "power works"[/bold]

    [bold]tidegate drain pop=lhr1 neighbor=lhr1-transit --because "they flap"[/bold]
    """
    from tidegate.rollout import draining, operating

    with terminal.sentences(as_json):
        opened = stores.opened(store)
        wanted = operating.of_words(target)
        stated = {"how": how.value, "times": times, "gracefully": gracefully}
        settings: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
        if not below:
            draining.spare(opened, wanted, settings)
        operation, hosts = operating.begin(opened, "drain", wanted, settings, who=who(), why=because, lasts=lasts)
        _carried_out(opened, [operation], hosts, None if later else wait, as_json)


@app.command("undrain")
def undrain(
    target: Target,
    because: BecauseOption = "",
    later: LaterOption = False,
    wait: WaitOption = WAIT,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the drain of exactly this target: announcements come back.

    [bold]tidegate undrain edge1.lhr1[/bold]
    """
    from tidegate.rollout import operating

    with terminal.sentences(as_json):
        opened = stores.opened(store)
        wanted = operating.of_words(target)
        ended = operating.end(opened, "drain", wanted, who(), because)
        _carried_out(opened, ended, operating.known(opened).hosts(wanted), None if later else wait, as_json)


@app.command("weight")
def weight(
    backend: Backend,
    because: BecauseOption = "",
    to: ToOption = None,
    drained: DrainOption = False,
    back: BackOption = False,
    lasts: ForOption = None,
    later: LaterOption = False,
    wait: WaitOption = WAIT,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a backend more or fewer new flows than the policy does, on every balancer that uses it.

    A weight that would leave a pool with nobody for new flows is refused.

    [bold]tidegate weight server1.lhr1 --to 10 --because "warms up" --for 30m[/bold]

    [bold]tidegate weight server1.lhr1 service=web --drain --because DC-12[/bold]

    [bold]tidegate weight server1.lhr1 --back[/bold]
    """
    from tidegate.host.errors import Refused
    from tidegate.release.weights import DRAIN
    from tidegate.rollout import operating, weighing

    with terminal.sentences(as_json):
        if (to is not None) + drained + back != 1:
            raise Refused("Say one of --to WEIGHT, --drain and --back.")
        opened, wanted = stores.opened(store), operating.of_words(backend)
        if back:
            operations = operating.end(opened, "weight", wanted, who(), because)
            hosts = weighing.using(opened, wanted)
        else:
            settings = {"weight": DRAIN if drained else to}
            hosts = weighing.balancers(opened, wanted, settings)
            one, _ = operating.begin(opened, "weight", wanted, settings, who=who(), why=because, lasts=lasts)
            operations = [one]
        _carried_out(opened, operations, hosts, None if later else wait, as_json)


@app.command("hold")
def hold(
    target: Places,
    because: NeededBecause,
    lasts: ForOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep hosts at the release that they have: rollouts go on without them.

    [bold]tidegate operation hold edge1.lhr1 --because "vendor is debugging" --for 1d[/bold]
    """
    _begin("hold", target, because, lasts, store, as_json)


@app.command("pause")
def pause(
    target: Places,
    because: NeededBecause,
    lasts: ForOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let rollouts wait with hosts: they get their turn when the pause ends. What is under way is brought to its end.

    [bold]tidegate operation pause pop=lhr1 --because "power works until 6" --for 4h[/bold]
    """
    _begin("pause", target, because, lasts, store, as_json)


@app.command("end")
def end(id_: IdArgument, because: BecauseOption = "", store: StoreOption = None, as_json: JsonOption = False) -> None:
    """End an operation of any kind, by the number that [bold]list[/bold] shows.

    Hosts follow with their next highstate; [bold]tidegate undrain[/bold] tells them at once.
    """
    from tidegate.release.operations import Operations

    with terminal.sentences(as_json):
        operation = Operations(stores.opened(store)).end(id_, who(), because)
    _tell([operation], as_json, "ended")


def _begin(
    kind: Kind, target: Sequence[str], because: str, lasts: str | None, store: str | None, as_json: bool
) -> None:
    from tidegate.rollout import operating

    with terminal.sentences(as_json):
        wanted = operating.of_words(target)
        opened = stores.opened(store)
        operation, hosts = operating.begin(opened, kind, wanted, {}, who=who(), why=because, lasts=lasts)
    _tell([operation], as_json, f"of {len(hosts)} host{'' if len(hosts) == 1 else 's'} begun")


def _carried_out(
    store: Store, operations: Sequence[Operation], hosts: Sequence[str], wait: int | None, as_json: bool
) -> None:
    """Tell the hosts that have a release, if a master is here and nobody said to leave it to them."""
    from tidegate.cli.operation_view import applied
    from tidegate.release.assignments import Assignments
    from tidegate.rollout.applying import apply

    assigned = Assignments(store).all()
    told = [host for host in hosts if host in assigned]
    now = wait is not None and masters.here() and bool(told)
    outcomes: dict[str, Applied] = {}
    if not as_json:
        _tell(operations, as_json, "ended" if operations[0].ended_at else "begun")
    if now and wait is not None:
        outcomes = apply(masters.fleet(), told, float(wait))
    if as_json:
        document = {host: one.as_dict() for host, one in outcomes.items()}
        terminal.show(
            {"operations": [one.as_dict() for one in operations], "hosts": told, "applied": document}, as_json
        )
    elif now:
        terminal.console().print(applied(outcomes))
    else:
        typer.echo("Hosts follow with their next highstate.", err=True)
    if any(not one.good for one in outcomes.values()):
        raise typer.Exit(BROKEN)


def _tell(operations: Sequence[Operation], as_json: bool, what: str) -> None:
    from tidegate.rollout.operating import in_words

    if as_json:
        terminal.show(operations[0].as_dict(), as_json)
        return
    for one in operations:
        until = f", until {one.until:%Y-%m-%d %H:%M} UTC" if one.until and not one.ended_at else ""
        typer.echo(f"Operation {one.id}: {one.kind} of {in_words(one.target)} {what}{until}")
