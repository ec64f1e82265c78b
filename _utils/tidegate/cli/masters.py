"""The Salt master on this machine, for the commands that have something to ask of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.host.errors import Refused

if TYPE_CHECKING:
    from tidegate.rollout.fleet import Fleet


def here() -> bool:
    """Whether there is one."""
    from tidegate.release.location import MASTER_CONFIG

    return MASTER_CONFIG.exists()


def fleet() -> Fleet:
    """The fleet behind it.

    Raises:
        Refused: There is no master on this machine.
    """
    from tidegate.release.location import MASTER_CONFIG

    if not here():
        raise Refused(f"There is no Salt master on this machine (no {MASTER_CONFIG}): give this command on the master.")
    from salt.config import master_config

    from tidegate.rollout.salt_fleet import SaltFleet

    return SaltFleet(master_config(str(MASTER_CONFIG)))
