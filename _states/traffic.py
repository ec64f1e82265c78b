"""
The host transaction as states: ``traffic.staged`` opens it, ``traffic.confirmed`` closes it.

Between them stand ``bird.withdrawn``, ``xdp.applied``, ``tc.applied`` and ``bird.applied``, joined by requisites in
``salt/traffic/``. What is not confirmed undoes itself.
"""

from tidegate.minion import highstate, sources

__virtualname__ = "traffic"


def __virtual__():
    return __virtualname__


def staged(name, timeout=180, owner=None, fence=None, again=False):
    """
    The minion's plan is staged: rendered and validated without touching traffic, and the dead-man armed if it changes
    anything. With ``test=True`` the changes of all three subsystems are shown and nothing is written.

    name
        Any text.

    timeout
        Seconds after which the change is undone unless ``traffic.confirmed`` has succeeded.

    owner
        The number of the rollout that asks. A change to another generation that is under way makes way for it.

    fence
        The epoch of its engine's lease. This host refuses one that is lower than the highest it has seen.

    again
        Whether the generation may be tried although it was undone on this host before.

    .. code-block:: yaml

        this host's plan is staged:
          traffic.staged:
            - timeout: 180
    """
    return highstate.staged(
        name,
        lambda: sources.plan(__pillar__, __opts__),
        lambda: sources.collect(__salt__, __pillar__, __opts__),
        timeout,
        {"owner": owner, "fence": fence, "again": again},
        sources.operations(__pillar__),
        __opts__["test"],
        __context__,
    )


def restored_at_boot(name):
    """
    A boot restores the confirmed generation before BIRD starts: our unit is installed and enabled, and BIRD's if the
    plan speaks of BIRD. This must stand before anything is confirmed.

    .. code-block:: yaml

        a boot restores the confirmed generation:
          traffic.restored_at_boot:
            - require:
              - traffic: this host's plan is staged
    """
    return highstate.restored_at_boot(name, __opts__["test"], __context__)


def confirmed(name, wait=30, settle=10, by="host", owner=None, fence=None):
    """
    The staged change is healthy on this host, the master was reached through it, and it is permanent. Otherwise the
    change is undone and the state fails.

    name
        Any text.

    wait
        Seconds within which health and the way home must begin to hold.

    settle
        Seconds for which they must then hold on end: routing answers late.

    by
        ``host`` makes the change permanent here. ``engine`` leaves that to the rollout, which asks the host once more
        (``traffic.confirm``): the change is undone if it does not.

    owner, fence
        As in ``traffic.staged``. A change that is a rollout's is left to it.

    .. code-block:: yaml

        the change is proven:
          traffic.confirmed:
            - wait: 30
            - settle: 10
    """
    order = {"owner": owner, "fence": fence}
    return highstate.confirmed(name, __opts__, wait, settle, by, order, __opts__["test"])
