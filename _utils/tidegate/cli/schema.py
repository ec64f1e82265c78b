"""``tidegate schema``: the JSON Schema of policy files, for editors."""

from __future__ import annotations

import json

import typer

from tidegate.policy.schema import file_schema


def command() -> None:
    """Print the JSON Schema of a policy file, so that an editor completes, explains and checks it.

    [bold]tidegate schema > policy.schema.json[/bold]

    Then, as the first line of a file without Jinja, for editors with the YAML language server:

    [bold]# yaml-language-server: $schema=../../policy.schema.json[/bold]
    """
    typer.echo(json.dumps(file_schema(), indent=2, ensure_ascii=False))
