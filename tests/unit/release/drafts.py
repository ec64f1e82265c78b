"""Releases to store, made from the small good policy."""

from example import changed

from tidegate.host.plan import canonical
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet
from tidegate.release.release import Draft


def draft(*changes):
    """The draft of the good policy with some changes; see `example.changed`."""
    document = changed(*changes)
    return Draft(canonical(document), compile_fleet(Policy.model_validate(document)))


def quiet(_step):
    """Progress that nobody watches."""


LHR1 = ("routing/neighbors/lhr1-v4/import", {"local_pref": 50})
"""A change of one host's plan, to which no rule objects."""
AMS1 = ("routing/neighbors/ams1-v4/import", {"local_pref": 60})
"""The same for another host."""
