"""A fleet that answers as a test says, and contexts to judge."""

import json

from tidegate.host.errors import Failed
from tidegate.rollout.gates import Context, judge

PLAN = "a" * 64
OTHER = "b" * 64
GOOD = {
    "plan": PLAN,
    "confirmed": PLAN,
    "pending": None,
    "reverted": {},
    "health": {"status": "ok", "checks": [{"name": "bird.daemon", "status": "ok", "reason": "", "figure": None}]},
    "drift": {},
    "left_alone": False,
}


class Answering:
    """The part of a fleet that gates use. Hosts without an answer are silent."""

    def __init__(self, answers=(), broken=None):
        self.answers = dict(answers)
        self.broken = broken
        self.questions = []

    def ask(self, function, hosts, kwargs, seconds):
        self.questions.append((function, tuple(hosts), dict(kwargs), seconds))
        if self.broken:
            raise Failed(self.broken)
        return dict(self.answers)  # whoever answers, asked or not


def context(kind, hosts=("edge1.lhr1",), fleet=None, settings=(), **more):
    return Context(
        name=f"the {kind}",
        settings={"kind": kind, "name": f"the {kind}", **dict(settings)},
        hosts=tuple(hosts),
        fleet=fleet or Answering(),
        **more,
    )


def judged(*arguments, **more):
    """The verdict, which must be fit for the journal whatever it is."""
    verdict = judge(context(*arguments, **more))
    assert len(json.dumps(verdict.as_dict(), allow_nan=False)) < 100_000
    assert verdict.reason
    return verdict
