"""
The shaping of this host as the kernel has it now: read-only.
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
