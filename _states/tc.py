"""
The tc part of the staged generation, applied (see ``salt/traffic/tc.sls``).
"""

from tidegate.minion import highstate

__virtualname__ = "tc"


def __virtual__():
    return __virtualname__


def applied(name):
    """
    The host runs the tc part of the generation that ``traffic.staged`` has staged; if it cannot be applied, the whole
    change is undone at once.

    .. code-block:: yaml

        tc is as planned:
          tc.applied:
            - require:
              - traffic: this host's plan is staged
    """
    return highstate.applied(name, "tc", __opts__["test"], __context__)
