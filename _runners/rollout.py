"""
Rollouts: how a release reaches the fleet, wave by wave. The engine on the master carries them out; what is here starts
them, asks something of them, and reads where they are. Numbers of rollouts may be left out where one is under way.

The exit status of ``status`` and ``watch``: 0 complete, 1 an error, 3 it needs people, 4 rolled back, aborted or
superseded, 5 still going. ``drift`` ends with 3 if something was changed by hand.
"""

try:
    from tidegate.rollout import operations_runner, runner

    MISSING = None
except ImportError as error:
    MISSING = f"the Tidegate library or one of its needs (pydantic, SQLAlchemy) is not importable: {error}"


def __virtual__():
    return "rollout" if MISSING is None else (False, MISSING)


def plan(release="newest", match=None, emergency=False):
    """
    What a rollout would do: which hosts change, in which waves, and what that does in each PoP.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.plan
        salt-run rollout.plan 3f2a91bc04de match='{region: eu}'
    """
    return runner.plan(__opts__, release, match, emergency)


def start(release, match=None, emergency=False, override_freeze=False, supersede=None, because=None):
    """
    Start a rollout. It does not ask: look at ``rollout.plan`` first.

    release
        Its id, how that begins, or ``newest``.
    match
        Only hosts with these labels.
    emergency, override_freeze
        The policy's emergency waves; to go on in a freeze. Both need ``because``.
    supersede
        Number of a rollout that has not ended, whose hosts this one takes over.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.start 3f2a91bc04de because='second transit in lhr1, NET-123'
        salt-run rollout.start newest match='{pop: [lhr1, ams1]}'
    """
    request = {
        "match": match,
        "emergency": emergency,
        "override_freeze": override_freeze,
        "supersede": supersede,
        "because": because,
    }
    return runner.start(__opts__, release, request, __user__)


def status(number=None):
    """
    Where a rollout is: waves, gates, PoPs, margins, what is under way.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.status
    """
    return runner.status(__opts__, number)


def watch(number=None, timeout=None):
    """
    Wait until a rollout ends or needs people; what happens meanwhile is shown as it does.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.watch 12 timeout=1h
    """
    return runner.watch(__opts__, number, timeout, _progress)


def explain(number=None):
    """
    Why a rollout is where it is, what comes next, and what people can do.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.explain
    """
    return runner.explain(__opts__, number)


def history(number=None, most=20):
    """
    Rollouts, newest first; with a number, the journal of that one.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.history
        salt-run rollout.history 12
    """
    return runner.history(__opts__, number, most)


def pause(number=None, because=None):
    """
    Begin with no more hosts; what is under way is brought to its end.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.pause because='upstream maintenance in ams1'
    """
    return runner.ask(__opts__, number, __user__, "pause", _words(because))


def resume(number=None, because=None):
    """
    Go on after a pause; after a stop, let the gates judge anew.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.resume
    """
    return runner.ask(__opts__, number, __user__, "resume", _words(because))


def approve(number=None, wave=None, because=None):
    """
    Approve a wave that has an approval gate; the current one unless stated.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.approve wave=canary because='graphs are flat'
    """
    return runner.ask(__opts__, number, __user__, "approve", wave, _words(because))


def retry(number=None, hosts=None, because=None):
    """
    Try hosts again that were left behind, or all of them.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.retry hosts=edge1.ams1,edge2.ams1
    """
    return runner.retry(__opts__, number, hosts, because, __user__)


def skip_host(hosts, because, number=None):
    """
    Go on without hosts: they keep the release that they have.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.skip_host edge1.ams1 because='disk is being replaced, DC-77'
    """
    return runner.skip_host(__opts__, number, hosts, because, __user__)


def abort(number=None, because=None):
    """
    End a rollout here: what is confirmed stays, what is not is undone.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.abort 12
    """
    return runner.ask(__opts__, number, __user__, "abort", _words(because))


