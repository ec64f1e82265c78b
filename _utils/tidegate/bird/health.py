"""Is BIRD as planned? The daemon, its configuration, every session, and what each session really announces."""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidegate.bird import daemon, desired, parse, routes, services
from tidegate.bird.control import Control, Rejected
from tidegate.bird.desired import Desired, PlannedSession
from tidegate.bird.parse import Session
from tidegate.checker import daemon as checker
from tidegate.checker import record
from tidegate.checker.record import Known
from tidegate.host.check import Check


def baseline() -> dict[str, Any]:
    """The sessions as they are, and the services that the checker has withdrawn; empty without BIRD.

    ``{"sessions": {protocol: {address, asn, state, imported}}, "sick": [service]}``.
    """
    control = daemon.connect()
    if control is None:
        return {}
    with control:
        now = _sessions(control)
    return {
        "sessions": {
            name: {"address": one.address, "asn": one.asn, "state": one.state, "imported": one.imported}
            for name, one in now.items()
        },
        "sick": sorted(name for name, one in record.read().services.items() if one.standing.state in ("down", "held")),
    }


def checks(generation: Path, before: dict[str, Any]) -> list[Check]:
    """Every check of BIRD against the generation and against ``before`` (a ``baseline``).

    A session that comes up late is bad until it is up: the caller asks again. One exception keeps a neighbor's outage
    from blocking every change at a PoP: a session that was down before the change, to the same address and AS, and
    is down now is ``ok`` with the figure 0 and a reason that says so; nothing is expected to be announced there.

    A service that the checker has withdrawn is bad, and is not expected to be announced.

    Figures: ``bird.session.*`` routes learned, ``bird.announced.*`` prefixes sent, ``bird.service.*`` routes present.
    """
    planned = desired.read(generation)
    control = daemon.connect()
    if control is None:
        return [Check("bird.daemon", "bad", "BIRD does not answer on its control socket")]
    with control:
        now = _sessions(control)
        found = [Check("bird.daemon", "ok", control.banner), _marker(control, planned), _exactly(planned, now)]
        held = services.sick(planned, routes.live())
        found += _checker(planned) + _services(planned, held, before)
        silent = {prefix for prefix, service in planned.routes.items() if service in held}
        for session in planned.sessions:
            announced = replace(session, announces=[one for one in session.announces if one not in silent])
            found += _session(control, announced, now.get(session.protocol), _known(before, session))
    return found


def _sessions(control: Control) -> dict[str, Session]:
    return parse.sessions(control.command("show protocols all"))


def _known(before: Mapping[str, Any], session: PlannedSession) -> Mapping[str, Any] | None:
    """What the baseline knows of the very same session: same protocol, same neighbor."""
    known = before.get("sessions", {}).get(session.protocol)
    return known if known and (known["address"], known["asn"]) == (session.address, session.asn) else None


def _marker(control: Control, planned: Desired) -> Check:
    running = daemon.running_marker(control)
    if running == planned.marker:
        return Check("bird.configuration", "ok", f"runs {running}")
    return Check("bird.configuration", "bad", f"runs {running or 'a configuration not ours'}, planned {planned.marker}")


