"""A rollout on a terminal: waves, gates, PoPs by line, margins, what is under way and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.release.release import SHORT
from tidegate.rollout.explain import Explanation
from tidegate.rollout.narrative import names
from tidegate.rollout.outlook import next_step
from tidegate.rollout.view import GROUPS, Counts, HostView, Margin, PopView, View, WaveView, grouped
from tidegate.rollout.words import hosts, seconds

ALWAYS = ("has it", "moving", "waiting", "unknown")
"""Columns that are there even if they are empty; the others come with their first host."""

STYLES = {
    "has it": "green",
    "moving": "cyan",
    "waiting": "dim",
    "unknown": "magenta",
    "failed": "red",
    "undone": "red",
    "skipped": "yellow",
    "back": "yellow",
    "stuck": "bold red",
}
SIGNS = {"has it": "█", "moving": "▒", "waiting": "·", "unknown": "?", "skipped": "-", "back": "◂", "undone": "◂"}
OTHER_SIGN = "!"

STATUSES = {
    "completed": "green",
    "promoted": "green",
    "running": "cyan",
    "judging": "cyan",
    "checking": "cyan",
    "waiting": "dim",
    "back": "yellow",
    "rolled-back": "yellow",
    "aborted": "yellow",
    "superseded": "yellow",
    "paused": "yellow",
    "blocked": "red",
    "stopped": "red",
}
OUTCOMES = {"pass": "green", "fail": "red", "inconclusive": "magenta", None: "dim"}

BAR = 20
"""Cells of a PoP's bar."""
MOST_POPS = 24
"""PoPs that have a line of their own: those that are not simply waiting or done come first."""
MOST_HOSTS = 8
MOST_JOBS = 6


def page(view: View) -> RenderableType:
    """All of it, as little as fits on a screen for most fleets."""
    return Group(
        *_head(view),
        Text(),
        _waves(view),
        *_gates(view),
        *_hosts(view),
        *_pops(view),
        *_limits(view),
        *_jobs(view),
        Text(),
        Text("Next  ", style="bold").append(next_step(view), style="not bold"),
    )


def explanation(told: Explanation) -> RenderableType:
    """Sentences, and commands with what comes of them."""
    lines: list[RenderableType] = [Text(told.where, style="bold")]
    lines += [Text(f"- {reason}") for reason in told.because]
    lines += [Text(), Text("Next  ", style="bold").append(told.next, style="not bold")]
    if told.choices:
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_column(overflow="fold", style="dim")
        for choice in told.choices:
            grid.add_row(Text(choice.command), Text(choice.effect))
        lines += [Text(), Text("What you can do", style="bold"), grid]
    return Group(*lines)


def _head(view: View) -> Iterator[RenderableType]:
    head = Text(f"Rollout {view.number}  ", style="bold").append(view.status, style=STATUSES.get(view.status, "cyan"))
    strategy = "  emergency" if view.strategy == "emergency" else ""
    head.append(f"{strategy}  release {view.release[:SHORT]}  by {view.who}", style="not bold")
    yield head.append(f": {view.why}" if view.why else "", style="not bold")
    for text in (view.reason, f"waits for {view.waiting}" if view.waiting else ""):
        if text:
            yield Text(text, style=STATUSES.get(view.status, "") if text == view.reason else "yellow")
    if view.engine is None and not view.ended:
        yield Text("no engine holds the lease: nothing moves", style="red")


def _waves(view: View) -> Table:
    columns = _columns([wave.counts for wave in view.waves])
    grid = _grid("", "wave", "status")
    for name in ("hosts", *columns, "soak"):
        grid.add_column(name, justify="right", no_wrap=True)
    for position, wave in enumerate(view.waves, 1):
        counts = grouped(wave.counts)
        cells = [_number(counts[name], STYLES[name]) for name in columns]
        status = Text(wave.status, style=STATUSES.get(wave.status, "cyan"))
        grid.add_row(str(position), Text(wave.name), status, str(wave.hosts), *cells, _soak(wave))
    return grid


def _soak(wave: WaveView) -> Text:
    if wave.status == "waiting" or not wave.soak:
        return Text(seconds(wave.soak) if wave.soak else "one look", style="dim")
    if not wave.soak_left:
        return Text("done", style="green")
    return Text(f"{seconds(wave.soak_left)} left of {seconds(wave.soak)}")


def _gates(view: View) -> Iterator[RenderableType]:
    for wave in view.waves:
        bad = any(gate.outcome in ("fail", "inconclusive") for gate in wave.gates)
        if not wave.round or (wave.status == "promoted" and not bad and view.current):
            continue
        yield Text()
        rounds = f"round {wave.round}"
        if wave.inconclusive:
            rounds += f", the last {wave.inconclusive} without a decision"
        yield Text(f"Gates of {wave.name}", style="bold").append(f"  {rounds}", style="not bold dim")
        grid = _grid("", "", "", header=False)
        for gate in wave.gates:
            grid.add_row(Text(gate.name), Text(gate.said, style=OUTCOMES.get(gate.outcome, "")), Text(gate.reason))
        yield grid


