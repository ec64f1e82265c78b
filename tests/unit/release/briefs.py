"""Briefs of rollouts over the hosts of the small good policy."""

from dataclasses import replace

from tidegate.rollout.brief import Brief, PlannedWave

AMS, IAD, LHR, LHR2 = "edge1.ams1", "edge1.iad1", "edge1.lhr1", "edge2.lhr1"


def brief(release, *waves, unchanged=(), before=None, **other):
    """A brief with a wave for each tuple of hosts; none of the hosts had a release before unless stated."""
    planned = tuple(
        PlannedWave(f"wave{number}", tuple(hosts), {hosts[0]: (IAD,)}, 0.0, ("health",))
        for number, hosts in enumerate(waves, 1)
    )
    every = [host for wave in waves for host in wave] + list(unchanged)
    had = dict.fromkeys(every) | dict(before or {})
    pops = {host: host.split(".")[1] for host in every}
    return replace(Brief(release.id, "normal", planned, tuple(unchanged), had, pops), **other)
