"""
The host transaction as states: ``traffic.staged`` opens it, ``traffic.confirmed`` closes it.

Between them stand ``bird.withdrawn``, ``xdp.applied``, ``tc.applied`` and ``bird.applied``, joined by requisites in
``salt/traffic/``. What is not confirmed undoes itself.
"""

from tidegate.minion import highstate, sources

__virtualname__ = "traffic"


def __virtual__():
    return __virtualname__


def staged(name, timeout=180):
    """
    The minion's plan is staged: rendered and validated without touching traffic, and the dead-man armed if it changes
    anything. With ``test=True`` the changes of all three subsystems are shown and nothing is written.

    name
        Any text.

    timeout
        Seconds after which the change is undone unless ``traffic.confirmed`` has succeeded.

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
    return highstate.restored_at_boot(name, __opts__["test"])


def confirmed(name, wait=30, settle=10):
    """
    The staged change is healthy on this host, the master was reached through it, and it is permanent. Otherwise the
    change is undone and the state fails.

    name
        Any text.

    wait
        Seconds within which health and the way home must begin to hold.

    settle
        Seconds for which they must then hold on end: routing answers late.

    .. code-block:: yaml

        the change is proven:
          traffic.confirmed:
            - wait: 30
            - settle: 10
    """
    return highstate.confirmed(name, __opts__, wait, settle, __opts__["test"])
