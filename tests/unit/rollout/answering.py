"""Hosts that answer what a test gives them, behind the `Fleet` protocol: for what asks hosts outside a rollout."""

from __future__ import annotations

from itertools import count

STAGED = "traffic_|-staged_|-staged_|-staged"


def report(**drift):
    """A host's ``traffic.report``, with what was changed by hand."""
    from tidegate.host.drift import fingerprint

    return {"drift": drift, "drift_reason": None, "drift_id": fingerprint(drift), "left_alone": False}


def states(*, good=True, comment="it runs generation 1", changes=True):
    """What ``state.apply`` returns."""
    change = {"generation": "1"} if changes else {}
    return {STAGED: {"result": good, "comment": comment, "changes": change, "__run_num__": 0}}


class Answering:
    """``reports`` and ``applies`` say what hosts return; who is missing in them is silent."""

    def __init__(self, reports=None, applies=None):
        self.reports, self.applies = reports or {}, applies or {}
        self.published, self._jids = [], count(1)

    def jid(self):
        return f"2026112312000000000{next(self._jids)}"

    def publish(self, jid, function, hosts, kwargs):
        self.published.append((function, list(hosts), dict(kwargs)))

    def returns(self, jid, hosts):
        return {host: {"return": self.applies[host], "retcode": 0} for host in hosts if host in self.applies}

    def ask(self, function, hosts, kwargs, seconds):
        assert function == "traffic.report"
        return {host: self.reports[host] for host in hosts if host in self.reports}

    def wait(self, seconds):
        pass
