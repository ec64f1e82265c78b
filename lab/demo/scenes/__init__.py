"""The scenes, in the order they are played."""

from __future__ import annotations

from lab.demo.scenes import (
    anycast,
    bad_release,
    cutoff,
    filtering,
    good_release,
    highstate,
    outage,
    policy,
    rollout,
    shaping,
    slow_release,
    verify,
)  # fmt: skip

SCENES = (
    *(policy, highstate, anycast, outage, filtering, shaping, cutoff, verify),
    *(rollout, bad_release, slow_release, good_release),
)
"""Each module has a ``TITLE`` and ``play(stage)``, which returns the outcome in one line or raises ``DemoError``."""
