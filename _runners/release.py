"""
Releases: immutable snapshots of the policy and every host's plan. The store is where the master's configuration says::

    tidegate:
      store: postgresql://tidegate@db1/tidegate     # or a path; /var/lib/tidegate-master/store.db unless stated
"""

try:
    from tidegate.release import runner

    MISSING = None
except ImportError as error:
    MISSING = f"the Tidegate library or one of its needs (pydantic, SQLAlchemy) is not importable: {error}"

__func_alias__ = {"list_": "list"}


def __virtual__():
    return "release" if MISSING is None else (False, MISSING)


def create(note=None, waive=None, against=None, pillar_dir=None):
    """
    Compile the policy, hold it against the rules, and store the result. An unchanged policy is the same release.

    note
        What this release is for.
    waive
        Rules it may break, each with the reason.
    against
        The release to compare with; the newest unless stated.
    pillar_dir
        The folder whose ``traffic/`` holds the policy; the one that the ext_pillar reads unless stated.

    CLI Example:

    .. code-block:: bash

        salt-run release.create note='second transit in lhr1'
        salt-run release.create waive='{min-pops: iad1 is rebuilt until Friday}'
    """
    request = {"note": note, "waive": waive, "against": against, "pillar_dir": pillar_dir}
    return runner.create(__opts__, request, __user__, _progress)


def list_(most=20):
    """
    Releases, newest first.

    CLI Example:

    .. code-block:: bash

        salt-run release.list
    """
    return runner.list_(__opts__, most)


def show(release=None, host=None):
    """
    A release (the newest unless stated), or the plan that it has for a host.

    CLI Example:

    .. code-block:: bash

        salt-run release.show 3f2a91bc04de host=edge1.lhr1
    """
    return runner.show(__opts__, release, host)


def delta(before, after, host=None):
    """
    What happens in the network when the fleet, or one host, goes from one release to another.

    CLI Example:

    .. code-block:: bash

        salt-run release.delta 3f2a91bc04de 91bc3f2a04de
    """
    return runner.delta(__opts__, before, after, host)


def verify(release=None):
    """
    Work out every digest of a release, or of all, again; ends with 1 if one does not fit.

    CLI Example:

    .. code-block:: bash

        salt-run release.verify
    """
    return runner.verify(__opts__, release, _progress)


def _progress(message):
    __jid_event__.fire_event({"message": message}, "progress")
