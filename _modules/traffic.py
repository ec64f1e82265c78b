"""
This host's traffic policy: what it runs, whether it is healthy, and the transaction's verbs.
"""

from tidegate.host import record, transaction
from tidegate.host import status as _status
from tidegate.minion import master, sources
from tidegate.minion.face import told

__virtualname__ = "traffic"
__func_alias__ = {"plan_": "plan"}


def __virtual__():
    return __virtualname__


def plan_():
    """
    The plan that the master gives this minion now, as one document.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.plan
    """
    return told(lambda: sources.plan(__pillar__, __opts__).document)


def status():
    """
    Which generation this host runs, which it would go back to, what is under way, and what was undone.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' traffic.status
    """
    return told(_status.status)


def health():
    """
    Every check of the running generation: ok, bad or unknown, with a figure and a reason.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' traffic.health
    """
    return told(_status.health)


def drift():
    """
    What differs between this host and its confirmed generation, by subsystem; empty if nothing does.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' traffic.drift
    """
    return told(_status.drift)


def confirm(wait=10, settle=10):
    """
    Confirm the change under way, after local health and a round trip to the master; undo it if that fails.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.confirm
    """
    return told(lambda: _id(transaction.confirm(lambda: master.reach(__opts__), wait, settle)))


def revert(reason="asked for"):
    """
    Undo the change under way now, without waiting for the dead-man. Returns the generation that runs then, or nothing
    if no change is under way.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.revert reason='wrong maintenance window'
    """
    return told(lambda: _id(transaction.revert(reason)))


def retry(generation):
    """
    Allow a generation that was undone to be tried again, named by its id or its plan's digest (8 characters suffice).

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.retry 1f3a5c7e9b2d4f60
    """
    return told(lambda: record.forget_reverted(str(generation)))


def _id(generation):
    return generation.id if generation else None
