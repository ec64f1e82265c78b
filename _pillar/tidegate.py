"""Hand every host its own plan under ``pillar['traffic']``, and nothing to hosts that the fleet does not list.

The plan is that of the release which a rollout has assigned the host to. Before anything was rolled out, and without a
store, it is compiled from the working tree. In the master's configuration::

    tidegate: {store: postgresql://tidegate@db1/tidegate}   # /var/lib/tidegate-master/store.db unless stated
    ext_pillar:
      - tidegate: {}                          # the policy in traffic/ of the first pillar root that has it
      # or
      - tidegate: {pillar_dir: /srv/pillar}

The policy's own files stay out of ``top.sls``: no minion needs to see them.
"""

try:
    from tidegate.policy import pillar_source

    MISSING = None
except ImportError as error:
    MISSING = f"the Tidegate library or one of its needs (pydantic, SQLAlchemy) is not importable: {error}"


def __virtual__():
    return "tidegate" if MISSING is None else (False, MISSING)


def ext_pillar(minion_id, pillar, pillar_dir=None):
    """Return ``{"traffic": plan}`` for a host of the fleet, ``{}`` for any other minion."""
    return pillar_source.pillar(minion_id, pillar_dir, __opts__)
