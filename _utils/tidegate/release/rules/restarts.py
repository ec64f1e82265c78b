"""How many BGP sessions may start anew at once: while one does, its routes are gone."""

from __future__ import annotations

from collections import Counter, defaultdict
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
    for pop, sessions in sorted(in_pop.items()):
        yield from _beyond(f"sessions in {pop}", sessions, restarted, budgets.RESTARTED_IN_POP)
    for service, sessions in sorted(carrying.items()):
        what = f"sessions that carry service '{service}'"
        yield from _beyond(what, sessions, restarted, budgets.RESTARTED_OF_SERVICE)


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


def _beyond(what: str, sessions: set[Session], restarted: set[Session], share: float) -> Iterator[Objection]:
    hit = sessions & restarted
    if len(hit) > budgets.most(share, len(sessions), 1):
        reason = f"{len(hit)} of {len(sessions)} {what} restart; {share:.0%} are allowed at once"
        per_host = Counter(host for host, _ in hit)
        yield Objection(reason, sorted(per_host))


RULES = (
    Rule(
        "session-restarts",
        "One release restarts no more than half of a PoP's sessions, nor a quarter of those that carry a service.",
        "An edited hold time closed every session of a router, measured: 7 s without routes. Cloudflare 2022-06-21.",
        True,
        session_restarts,
    ),
)
