"""The subsystems a generation is made of, in the order in which they are applied.

Filter and shaping come before routing, so that traffic never arrives at a host that is not ready for it
(make before break); what a generation no longer announces is withdrawn before any of them (``bird.withdrawn``).
"""

from __future__ import annotations

from dataclasses import dataclass

import tidegate.bird.health
import tidegate.bird.live
import tidegate.tc.health
import tidegate.tc.live
import tidegate.xdp.health
import tidegate.xdp.live
from tidegate.host.subsystem import Health, Live


@dataclass(frozen=True)
class Subsystem:
    """A name, the file in a generation that says the plan speaks of it, and its two faces to the machine."""

    name: str
    artefact: str
    live: Live
    health: Health


SUBSYSTEMS: tuple[Subsystem, ...] = (
    Subsystem("xdp", "xdp.json", tidegate.xdp.live, tidegate.xdp.health),
    Subsystem("tc", "tc.json", tidegate.tc.live, tidegate.tc.health),
    Subsystem("bird", "bird.json", tidegate.bird.live, tidegate.bird.health),
)


def subsystem(name: str) -> Subsystem:
    """The subsystem of that name; ``KeyError`` if there is none."""
    return {each.name: each for each in SUBSYSTEMS}[name]
