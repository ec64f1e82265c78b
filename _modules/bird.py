"""
BIRD on this host, over its control socket: read-only.
"""

from tidegate.bird import health, live, parse, routes
from tidegate.minion.face import told

__virtualname__ = "bird"


def __virtual__():
    return __virtualname__


def version():
    """
    The version of the BIRD that is installed.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' bird.version
    """
    return told(lambda: parse.dotted(live.version()))


def sessions():
    """
    Every BGP session: neighbor address and AS, state, and how many routes it has brought.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' bird.sessions
    """
    return told(lambda: health.baseline().get("sessions", {}))


def announced():
    """
    The prefixes of this host's services that BIRD may announce now: the routes in the kernel table it learns from.

    CLI Example:

    .. code-block:: bash

        salt 'edge*' bird.announced
    """
    return told(lambda: sorted(prefix for _, prefix in routes.live()))
