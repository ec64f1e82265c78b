"""How many BGP sessions may start anew at once: while one does, its routes are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tidegate.bird.section import BirdSection
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule

Session = tuple[str, str]
"""Host and the neighbor's name, as the release has it."""


def session_restarts(case: Case) -> Iterator[Objection]:
    """No more than a share of a PoP's sessions, or of those that carry a service, is restarted."""
    restarted = {
        (place.host, place.neighbor)
        for change in case.delta.sessions
        if change.verb == "restarted"
        for place in change.where.places
    }
    if not restarted:
        return
    in_pop, carrying = _sessions(case)
    full = [
        f"{pop}: {len(sessions & restarted)} of {len(sessions)}"
        for pop, sessions in sorted(in_pop.items())
        if _beyond(sessions, restarted, budgets.RESTARTED_IN_POP)
    ]
    if full:
        pops = "a PoP" if len(full) == 1 else f"{len(full)} PoPs"
        share = f"{budgets.RESTARTED_IN_POP:.0%}"
        yield Objection(f"in {pops} more than {share} of the sessions restart at once ({full[0]})", full)
    for service, sessions in sorted(carrying.items()):
        if _beyond(sessions, restarted, budgets.RESTARTED_OF_SERVICE):
            hit = sessions & restarted
            what = f"{len(hit)} of {len(sessions)} sessions that carry service '{service}' restart"
            reason = f"{what}; {budgets.RESTARTED_OF_SERVICE:.0%} are allowed at once"
            yield Objection(reason, sorted({host for host, _ in hit}))


def _sessions(case: Case) -> tuple[dict[str, set[Session]], dict[str, set[Session]]]:
    """The sessions of each PoP, and those that carry each service."""
    in_pop: dict[str, set[Session]] = defaultdict(set)
    carrying: dict[str, set[Session]] = defaultdict(set)
    for host, plan in case.plans.items():
        section: BirdSection | None = plan.document["bird"]
        for neighbor in section["neighbors"] if section else ():
            session = (host, neighbor["name"])
            in_pop[plan.document["labels"]["pop"]].add(session)
            for export in neighbor["export"]:
                carrying[export["service"]].add(session)
    return in_pop, carrying


def _beyond(sessions: set[Session], restarted: set[Session], share: float) -> bool:
    return len(sessions & restarted) > budgets.most(share, len(sessions), 1)


RULES = (
    Rule(
        "session-restarts",
        "One release restarts no more than half of a PoP's sessions, nor a quarter of those that carry a service.",
        "No published one: our own measurement of an edited hold time, which cost a host its routes for seven seconds.",
        True,
        session_restarts,
    ),
)