def _exactly(planned: Desired, now: Mapping[str, Session]) -> Check:
    """Whether BIRD has the planned sessions, to the planned neighbors, and no other."""
    wanted = {session.protocol: (session.address, session.asn) for session in planned.sessions}
    found = {name: (session.address, session.asn) for name, session in now.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        return Check("bird.sessions", "bad", f"not as planned: {', '.join(wrong)}", len(found))
    return Check("bird.sessions", "ok", f"exactly the {len(found)} planned", len(found))


def _services(planned: Desired, held: Mapping[str, Known | None], before: Mapping[str, Any]) -> list[Check]:
    live = {prefix for table, prefix in routes.live() if table == planned.table}
    found = []
    for service in sorted(set(planned.routes.values())):
        prefixes = {prefix for prefix, owner in planned.routes.items() if owner == service}
        if service in held:
            found.append(_withheld(service, held[service], prefixes & live, before))
            continue
        missing = sorted(prefixes - live)
        reason = f"no route for {', '.join(missing)}" if missing else "routes present"
        found.append(Check(f"bird.service.{service}", "bad" if missing else "ok", reason, len(prefixes) - len(missing)))
    return found


def _withheld(service: str, known: Known | None, there: Set[str], before: Mapping[str, Any]) -> Check:
    """A service that is not announced because it is not well. One that was sick before a change does not stop it."""
    name = f"bird.service.{service}"
    if there:
        return Check(name, "bad", f"withheld, but has a route for {', '.join(sorted(there))}", len(there))
    if known is None or known.standing.state == "unproven":
        return Check(name, "unknown", "not announced yet: the checker has not seen that it is well", 0)
    if known.standing.state == "held":
        why = "not announced: well again, but not for long enough"
    else:
        why = f"not announced: {known.why or 'a check is sick'}"
    if service in before.get("sick", ()):
        return Check(name, "ok", f"{why} (sick before this change too)", 0)
    return Check(name, "bad", why, 0)


def _checker(planned: Desired) -> list[Check]:
    """Whether somebody looks after the services that have checks."""
    if not planned.rules:
        return []
    if not checker.is_running():
        return [Check("bird.checker", "bad", "it does not run: nobody looks whether the services are well", 0)]
    return [Check("bird.checker", "ok", "it runs", len(planned.rules))]


def _session(
    control: Control, planned: PlannedSession, now: Session | None, known: Mapping[str, Any] | None
) -> list[Check]:
    name = f"bird.session.{planned.name}"
    if now is None:
        return [Check(name, "bad", "BIRD has no such session", 0)]
    if not now.established:
        why = f"{now.state}{f', {now.error}' if now.error else ''}"
        if known and known["state"] != "Established":
            return [Check(name, "ok", f"down before this change too ({why})", 0)]
        return [Check(name, "bad", f"{why}{', was Established before' if known else ''}", 0)]
    return [_learned(name, planned, now, known), _announced(control, planned, now)]


def _learned(name: str, planned: PlannedSession, now: Session, known: Mapping[str, Any] | None) -> Check:
    if planned.accept != "none" and known and known["imported"] and not now.imported:
        return Check(name, "bad", f"Established, but learns nothing; learned {known['imported']} before", 0)
    return Check(name, "ok", "Established", now.imported)


def _announced(control: Control, planned: PlannedSession, now: Session) -> Check:
    """What the neighbor is sent, held against the plan; a withdrawn service shows here too."""
    name = f"bird.announced.{planned.name}"
    try:
        sent = _sent(control, planned, now)
    except Rejected as error:
        return Check(name, "unknown", f"BIRD does not say: {error.message}")
    missing, surplus = sorted(set(planned.announces) - sent), sorted(sent - set(planned.announces))
    if planned.passes:
        # Learned routes come and go by themselves; whose they are is for the filter to decide.
        surplus = []
    parts = (("not announced", missing), ("announced, not planned", surplus))
    wrong = [f"{what}: {', '.join(which)}" for what, which in parts if which]
    fine = "everything planned" if planned.passes else "exactly as planned"
    return Check(name, "bad" if wrong else "ok", "; ".join(wrong) or fine, len(sent))


def _sent(control: Control, planned: PlannedSession, now: Session) -> set[str]:
    """The prefixes announced. BIRD walks a whole table to list them, so it is asked only if look-ups do not agree."""
    if now.exported == len(planned.announces) and not planned.tables:
        with suppress(Rejected):  # 8001: the table does not have one of them
            queries = [f"show route {prefix} export {planned.protocol}" for prefix in planned.announces]
            found = {prefix for query in queries for prefix in parse.prefixes(control.command(query))}
            if found == set(planned.announces):
                return found
    tables = [f" table {table}" for table in planned.tables] or [""]
    queries = [f"show route{table} export {planned.protocol}" for table in tables]
    return {prefix for query in queries for prefix in parse.prefixes(control.command(query))}
