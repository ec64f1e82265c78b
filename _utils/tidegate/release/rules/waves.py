"""The first wave sees everything that the fleet is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tidegate.release.rules.rule import Case, Objection, Rule
from tidegate.rollout.waves import assign


def class_in_canary(case: Case) -> Iterator[Objection]:
    """The first wave has a host of every hardware and topology class."""
    waves = assign(case.policy)
    first = set(waves[0].hosts) if waves else set()
    hosts: dict[str, list[str]] = defaultdict(list)
    for host, plan in case.plans.items():
        hosts[plan.document["labels"]["class"]].append(host)
    name = f"the first wave, '{waves[0].name}'," if waves else "a rollout without waves"
    for class_, members in sorted(hosts.items()):
        if first.isdisjoint(members):
            yield Objection(
                f"{name} has no host of class '{class_}', of which there are {len(members)}", sorted(members)
            )


RULES = (
    Rule(
        "class-in-canary",
        "The first wave of a rollout has a host of every class, so that no class is met first in a later one.",
        "Cloudflare 2022-06-21: the steps of a rollout met the new architecture late, and then all at once.",
        False,
        class_in_canary,
    ),
)
