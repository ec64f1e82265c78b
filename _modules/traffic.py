"""
This host's traffic policy: what it runs, whether it is healthy, and the transaction's verbs.
"""

from tidegate.checker import elsewhere as _elsewhere
from tidegate.checker import report as _report
from tidegate.host import fence as _fence
from tidegate.host import handover, record, transaction
from tidegate.host import status as _status
from tidegate.host.order import Order
from tidegate.minion import master, sources
from tidegate.minion import probe as _probe
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


def report():
    """
    All that a rollout's gates ask of this host, in one read: plans, what is under way, health and drift.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' traffic.report
    """
    return told(_status.report)


def confirm(wait=10, settle=10, owner=None, fence=None):
    """
    Confirm the change under way, after local health and a round trip to the master; undo it if that fails. Returns the
    generation, or nothing if no change is under way.

    owner, fence
        The number of the rollout whose change it is, and the epoch of its engine's lease. With an owner the answer says
        what became of the change: ``confirmed``, ``nothing``, ``expired`` or ``failed``, with a reason and
        ``traffic.report``.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.confirm
    """

    def act():
        order = Order.of(owner, fence)
        if order.owner is None:
            return _id(transaction.confirm(lambda: master.reach(__opts__), wait, settle, order))
        return handover.confirm(lambda: master.reach(__opts__), wait, settle, order)

    return told(act)


def revert(reason="asked for", owner=None, fence=None):
    """
    Undo the change under way now, without waiting for the dead-man. Returns the generation that runs then, or nothing
    if no change is under way.

    owner, fence
        The number of the rollout that asks, and the epoch of its engine's lease: it may undo its own change alone.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.revert reason='wrong maintenance window'
    """
    return told(lambda: _id(transaction.revert(reason, Order.of(owner, fence))))


def retry(generation):
    """
    Allow a generation that was undone to be tried again, named by its id or its plan's digest (8 characters suffice).

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.retry 1f3a5c7e9b2d4f60
    """
    return told(lambda: record.forget_reverted(str(generation)))


def forget_fence():
    """
    Follow the next engine that comes, whatever its fence: needed once after the store was made anew.

    CLI Example:

    .. code-block:: bash

        salt '*' traffic.forget_fence
    """
    return told(_fence.forget)


def probe(kind, target, timeout=5, **expected):
    """
    Look at a service from this host, from outside of who serves it.

    kind
        ``http``, ``tcp`` or ``dns``.

    target
        ``http``: a URL. ``tcp``: ``ADDRESS:PORT``. ``dns``: the server, ``ADDRESS`` or ``ADDRESS:PORT``.

    timeout
        Seconds for all of it.

    expected
        ``http``: ``status`` (a number; any of 200 to 299 by default), ``body`` (text that is in the answer),
        ``address`` (connect there instead of asking who the URL's host is). ``dns``: ``name`` and ``type`` of the
        question, ``answer`` (an address that is in the answer).

    CLI Example:

    .. code-block:: bash

        salt 'probe1' traffic.probe http http://192.0.2.10/health
        salt 'probe1' traffic.probe dns 192.0.2.53 name=www.example.net answer=192.0.2.10
    """
    given = {key: value for key, value in expected.items() if not key.startswith("__")}
    return told(lambda: _probe.probe(kind, target, timeout, **given))


def services():
    """
    What the checker knows of every service with checks: its state (``unproven``, ``up``, ``down`` or ``held``), whether
    it is announced, why it is not well, and its checks.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' traffic.services
    """
    return told(_report.services)


def seen_elsewhere(service, up, seconds=60):
    """
    Tell this host on how many other hosts a service is up, which it cannot know by itself. With 0, a service whose
    policy says ``on_all_down: keep`` is announced although it is sick; with more, it is withdrawn.

    service
        The service's name.

    up
        The number of other hosts on which it is up.

    seconds
        For how long that holds, 1 to 3600. After that this host judges by what it sees itself.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' traffic.seen_elsewhere web 3 seconds=120
    """
    return told(lambda: _elsewhere.tell(str(service), up, seconds))


def _id(generation):
    return generation.id if generation else None
