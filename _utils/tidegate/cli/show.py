"""``tidegate show``: what one host is to run."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tidegate.bird.section import BirdSection
from tidegate.cli import bird_conf, bird_view, tc_view, xdp_view
from tidegate.cli.arguments import JsonOption, PillarOption, good_policy
from tidegate.cli.bird_conf import TEMPLATES, TemplatesOption, VersionOption
from tidegate.host.plan import Plan
from tidegate.policy.errors import suggest
from tidegate.policy.plans import compile_host


class Part(str, Enum):
    """What to show of a plan."""

    PLAN = "plan"
    BIRD = "bird"
    TC = "tc"
    XDP = "xdp"


PIPED_WIDTH = 120
"""Columns where there is no terminal to ask."""

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help="The host's name: its Salt minion id.", show_default=False)
]
PartOption = Annotated[Part | None, typer.Option("--part", help="One part in full; without, all of it in brief.")]


def command(
    host: HostArgument,
    part: PartOption = None,
    pillar: PillarOption = Path("pillar"),
    bird_version: VersionOption = "2.17",
    templates: TemplatesOption = TEMPLATES,
    as_json: JsonOption = False,
) -> None:
    """Show what one host is to run: its sessions, its shaping and its filter.

    [bold]tidegate show edge1.lhr1[/bold]               all of it in brief

    [bold]tidegate show edge1.lhr1 --part bird[/bold]   its bird.conf, without secrets

    [bold]tidegate show edge1.lhr1 --part tc[/bold]     the tree of each shaped interface

    [bold]tidegate show edge1.lhr1 --part xdp[/bold]    the filter's rules in order

    [bold]tidegate show edge1.lhr1 --part plan[/bold]   the plan itself, as the minion gets it
    """
    plan = _plan(pillar, host)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    if as_json:
        chosen: Any = plan.document if part in (None, Part.PLAN) else plan.document[part.value]
        typer.echo(json.dumps(chosen, indent=2, ensure_ascii=False))
    elif part is Part.PLAN:
        typer.echo(json.dumps(plan.document, indent=2, ensure_ascii=False))
    elif part is Part.BIRD:
        typer.echo(_bird_conf(plan.bird, bird_version, templates), nl=False)
    else:
        if part is None:
            _print_head(console, plan)
        if part in (None, Part.TC):
            console.print(tc_view.trees(plan.tc))
        if part in (None, Part.XDP):
            console.print(xdp_view.table(plan.xdp))


def _plan(pillar: Path, host: str) -> Plan:
    policy = good_policy(pillar)
    hosts = policy.fleet.hosts
    if host not in hosts:
        raise typer.BadParameter(f"the fleet has no host '{host}'. {suggest(host, hosts)}", param_hint="HOST")
    return compile_host(policy, host)


def _print_head(console: Console, plan: Plan) -> None:
    labels = ", ".join(f"{label} {value}" for label, value in plan.labels.items() if label != "host")
    console.print(Text(plan.host, style="bold").append(f"  {labels}  plan {plan.digest[:12]}", style="default"))
    console.print()
    console.print(bird_view.table(plan.bird))


def _bird_conf(section: BirdSection | None, version: str, templates: Path) -> str:
    if section is None:
        raise typer.BadParameter("the policy has no routing: Tidegate leaves BIRD alone here", param_hint="--part")
    return bird_conf.text(section, bird_conf.version(version), templates)
