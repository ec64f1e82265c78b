"""
The packet filter of this host as the kernel has it now: read-only.
"""

from tidegate.minion.face import told
from tidegate.xdp import export, live

__virtualname__ = "xdp"


def __virtual__():
    return __virtualname__


def counters():
    """
    Packets and bytes that each rule has matched since it was first loaded, and past its limit, by rule name.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' xdp.counters
    """
    return told(lambda: {name: tally._asdict() for name, tally in live.rule_counters().items()})


def totals():
    """
    What became of all packets that met the policy: passed, dropped, and dropped but for the management allow-list.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' xdp.totals
    """
    return told(lambda: {name: tally._asdict() for name, tally in live.totals().items()})


def metrics():
    """
    All counters in the Prometheus text format, with rule names; empty if nothing runs.

    CLI Example:

    .. code-block:: bash

        salt-call --out newline_values_only xdp.metrics
    """
    return told(export.exported)


def balanced():
    """
    Packets and bytes of each balanced service, and of each of its backends as ``SERVICE/HOST``.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' xdp.balanced
    """
    return told(lambda: {name: volume._asdict() for name, volume in live.balanced().items()})


def fates():
    """
    What became of packets that balancing looked at: sent to a server, arrived at one, handed on, dropped and why.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' xdp.fates
    """
    return told(lambda: {name: volume._asdict() for name, volume in live.fates().items()})


def management():
    """
    Who gets through whatever the rules say: BGP neighbors, the Salt master, open SSH sessions.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' xdp.management
    """
    return told(live.allow_list)
