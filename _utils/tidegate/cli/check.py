"""``tidegate check``: every error of a policy in one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tidegate.cli.arguments import BROKEN, JsonOption, PillarArgument
from tidegate.cli.summary import Summary
from tidegate.policy.errors import NOTHING, Problem, show
from tidegate.policy.load import Loaded, load

NamedOption = Annotated[
    Path | None, typer.Option("--pillar", help="The same, as the other commands take it.", exists=True, file_okay=False)
]


def command(pillar: PillarArgument = Path("pillar"), named: NamedOption = None, as_json: JsonOption = False) -> None:
    """Check the policy and list everything that is wrong with it, with file and line.

    Ends with 0 if the policy is good, with 1 if it is not. It reads files and touches nothing else.

    [bold]tidegate check[/bold]                the policy in ./pillar/traffic

    [bold]tidegate check /srv/pillar[/bold]    the policy of another pillar folder

    [bold]tidegate check --json[/bold]         the same, for an editor or a pipeline
    """
    pillar = named or pillar
    loaded = load(pillar)
    if as_json:
        typer.echo(json.dumps(_document(loaded), indent=2, ensure_ascii=False))
    elif loaded.policy is None:
        _print_problems(loaded.problems, pillar)
    else:
        console = Console()
        console.print(f"[green]The policy in {pillar} is good.[/green]")
        for line in Summary.of(loaded.policy).lines():
            console.print(f"  {line}", highlight=False)
    if loaded.policy is None:
        raise typer.Exit(BROKEN)


def _document(loaded: Loaded) -> dict[str, object]:
    return {
        "ok": loaded.policy is not None,
        "problems": [problem.as_dict() for problem in loaded.problems],
        "summary": Summary.of(loaded.policy).as_dict() if loaded.policy else None,
    }


def _print_problems(problems: Sequence[Problem], pillar: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for file, group in groupby(problems, key=lambda problem: problem.file):
        found = list(group)
        for problem in found:
            place = f"{pillar / file}:{problem.line}" if file and problem.line else str(pillar / file) if file else ""
            head = Text(place, style="bold")
            if problem.path:
                head.append(f"  {problem.where}" if place else problem.where, style="cyan")
            if head:
                console.print(head)
            console.print(Text(f"  {problem.message}", style="red"))
            for name, text in _details(problem):
                console.print(Text(f"    {name:9} ", style="dim").append(text, style="default"))
            console.print()
    files = {problem.file for problem in problems if problem.file}
    where = f" in {len(files)} files" if len(files) > 1 else ""
    console.print(f"[red]{len(problems)} error{'s' if len(problems) != 1 else ''}{where}.[/red]")


def _details(problem: Problem) -> list[tuple[str, str]]:
    rows = [("expected", problem.expected), ("hint", problem.hint)]
    if problem.value is not NOTHING:
        rows.insert(0, ("value", show(problem.value)))
    return [(name, text) for name, text in rows if text]
