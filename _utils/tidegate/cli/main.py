"""The ``tidegate`` command: one module for each of its subcommands."""

from __future__ import annotations

import logging

import typer

from tidegate.cli import check, drift, judge, operation, release, rollout, schema, show, store

app = typer.Typer(
    name="tidegate",
    help="One traffic policy in Salt pillar, compiled to BIRD, tc and XDP for every edge host.",
    epilog="Start with [bold]tidegate check[/bold] beside a pillar/ folder. check, show, schema and release touch "
    "no host; a rollout shows its plan, and asks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check.command)
app.command("show")(show.command)
app.command("schema")(schema.command)
app.add_typer(release.app, name="release")
app.add_typer(store.app, name="store")
app.add_typer(rollout.app, name="rollout")
app.command("drain")(operation.drain)
app.command("undrain")(operation.undrain)
app.command("weight")(operation.weight)
app.add_typer(operation.app, name="operation")
app.add_typer(operation.app, name="operations", hidden=True)
app.add_typer(drift.app, name="drift")
app.command("judge")(judge.command)


@app.callback()
def _quiet() -> None:
    # Salt's renderers log what they also raise; the errors are shown once, and well.
    logging.getLogger("salt").addHandler(logging.NullHandler())
    logging.getLogger("salt").propagate = False


if __name__ == "__main__":
    app()