def rollback(number=None, waves=None, everything=False, to=None, because=None):
    """
    Bring hosts back to what they had before: some waves, all of them (``everything=True``), or to any release
    (``to``), which starts a new rollout over the hosts of this one.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.rollback 12 everything=True because='users in ams1 see errors'
        salt-run rollout.rollback 12 waves=half
        salt-run rollout.rollback 12 to=91bc3f2a04de
    """
    return runner.rollback(__opts__, number, {"waves": waves, "all": everything, "to": to}, because, __user__)


def drain(
    because, how="withdraw", times=None, gracefully=None, lasts=None, below_min_pops=False, later=False, **target
):
    """
    Lead traffic away from a ``host``, ``pop``, ``region``, ``service`` or ``neighbor``; of several, all must fit. Hosts
    are told at once unless ``later``.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.drain host=edge1.lhr1 because='new line card, DC-12' lasts=2h
        salt-run rollout.drain pop=lhr1 how=graceful because='power works'
        salt-run rollout.drain pop=lhr1 gracefully=300 because='power works'
    """
    request = {
        "how": how,
        "times": times,
        "gracefully": gracefully,
        "because": because,
        "lasts": lasts,
        "below_min_pops": below_min_pops,
        "later": later,
    }
    return operations_runner.drain(__opts__, target, request, __user__)


def undrain(because=None, later=False, **target):
    """
    End the drain of exactly this target.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.undrain host=edge1.lhr1
    """
    return operations_runner.undrain(__opts__, target, because, later, __user__)


def weight(because=None, to=None, lasts=None, later=False, **target):
    """
    Give a backend (``host``, and ``service`` for one service alone) another share of new flows than the policy does.

    to
        A number from 0 to 10000; ``drain`` for no new flows while the old ones stay; left out, the weight by hand ends.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.weight host=server1.lhr1 to=10 because='warms up' lasts=30m
        salt-run rollout.weight host=server1.lhr1
    """
    request = {"to": to, "because": because, "lasts": lasts, "later": later}
    return operations_runner.weight(__opts__, target, request, __user__)


def hold(because, lasts=None, **target):
    """
    Keep a ``host``, ``pop`` or ``region`` at the release that it has: rollouts go on without.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.hold host=edge1.lhr1 because='vendor is debugging' lasts=1d
    """
    return operations_runner.begin(__opts__, "hold", target, because, lasts, __user__)


def pause_hosts(because, lasts=None, **target):
    """
    Let rollouts wait with a ``host``, ``pop`` or ``region``.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.pause_hosts pop=lhr1 because='power works' lasts=4h
    """
    return operations_runner.begin(__opts__, "pause", target, because, lasts, __user__)


def operations(ever=False):
    """
    Drains, holds, pauses and adoptions in effect; with ``ever=True`` also those that have ended.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.operations
    """
    return operations_runner.operations(__opts__, ever)


def end_operation(operation, because=None):
    """
    End an operation, named by its number.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.end_operation 7 because='works are done'
    """
    return operations_runner.end(__opts__, operation, because, __user__)


def drift(hosts=None, wait="30s"):
    """
    Ask hosts, or every host that has a release, what was changed on them by hand.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.drift
        salt-run rollout.drift hosts=edge1.lhr1
    """
    return operations_runner.drift(__opts__, hosts, wait)


def restore(hosts, wait="3m"):
    """
    Undo what was changed on hosts by hand: they apply what they are served.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.restore edge1.lhr1
    """
    return operations_runner.restore(__opts__, hosts, wait)


def adopt(host, because, lasts=None):
    """
    Accept what was changed on a host, exactly as it is now: it is left alone until that ends.

    CLI Example:

    .. code-block:: bash

        salt-run rollout.adopt edge1.lhr1 because='workaround of the vendor, NET-9' lasts=2d
    """
    return operations_runner.adopt(__opts__, host, because, lasts, __user__)


def _words(value):
    return "" if value is None else str(value)


def _progress(message):
    __jid_event__.fire_event({"message": message}, "progress")
