"""What not every supported BIRD can do, and the version from which it can."""

from __future__ import annotations

from tidegate.bird.parse import Version, dotted
from tidegate.host.errors import Refused

SINCE: dict[str, Version] = {
    "ASPA": (2, 16, 0),
    "TCP-AO": (2, 17, 0),
}
"""Feature → the first version that has it. 3.0 branched off before 2.16."""

NOT_IN_3_0 = frozenset({"ASPA", "TCP-AO"})


def supported(feature: str, version: Version) -> bool:
    """Whether a version has a feature."""
    return version >= SINCE[feature] and not (version[:2] == (3, 0) and feature in NOT_IN_3_0)


def demand(feature: str, version: Version, path: str, if_supported: bool, *, optional: bool = True) -> bool:
    """Whether a feature is rendered.

    Args:
        feature: One of ``SINCE``.
        version: The host's BIRD.
        path: Where in the policy it is asked for.
        if_supported: Whether the policy says that it may be left out.
        optional: Whether a policy can say so at all.

    Raises:
        Refused: The version lacks it and it may not be left out.
    """
    if supported(feature, version):
        return True
    if if_supported:
        return False
    since = dotted(SINCE[feature])
    ways = "upgrade it, take it out of the policy, or say if_supported: true beside it"
    if not optional:
        ways = "upgrade it, or take it out of the policy"
    raise Refused(f"BIRD: {path}: {feature} needs BIRD {since} or newer, and this host runs {dotted(version)}: {ways}")
