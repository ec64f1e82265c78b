"""Arguments and options of ``tidegate drain``, ``undrain`` and ``operation``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class How(str, Enum):
    """How traffic is led away."""

    WITHDRAW = "withdraw"
    PREPEND = "prepend"
    GRACEFUL = "graceful"


Target = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help="A host, or LABEL=VALUE: pop, region, service, neighbor; all must fit.",
        show_default=False,
    ),
]
Places = Annotated[
    list[str],
    typer.Argument(metavar="TARGET...", help="A host, or pop=VALUE, or region=VALUE.", show_default=False),
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="DURATION", help="Ends by itself after so long: 45m, 2h, 1d.", show_default="until ended"
    ),
]
HowOption = Annotated[
    How,
    typer.Option(
        "--how", help="Withdraw; or stay reachable and be the last choice: a longer path, or RFC 8326's community."
    ),
]
TimesOption = Annotated[int | None, typer.Option("--times", min=1, help="How often --how prepend prepends.")]
GracefullyOption = Annotated[
    int | None,
    typer.Option(
        "--gracefully",
        help="Seconds for which announcements are the last choice before they are withdrawn, and again on undrain. "
        "Hosts follow with the next highstate after that.",
    ),
]
Backend = Annotated[
    list[str],
    typer.Argument(metavar="BACKEND...", help="A host, and service=VALUE for one service alone.", show_default=False),
]
ToOption = Annotated[
    int | None, typer.Option("--to", min=0, max=10_000, help="Its share of new flows; 0: none, old flows included.")
]
DrainOption = Annotated[bool, typer.Option("--drain", help="No new flows; it keeps the old ones (needs gue).")]
BackOption = Annotated[bool, typer.Option("--back", help="End the weight by hand: what the policy says holds again.")]
LaterOption = Annotated[
    bool, typer.Option("--later", help="Leave it to the hosts' next highstate instead of telling them now.")
]
BelowOption = Annotated[
    bool, typer.Option("--below-min-pops", help="Even if it leaves a service with fewer PoPs than its min_pops.")
]
WaitOption = Annotated[int, typer.Option("--wait", metavar="SECONDS", min=1, help="How long to wait for hosts.")]
EverOption = Annotated[bool, typer.Option("--all", help="Those that have ended too.")]
IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="The operation's number.", show_default=False)]
