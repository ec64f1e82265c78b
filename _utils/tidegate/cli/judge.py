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
from tidegate.host.errors import Refused

if TYPE_CHECKING:
    from tidegate.judge.case import Case
    from tidegate.judge.judgement import Judgement

DIFFERENT = 3

ReplayOption = Annotated[
    Path,
    typer.Option(
        "--replay",
        metavar="FILE",
        help="A case as a gate keeps it: its verdict's JSON, or the judgement and recording of it.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, too: a file that ends in .png or .svg.")
]


def command(replay: ReplayOption, plot: PlotOption = None, as_json: JsonOption = False) -> None:
    """Judge a wave of the past again, from the data that were kept.

    Ends with 0 if the judgement is what it was, with 3 if it differs: then the judge has changed since. Nothing is
    asked of Prometheus or of hosts.

    [bold]tidegate judge --replay case.json[/bold]                    the report, and whether it still holds

    [bold]tidegate judge --replay case.json --plot case.svg[/bold]    its picture, too
    """
    from tidegate.judge.differences import differences

    try:
        case = _read(replay)
        judgement = case.replayed()
        if plot is not None:
            _draw(judgement, plot)
    except Refused as error:
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


def _read(file: Path) -> Case:
    from tidegate.judge.case import Case

    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        return Case.of(document)
    except ValueError as error:
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
