"""``tidegate schema``: what may stand in a policy, for editors and for people."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated

import typer

from tidegate.policy import reference
from tidegate.policy.schema import file_schema


class Form(str, Enum):
    """How the schema is printed."""

    JSON = "json"
    MARKDOWN = "markdown"


FormOption = Annotated[Form, typer.Option("--form", help="JSON Schema for editors, or Markdown tables for people.")]


def command(form: FormOption = Form.JSON) -> None:
    """Print the schema of policy files, so that an editor completes, explains and checks them.

    [bold]tidegate schema > policy.schema.json[/bold]

    Then, as the first line of a policy file, for editors with the YAML language server:

    [bold]# yaml-language-server: $schema=../../policy.schema.json[/bold]
    """
    if form is Form.MARKDOWN:
        typer.echo(reference.markdown())
    else:
        typer.echo(json.dumps(file_schema(), indent=2, ensure_ascii=False))
