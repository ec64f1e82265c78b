"""What becomes of the services when the checker is gone and does not come back: ``on_checker_loss``."""

from __future__ import annotations

import sys
import time

from tidegate.bird import desired, routes
from tidegate.checker import daemon, links, machine, record, rules
from tidegate.checker.machine import Standing
from tidegate.checker.record import Known, Record


def lost() -> list[str]:
    """Do what the policy says; nothing if a checker runs after all.

    ``withdraw``: the service's routes are removed, and a checker that comes back has to prove it first. ``keep``: what
    was last known goes on. What is announced stays so; what was sick stays withdrawn; and what was up before the host
    restarted, and that nobody has looked at since, is announced.
    """
    generation = links.generation()
    if generation is None or daemon.is_running():
        return []
    with record.locked():
        planned, found = desired.read(generation), rules.read(generation)
        known, live, now = record.read(), routes.live(), time.monotonic()
        after = {}
        for name, rule in found.items():
            own = {(planned.table, prefix) for prefix, service in planned.routes.items() if service == name}
            one = after[name] = _after(rule.on_checker_loss, _known(known, name, bool(own & live), now), now)
            if one.announced and not own <= live:
                routes.add(own - live)
                print(f"{name} is announced: it was up when it was last looked at", file=sys.stderr)
            elif not one.announced and own & live:
                routes.remove(own & live)
                print(f"{name} is withdrawn: nobody looks after it", file=sys.stderr)
        record.write(after)
    return []


def _known(known: Record, name: str, there: bool, now: float) -> Known:
    one = known.services.get(name)
    if one is None:
        return Known(machine.first(there, now), there)
    if known.is_of_this_boot:
        return one
    return Known(machine.after_boot(one.standing, now), there, one.pulses, one.why)


def _after(policy: str, one: Known, now: float) -> Known:
    standing = one.standing
    if policy == "withdraw":
        if standing.state == "up":
            standing = Standing("unproven", now, was_up=True)
        return Known(standing, False, one.pulses if standing.state == "down" else {}, one.why or "the checker is gone")
    if standing.state == "unproven" and standing.was_up:
        return Known(Standing("up", now), True, {}, one.why)
    return one
