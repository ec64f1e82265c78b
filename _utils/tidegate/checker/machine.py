"""When a check is sick or well, and when its service is announced. Pure; times are passed in, in seconds.

A check turns sick after ``fall`` bad looks in a row and well after ``rise`` good ones; one that nobody has looked at
turns with its first look. A service is up while all of its checks are well, down as soon as one is sick, and held for
``hold`` seconds after all are well again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tidegate.checker.rules import CheckRule, ServiceRule

State = Literal["unproven", "up", "down", "held"]
AT_ONCE = 60.0
"""Seconds within which all services of a host must have gone down for it to look like the host's own fault."""


@dataclass(frozen=True)
class Pulse:
    """One check: whether it is well (``None``: nobody has looked), and how many looks in a row have said otherwise."""

    well: bool | None = None
    streak: int = 0

    def after(self, good: bool, rule: CheckRule) -> Pulse:
        """The check after one more look."""
        if self.well is None:
            return Pulse(good)
        if good == self.well:
            return Pulse(self.well)
        streak = self.streak + 1
        return Pulse(good) if streak >= (rule.rise if good else rule.fall) else Pulse(self.well, streak)


@dataclass(frozen=True)
class Standing:
    """One service: its state, since when, and what was last known of one that is not proven yet."""

    state: State = "unproven"
    since: float = 0.0
    was_up: bool = False

    def after(self, pulses: Iterable[Pulse], hold: float, now: float) -> Standing:
        """The service with its checks as they are now."""
        seen = [pulse.well for pulse in pulses]
        if False in seen:
            return self if self.state == "down" else Standing("down", now)
        if None in seen or self.state == "up":
            return self
        if self.state == "down":
            return Standing("held", now) if hold > 0 else Standing("up", now)
        if self.state == "held" and now - self.since < hold:
            return self
        return Standing("up", now)


def first(is_announced: bool, now: float) -> Standing:
    """A service of which nothing is known: what is announced counts as up, everything else has to be proven."""
    return Standing("up", now) if is_announced else Standing("unproven", now)


def fresh(standing: Standing) -> Pulse:
    """A check of which nothing is known, by its service: what is up is given the benefit of the doubt."""
    return Pulse(True) if standing.state == "up" else Pulse()


def after_boot(standing: Standing, now: float) -> Standing:
    """What is left after the host has restarted: what was sick still is, and what was up has to be proven."""
    if standing.state in ("down", "held"):
        return Standing("down", now)
    return Standing("unproven", now, was_up=standing.state == "up" or standing.was_up)


def all_down(standings: Mapping[str, Standing]) -> bool:
    """Whether it looks like the host's or the checker's own fault: two services or more, all down, and all at once."""
    since = [standing.since for standing in standings.values() if standing.state == "down"]
    return len(since) >= 2 and len(since) == len(standings) and max(since) - min(since) <= AT_ONCE


def announced(name: str, standings: Mapping[str, Standing], rule: ServiceRule, elsewhere: int | None) -> bool:
    """Whether a service is to be announced.

    Args:
        name: The service.
        standings: All services of this host that have checks.
        rule: The service's own.
        elsewhere: On how many other hosts it is up, as the master says; ``None`` if the master has not said lately.
    """
    state = standings[name].state
    if state == "up":
        return True
    if rule.on_all_down != "keep" or state == "unproven":
        return False
    return elsewhere == 0 if elsewhere is not None else all_down(standings)
