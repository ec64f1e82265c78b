"""The services' routes as they are to be: those of the plan, without the services that are withheld as sick."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from tidegate.bird import daemon, routes
from tidegate.bird.desired import Desired
from tidegate.bird.routes import Route
from tidegate.checker import links, record, rules, unit
from tidegate.checker.record import Known
from tidegate.checker.withheld import withheld


def sick(planned: Desired, live: Set[Route]) -> dict[str, Known | None]:
    """The services that are withheld, with what the checker knows of them (``None``: nothing yet)."""
    return withheld(planned.rules, planned.routes, {prefix for table, prefix in live if table == planned.table})


def wanted(planned: Desired, live: Set[Route]) -> set[Route]:
    """The routes that are to be there now."""
    held = sick(planned, live)
    return {(planned.table, prefix) for prefix, service in planned.routes.items() if service not in held}


def announce_early(planned: Desired) -> set[Route]:
    """Add what a configuration that is about to be applied announces; return the routes that were added."""
    with record.locked():
        live = routes.live()
        missing = wanted(planned, live) - live
        routes.add(missing)
        return missing


def take_back(early: Set[Route]) -> None:
    """Undo ``announce_early``."""
    with record.locked():
        routes.remove(early & routes.live())


def announce(planned: Desired, generation: Path) -> None:
    """Make the routes exactly those that are to be there, and have the checker look after this generation."""
    with record.locked():
        live = routes.live()
        there = wanted(planned, live)
        routes.add(there - live)
        routes.remove(live - there)
        links.point(generation)
    if not daemon.has_systemd():
        return
    if planned.rules:
        # At boot systemd starts it by itself, after what we run in.
        unit.ensure(start=not daemon.is_booting())
    else:
        unit.remove()


def withdraw(planned: Desired) -> list[str]:
    """Withdraw what is not planned; returns the prefixes."""
    with record.locked():
        gone = {(table, prefix) for table, prefix in routes.live() if prefix not in planned.routes}
        routes.remove(gone)
    return [prefix for _, prefix in sorted(gone)]


def remove() -> None:
    """Take away all our routes, and the checker."""
    with record.locked():
        links.remove()
        routes.remove(routes.live())
    if daemon.has_systemd():
        unit.remove()


def changes(planned: Desired, live: Set[Route]) -> tuple[set[Route], set[Route], list[str]]:
    """The routes that would be added and removed, and what would become of the checks and the checker, in words."""
    there = wanted(planned, live)
    lines = _checks(planned)
    if daemon.has_systemd():
        lines += unit.lacking() if planned.rules else unit.surplus()
    return there - live, set(live) - there, lines


def _checks(planned: Desired) -> list[str]:
    """Services whose checks would not be what they are."""
    generation = links.generation()
    now = rules.read(generation) if generation else {}
    signs = {
        name: "~" if name in now and name in planned.rules else "+" if name in planned.rules else "-"
        for name in now.keys() | planned.rules.keys()
        if now.get(name) != planned.rules.get(name)
    }
    return [f"{sign} checks of {name}" for name, sign in sorted(signs.items())]
