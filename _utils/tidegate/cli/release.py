"""``tidegate release``: immutable snapshots of what the fleet is to run.

SQLAlchemy and the compiler are imported by the commands that use them: a `tidegate check` in an editor does not wait.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from tidegate.cli import bird_conf, release_view, terminal
from tidegate.cli.arguments import BROKEN, JsonOption, PillarOption, good_load
from tidegate.cli.bird_conf import TEMPLATES, TemplatesOption, VersionOption
from tidegate.cli.person import who
from tidegate.cli.release_arguments import (
    After,
    AgainstOption,
    BecauseOption,
    Before,
    DiffForm,
    DiffOption,
    DryOption,
    HostOption,
    Id,
    MostOption,
    NoteOption,
    PolicyOption,
    StoreOption,
    WaiveOption,
)
from tidegate.cli.steps import steps
from tidegate.cli.stores import if_any, opened
from tidegate.host.errors import TidegateError
from tidegate.host.plan import Plan
from tidegate.policy.errors import suggest
from tidegate.release.release import SHORT

if TYPE_CHECKING:
    from tidegate.release.creation import Proposal
    from tidegate.release.release import Release
    from tidegate.release.store import Store

app = typer.Typer(
    help="Releases: immutable snapshots of the policy and every host's plan.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("create")
def create(
    pillar: PillarOption = Path("pillar"),
    note: NoteOption = "",
    waive: WaiveOption = None,
    because: BecauseOption = None,
    against: AgainstOption = None,
    dry_run: DryOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compile the policy, hold it against the rules, and store the result as a release.

    Ends with 0 if there is a release now, and with 1 and every finding if rules are broken that nobody waived.
    A policy that has not changed is the same release. No host is touched.

    [bold]tidegate release create --note "second transit in lhr1"[/bold]

    [bold]tidegate release create --dry-run[/bold]    what the rules would say

    [bold]tidegate release create --waive min-pops --because "iad1 is rebuilt until Friday, NET-123"[/bold]
    """
    from tidegate.release import creation

    reasons = _paired(waive or [], because or [])
    with _sentences(as_json), steps() as step:
        step(f"reading the policy in {pillar}")
        policy, document = good_load(pillar)
        request = creation.Request(policy, document, who(), note, reasons, against)
        if dry_run:
            draft = creation.compile_release(request, step)
            proposal = creation.propose(if_any(store), request, draft, step)
            release, new = proposal.known, False
            if proposal.refused:
                raise creation.RulesBroken(proposal.refused)
        else:
            proposal, release, new = creation.create(opened(store, create=True), request, step)
    outcome = {
        "id": proposal.draft.id,
        "new": new,
        "release": release.as_dict() if release else None,
        "waived": [waiver.as_dict() for waiver in proposal.waivers],
    }
    if as_json:
        typer.echo(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        _tell(proposal, release, new, reasons)


@app.command("list")
def list_(most: MostOption = 20, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List releases, newest first."""
    with _sentences(as_json):
        releases = opened(store).releases(most)
    if as_json:
        typer.echo(json.dumps([release.as_dict() for release in releases], indent=2, ensure_ascii=False))
    elif releases:
        terminal.console().print(release_view.table(releases))
    else:
        typer.echo("There is no release yet.", err=True)


@app.command("show")
def show(
    id_: Id = None,
    host: HostOption = None,
    policy: PolicyOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a release, or what it has for one host. Without an id, the newest.

    [bold]tidegate release show 3f2a --host edge1.lhr1[/bold]           that host's plan in brief

    [bold]tidegate release show 3f2a --host edge1.lhr1 --json[/bold]    the plan itself
    """
    with _sentences(as_json):
        found = opened(store)
        release = _chosen(found, id_)
        if policy:
            typer.echo(json.dumps(json.loads(found.policy(release)), indent=2, ensure_ascii=False))
        elif host is not None:
            plan = _plan(found, release, host)
            terminal.show(plan.document if as_json else release_view.plan(plan), as_json)
        elif as_json:
            terminal.show({**release.as_dict(), "plans": found.digests(release)}, as_json)
        else:
            terminal.show(release_view.page(release), as_json)


@app.command("delta")
def delta(
    before: Before,
    after: After,
    host: HostOption = None,
    diff: DiffOption = None,
    bird_version: VersionOption = "2.17",
    templates: TemplatesOption = TEMPLATES,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what happens in the network when the fleet goes from release A to release B.

    [bold]tidegate release delta 3f2a 91bc[/bold]                 prefixes, sessions, rules, classes, and where

    [bold]tidegate release delta 3f2a 91bc --diff plan[/bold]     the plans line by line, once for hosts that share it

    [bold]tidegate release delta 3f2a 91bc --diff bird[/bold]     the same for bird.conf, without secrets
    """
    from tidegate.cli.delta_view import view
    from tidegate.release.comparison import compared

    version = bird_conf.version(bird_version)
    with _sentences(as_json), steps() as step:
        found = opened(store)
        step("reading both releases")
        comparison = compared(found, found.find(before), found.find(after), host)
    if diff is not None:
        spelling = None if diff is DiffForm.PLAN else lambda plan: _bird_text(plan, version, templates)
        for difference in comparison.differences(spelling):
            for line in release_view.diff(difference):
                terminal.console().print(line, soft_wrap=True)
    else:
        terminal.show(comparison.as_dict() if as_json else view(comparison.delta), as_json)


@app.command("verify")
def verify(id_: Id = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Work out every digest of a release again, and report what does not fit. Without an id, of all releases.

    Ends with 0 if everything is what was stored once, with 1 if not.
    """
    from tidegate.release.verification import verify as verified

    with _sentences(as_json), steps() as step:
        found = opened(store)
        outcomes = verified(found, [found.find(id_)] if id_ else found.releases(), step)
    if as_json:
        typer.echo(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2, ensure_ascii=False))
    for outcome in outcomes if not as_json else ():
        hosts = f"{outcome.release.short}  {outcome.release.hosts} hosts"
        terminal.console().print(
            f"{hosts}  [red]damaged[/red]" if outcome.damage else f"{hosts}  [green]intact[/green]"
        )
        for reason in outcome.damage:
            terminal.console().print(f"  {reason}", markup=False, soft_wrap=True)
    if any(outcome.damage for outcome in outcomes):
        raise typer.Exit(BROKEN)


@contextmanager
def _sentences(as_json: bool) -> Iterator[None]:
    """As `terminal.sentences`, with the findings of rules as a list."""
    with terminal.sentences(as_json):
        try:
            yield
        except TidegateError as error:
            findings = [finding.as_dict() for finding in getattr(error, "findings", ())]
            if as_json:
                terminal.show({"error": str(error), "findings": findings}, as_json)
            elif findings:
                console = Console(stderr=True, highlight=False, soft_wrap=True)
                console.print(release_view.findings(findings))
                console.print(
                    "[red]No release was created.[/red] Change the policy, or waive a rule and say why: --help."
                )
            else:
                raise
            raise typer.Exit(BROKEN) from None


def _chosen(store: Store, id_: str | None) -> Release:
    from tidegate.release.errors import NoSuchRelease

    release = store.find(id_) if id_ else store.newest()
    if release is None:
        raise NoSuchRelease(f"The store {store.name} has no release yet.")
    return release


def _plan(store: Store, release: Release, host: str) -> Plan:
    from tidegate.release.errors import NoSuchHost

    try:
        return store.plan(release.id, host)
    except NoSuchHost as error:
        raise NoSuchHost(f"{error} {suggest(host, store.digests(release))}".rstrip()) from None


def _tell(proposal: Proposal, release: Release | None, new: bool, reasons: Mapping[str, str]) -> None:
    console = terminal.console()
    short, hosts = proposal.draft.id[:SHORT], f"{len(proposal.draft.plans)} hosts"
    if proposal.known:
        when = f"{proposal.known.created_at:%Y-%m-%d %H:%M} UTC by {proposal.known.who}"
        console.print(f"Nothing has changed: this is release [bold]{short}[/bold], created {when}.")
    elif release and new:
        console.print(f"[green]Release [bold]{short}[/bold] created[/green], {hosts}.")
    else:
        console.print(f"It would be release [bold]{short}[/bold], {hosts}. Nothing was stored.")
    if proposal.against and new:
        console.print(f"What it changes: [bold]tidegate release delta {proposal.against.short} {short}[/bold]")
    needed = {waiver.rule for waiver in proposal.waivers}
    for rule in sorted(reasons):
        if rule in needed:
            console.print(f"[yellow]waived[/yellow] {rule}")
        else:
            why = "an existing release keeps its own" if proposal.known else "the rule found nothing"
            console.print(f"The waiver of {rule} was not kept: {why}.")


def _paired(waive: list[str], because: list[str]) -> dict[str, str]:
    if len(waive) != len(because):
        raise typer.BadParameter(
            f"{len(waive)} --waive and {len(because)} --because: each rule needs its own reason", param_hint="--because"
        )
    if len(set(waive)) != len(waive):
        raise typer.BadParameter("a rule is waived twice", param_hint="--waive")
    return dict(zip(waive, because, strict=True))


def _bird_text(plan: Plan, version: tuple[int, int, int], templates: Path) -> str:
    if plan.bird is None:
        return ""
    # The marker differs whenever anything does, and between hosts.
    lines = bird_conf.text(plan.bird, version, templates).splitlines()
    return "\n".join(line for line in lines if "define TIDEGATE_MARKER" not in line)
