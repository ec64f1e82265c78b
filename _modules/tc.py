"""
The shaping of this host as the kernel has it now.
"""

from tidegate.host import generation
from tidegate.minion.face import told
from tidegate.tc import live

__virtualname__ = "tc"


def __virtual__():
    return __virtualname__


def counters():
    """
    What went through each class, by interface and class name: bytes, packets, drops, overlimits, backlog.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' tc.counters
    """
    running = generation.linked("running")
    return told(lambda: live.counters(running.directory)) if running and running.has("tc.json") else {}


def metrics():
    """
    The same and the guarantees in Prometheus' text format, as node_exporter's textfile collector reads it.

    CLI Example:

    .. code-block:: bash

        salt-call --local --out=newline_values_only tc.metrics > /var/lib/node_exporter/tidegate_tc.prom
    """
    running = generation.linked("running")
    return told(lambda: live.exposition(running.directory)) if running and running.has("tc.json") else ""


def bypass(interface, wanted=True):
    """
    Let an interface's packets pass unshaped, beside its tree, until the next change of its tree or ``wanted=False``.

    CLI Example:

    .. code-block:: bash

        salt 'edge1.lhr1' tc.bypass eth0
    """
    return told(lambda: live.bypass(interface, bool(wanted)))
