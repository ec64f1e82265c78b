"""``tidegate judge``: a judgement of the past, made again from what was kept of it.

The judge is imported when it is used: NumPy and SciPy take a while, and the other commands need neither.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tidegate.cli.arguments import BROKEN, JsonOption
from tidegate.cli.release_arguments import StoreOption
from tidegate.host.errors import Refused, TidegateError

if TYPE_CHECKING:
    from tidegate.judge.case import Case
    from tidegate.judge.judgement import Judgement

DIFFERENT = 3

ReplayOption = Annotated[
    str,
    typer.Option(
        "--replay",
        metavar="ROLLOUT|FILE",
        help="A rollout's number: what a gate has kept in its journal. Or a file with the JSON of a gate's verdict.",
    ),
]
WaveOption = Annotated[str | None, typer.Option("--wave", help="Of this wave; the last that was judged without.")]
GateOption = Annotated[str | None, typer.Option("--gate", help="By this gate; the last that judged without.")]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, too: a file that ends in .png or .svg.")
]


def command(
    replay: ReplayOption,
    wave: WaveOption = None,
    gate: GateOption = None,
    plot: PlotOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a wave of the past again, from the data that were kept.

    Ends with 0 if the judgement is what it was, with 3 if it differs: then the judge has changed since. Nothing is
    asked of Prometheus or of hosts.

    [bold]tidegate judge --replay 12[/bold]                          the last judgement of rollout 12, made again

    [bold]tidegate judge --replay 12 --wave canary --plot x.svg[/bold]    that of its canaries, with a picture

    [bold]tidegate judge --replay case.json[/bold]                   one that somebody has put into a file
    """
    from tidegate.judge.differences import differences

    try:
        case = _of_rollout(int(replay), wave, gate, store) if replay.isdecimal() else _read(Path(replay))
        judgement = case.replayed()
        if plot is not None:
            _draw(judgement, plot)
    except TidegateError as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(BROKEN) from error
    found = differences(case.judgement, judgement)
    if as_json:
        document = {"judgement": judgement.as_dict(), "differences": found}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print(judgement, found)
    if found:
        raise typer.Exit(DIFFERENT)


def _of_rollout(number: int, wave: str | None, gate: str | None, store: str | None) -> Case:
    from tidegate.cli import stores
    from tidegate.judge.case import Case
    from tidegate.rollout.cases import last
    from tidegate.rollout.journal import Journal

    journal = Journal(stores.opened(store))
    journal.rollout(number)
    found = last(number, journal.events(number), wave, gate)
    try:
        return Case.of(found.evidence)
    except ValueError as error:
        raise Refused(f"The judgement of {found.wave} by {found.gate} cannot be replayed: {error}.") from error


def _read(file: Path) -> Case:
    from tidegate.judge.case import Case

    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        return Case.of(document)
    except (OSError, ValueError) as error:
        raise Refused(f"{file} cannot be replayed: {error}.") from error


def _draw(judgement: Judgement, plot: Path) -> None:
    from tidegate.judge.picture import picture

    match plot.suffix.lower():
        case ".svg":
            drawn = picture(judgement, "svg")
        case ".png":
            drawn = picture(judgement, "png")
        case _:
            raise Refused(f"{plot} must end in .png or .svg, to say what to draw.")
    plot.write_bytes(drawn)


def _print(judgement: Judgement, found: list[str]) -> None:
    from tidegate.judge.text import lines

    for line in lines(judgement):
        typer.echo(line)
    typer.echo("")
    if not found:
        typer.echo("The same as it was judged then.")
        return
    typer.echo("It was judged otherwise then:")
    for line in found:
        typer.echo(f"  {line}")
