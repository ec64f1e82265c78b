"""``bird.conf`` for people to read: rendered for any version of BIRD, with names in the place of secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

import tidegate
from tidegate.bird import render as bird
from tidegate.bird.section import BirdSection
from tidegate.cli.arguments import BROKEN
from tidegate.host.errors import Refused

TEMPLATES = Path(tidegate.__file__).resolve().parents[2] / "salt" / "traffic" / "templates"

VersionOption = Annotated[str, typer.Option("--bird-version", help="The BIRD to render for: 2.0.12, 3.1 …")]
TemplatesOption = Annotated[
    Path, typer.Option("--templates", help="The state tree's traffic/templates.", show_default=False)
]


def text(section: BirdSection, bird_version: tuple[int, int, int], templates: Path) -> str:
    """A host's ``bird.conf``; ends the command if it cannot be rendered."""
    passwords = [neighbor.get("password") for neighbor in section["neighbors"]]
    references = [password["secret"] for password in passwords if password]
    references += [key["secret"] for neighbor in section["neighbors"] for key in neighbor.get("keys", ())]
    secrets = {reference: f"<secret {reference}>" for reference in references}
    try:
        files = bird.render(section, version=bird_version, templates=templates, secrets=secrets, key=b"")
    except Refused as error:
        typer.echo(f"This cannot be rendered: {error}", err=True)
        raise typer.Exit(BROKEN) from None
    return files["bird.conf"]


def version(words: str) -> tuple[int, int, int]:
    """The version that an option names; a usage error if it names none."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+(\.[0-9]+)?", words):
        raise typer.BadParameter("expected a version such as 2.0.12, 2.17 or 3.1", param_hint="--bird-version")
    major, minor, *patch = map(int, words.split("."))
    return major, minor, patch[0] if patch else 0
