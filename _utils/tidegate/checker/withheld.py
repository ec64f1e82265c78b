"""Which services are not to be announced although the plan says so: the sick, and those that nobody has looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidegate.checker import record
from tidegate.checker.record import Known
from tidegate.checker.rules import Rules


def withheld(rules: Rules, routes: Mapping[str, str], live: Collection[str]) -> dict[str, Known | None]:
    """The services that are withheld, with what is known of them (``None``: nothing).

    A service without checks never is. One that the checker knows is, unless the checker has announced it. One that it
    does not know yet, or not since the host started, is unless it is announced already: it has to be proven first.

    Args:
        rules: Those of the generation.
        routes: Service by prefix, in the generation.
        live: The prefixes that the kernel has routes for now.
    """
    known = record.read()
    fresh = known.is_of_this_boot
    there = {routes[prefix] for prefix in live if prefix in routes}
    found: dict[str, Known | None] = {}
    for name in rules:
        one = known.services.get(name)
        if one is not None and fresh:
            if not one.announced:
                found[name] = one
        elif name not in there:
            found[name] = one
    return found