def _hosts(view: View) -> Iterator[RenderableType]:
    found: list[tuple[str, str, str]] = [_host(each) for each in view.hosts]
    if view.status == "blocked":
        found = [(host, "", reason) for host, reason in view.problems.items()]
    if not found:
        return
    yield Text()
    yield Text("Hosts to look at", style="bold")
    grid = _grid("", "", "", header=False)
    for host, phase, reason in found[:MOST_HOSTS]:
        grid.add_row(Text(host), Text(phase, style="magenta" if phase == "unknown" else "red"), Text(reason))
    yield grid
    if len(found) > MOST_HOSTS:
        yield Text(f"and {len(found) - MOST_HOSTS} more: --json has them all", style="dim")


def _host(each: HostView) -> tuple[str, str, str]:
    tries = f" (tried {each.tries} times)" if each.tries > 1 else ""
    return each.host, each.phase, f"{each.reason}{tries}"


def _pops(view: View) -> Iterator[RenderableType]:
    yield Text()
    columns = _columns([pop.counts for pop in view.pops])
    grid = _grid("PoP", "")
    for name in ("hosts", *columns):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("waves", overflow="fold", style="dim")
    ordered = sorted(view.pops, key=lambda pop: (_quiet(pop), pop.pop))
    for pop in sorted(ordered[:MOST_POPS], key=lambda pop: pop.pop):
        counts = grouped(pop.counts)
        cells = [_number(counts[name], STYLES[name]) for name in columns]
        grid.add_row(Text(pop.pop), _bar(counts, pop.hosts), str(pop.hosts), *cells, ", ".join(pop.waves))
    yield grid
    rest = ordered[MOST_POPS:]
    if rest:
        done = sum(set(pop.counts) <= {"ok", "changed"} for pop in rest)
        yield Text(f"and {len(rest)} PoPs more, {done} of them done: --json has them all", style="dim")


def _quiet(pop: PopView) -> bool:
    return not set(pop.counts) - {"ok", "changed", "waiting"}


def _bar(counts: Mapping[str, int], total: int) -> Text:
    """Cells by share; whoever is there has at least one, so that one unknown host among hundreds is seen."""
    there = {name: count for name, count in counts.items() if count}
    cells = {name: max(1, round(BAR * count / total)) for name, count in there.items()}
    while sum(cells.values()) > BAR:
        cells[max(cells, key=lambda name: cells[name])] -= 1
    while sum(cells.values()) < BAR:
        cells[max(cells, key=lambda name: there[name] / total - cells[name] / BAR)] += 1
    bar = Text()
    for name, count in cells.items():
        bar.append(SIGNS.get(name, OTHER_SIGN) * count, style=STYLES[name])
    return bar


def _limits(view: View) -> Iterator[RenderableType]:
    yield Text()
    yield Text("Margins", style="bold")
    grid = _grid("", "", "", header=False)
    for margin in view.floors:
        spare = margin.left or 0
        text = f"up in {margin.used} PoPs, must be in {margin.limit}"
        grid.add_row(Text(margin.name), Text(text), _spare(spare, f"{max(spare, 0)} to spare"))
    for margin in view.budgets:
        grid.add_row(Text(margin.name), *_budget(margin))
    yield grid


def _budget(margin: Margin) -> tuple[Text, Text]:
    if margin.left is None:
        return Text(f"{margin.used}"), Text("no limit", style="dim")
    return Text(f"{margin.used} of {margin.limit}"), _spare(margin.left, f"{max(margin.left, 0)} left")


def _spare(left: int, text: str) -> Text:
    return Text("exceeded" if left < 0 else text, style="red" if left < 0 else "yellow" if not left else "dim")


def _jobs(view: View) -> Iterator[RenderableType]:
    if not view.jobs:
        return
    yield Text()
    yield Text("Under way", style="bold")
    grid = _grid("", "", "", "", header=False)
    for job in view.jobs[:MOST_JOBS]:
        told = f"{hosts(len(job.hosts))}: {names(list(job.hosts))}" if len(job.hosts) > 1 else names(list(job.hosts))
        grid.add_row(
            Text(job.act), Text(job.wave), Text(told), Text(f"for {seconds(job.age)}, job {job.jid}", style="dim")
        )
    yield grid
    if len(view.jobs) > MOST_JOBS:
        yield Text(f"and {len(view.jobs) - MOST_JOBS} jobs more", style="dim")


def _columns(counts: Sequence[Counts]) -> list[str]:
    found = [grouped(each) for each in counts]
    return [name for name in GROUPS if name in ALWAYS or any(each[name] for each in found)]


def _number(count: int, style: str) -> Text:
    return Text(str(count), style=style) if count else Text("0", style="dim")


def _grid(*columns: str, header: bool = True) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=header)
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid
