"""What a policy holds, in numbers: the view model behind ``tidegate check``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tidegate.policy.model import Policy
from tidegate.policy.shaping import classes_of, walk


@dataclass(frozen=True)
class Summary:
    """How much of each thing there is."""

    regions: int
    pops: int
    hosts: int
    services: int
    sessions: int
    announcements: int
    sets: int
    rules: int
    trees: int
    classes: int
    balanced: int
    balancers: int

    @classmethod
    def of(cls, policy: Policy) -> Summary:
        """Count a policy. Sessions are of hosts: one neighbor that four hosts speak with makes four."""
        routing = policy.routing
        return cls(
            regions=len(policy.fleet.regions),
            pops=len(policy.index.region_of),
            hosts=len(policy.fleet.hosts),
            services=len(routing.services) if routing else 0,
            sessions=sum(map(len, policy.index.neighbors_of.values())),
            announcements=len(routing.announcements) if routing else 0,
            sets=len(policy.filtering.sets),
            rules=len(policy.filtering.rules),
            trees=len(policy.shaping),
            balanced=len(policy.balancing.services),
            balancers=sum(map(len, policy.index.balancers.values())),
            classes=sum(1 for tree in policy.shaping for _ in walk(classes_of(tree, policy.shaping_profiles))),
        )

    def as_dict(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The numbers in words, a line for each section; balancing only where there is any."""
        balancing = f"balancing  {_count(self.balanced, 'service')} on {_count(self.balancers, 'balancer')}"
        return [
            f"fleet      {_count(self.hosts, 'host')} in {_count(self.pops, 'PoP')}, {_count(self.regions, 'region')}",
            f"routing    {_count(self.services, 'service')}, {_count(self.sessions, 'session')}, "
            f"{_count(self.announcements, 'announcement')}",
            f"filtering  {_count(self.rules, 'rule')}, {_count(self.sets, 'set')}",
            f"shaping    {_count(self.trees, 'tree')}, {_count(self.classes, 'class', 'classes')}",
            *([balancing] if self.balanced else []),
        ]


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
