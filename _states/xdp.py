"""
The xdp part of the staged generation, applied (see ``salt/traffic/xdp.sls``).
"""

from tidegate.minion import highstate

__virtualname__ = "xdp"


def __virtual__():
    return __virtualname__


def applied(name):
    """
    The host runs the xdp part of the generation that ``traffic.staged`` has staged; if it cannot be applied, the whole
    change is undone at once.

    .. code-block:: yaml

        xdp is as planned:
          xdp.applied:
            - require:
              - traffic: this host's plan is staged
    """
    return highstate.applied(name, "xdp", __opts__["test"], __context__)
