"""Arguments and options of ``tidegate release``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class DiffForm(str, Enum):
    """What is compared as text."""

    PLAN = "plan"
    BIRD = "bird"


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="TIDEGATE_STORE",
        help="The store: a path for SQLite, or postgresql://user@host/database.",
        show_default="master's tidegate:store, else /var/lib/tidegate-master/store.db",
    ),
]
Id = Annotated[str | None, typer.Argument(metavar="[ID]", help="A release's id, or how it begins.", show_default=False)]
HostOption = Annotated[str | None, typer.Option("--host", help="One host alone.")]
NoteOption = Annotated[str, typer.Option("--note", help="What this release is for; others will read it.")]
WaiveOption = Annotated[list[str] | None, typer.Option("--waive", metavar="RULE", help="A rule it may break.")]
BecauseOption = Annotated[
    list[str] | None, typer.Option("--because", metavar="TEXT", help="Why; one for each --waive, in their order.")
]
AgainstOption = Annotated[
    str | None,
    typer.Option("--against", metavar="ID", help="The release to compare with.", show_default="the newest"),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Do everything but store it.")]
MostOption = Annotated[int, typer.Option("--most", "-n", min=1, help="How many, newest first.")]
PolicyOption = Annotated[bool, typer.Option("--policy", help="Print the policy it was made from, as JSON.")]
DiffOption = Annotated[DiffForm | None, typer.Option("--diff", help="Text diffs of plans, or of bird.conf.")]
Before = Annotated[str, typer.Argument(metavar="A", help="From this release's id …", show_default=False)]
After = Annotated[str, typer.Argument(metavar="B", help="… to this one's.", show_default=False)]
