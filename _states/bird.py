"""
The bird part of the staged generation, applied (see ``salt/traffic/bird.sls``).
"""

from tidegate.minion import highstate

__virtualname__ = "bird"


def __virtual__():
    return __virtualname__


def withdrawn(name):
    """
    Services that the staged generation no longer announces are withdrawn, before filter and shaping change.

    .. code-block:: yaml

        what is no longer announced is withdrawn:
          bird.withdrawn:
            - require:
              - traffic: this host's plan is staged
    """
    return highstate.withdrawn(name, __opts__["test"])


def applied(name):
    """
    BIRD runs the sessions and announcements of the staged generation; if it refuses them, the whole change is undone.

    .. code-block:: yaml

        bird is as planned:
          bird.applied:
            - require:
              - tc: tc is as planned
    """
    return highstate.applied(name, "bird", __opts__["test"], __context__)
