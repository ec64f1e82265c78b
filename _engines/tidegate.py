"""
Drives rollouts. In the master's configuration::

    engines:
      - tidegate: {}                                            # interval: 1, store: as below

    tidegate:
      store: postgresql://tidegate@db1/tidegate                 # /var/lib/tidegate-master/store.db unless stated
      webhooks: {pager: a-long-secret}                          # by the names that the policy has
      metrics: {port: 9479, textfile: /var/lib/prometheus/node-exporter/tidegate.prom}

    keep_jobs_seconds: 604800                                   # longer than any rollout waits for a host

It may run on several masters with one store in PostgreSQL: one of them drives, the others wait for its lease to end.
"""

import logging

try:
    from tidegate.rollout import engine

    MISSING = None
except ImportError as error:
    MISSING = f"the Tidegate library or one of its needs (SQLAlchemy, prometheus-client) is not importable: {error}"

log = logging.getLogger(__name__)


def __virtual__():
    if MISSING is not None:
        return False, MISSING
    return "tidegate" if __opts__["__role"] == "master" else (False, "rollouts are driven on a master")


def start(interval=1, store=None):
    """Drive every rollout in the store, as long as the master runs.

    interval
        Seconds between two steps while nothing happens; returns of hosts wake it at once.

    store
        Where the store is, if not where ``tidegate:store`` says.
    """
    engine.start(__opts__, interval, store)
