"""The scenes, in the order they are played."""

from __future__ import annotations

from lab.demo.scenes import anycast, cutoff, filtering, highstate, outage, policy, shaping, verify

SCENES = (policy, highstate, anycast, outage, filtering, shaping, cutoff, verify)
"""Each module has a ``TITLE`` and ``play(stage)``, which returns the outcome in one line or raises ``DemoError``."""
