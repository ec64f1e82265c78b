"""What commands print, and how they end when something goes wrong: the same for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console

from tidegate.cli.arguments import BROKEN
from tidegate.host.errors import TidegateError

WIDTH = 120
"""Columns where there is no terminal to ask."""


@contextmanager
def sentences(as_json: bool) -> Iterator[None]:
    """What Tidegate raises as one sentence, or as JSON; the command then ends with 1."""
    try:
        yield
    except TidegateError as error:
        if as_json:
            show({"error": str(error)}, as_json)
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(BROKEN) from None


def show(what: Any, as_json: bool) -> None:
    """Print plain data as JSON, or something that rich can render."""
    if as_json:
        typer.echo(json.dumps(what, indent=2, ensure_ascii=False))
    else:
        console().print(what)


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for a table in a file."""
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = max(found.width, WIDTH)
    return found
