"""Look-ups over one policy, each worked out once: ten thousand hosts ask the same questions again and again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from fnmatch import translate
from functools import cached_property
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tidegate.policy.addresses import bare, contributing, family, ip_link_local, number, on_link, span
from tidegate.policy.mesh_sessions import generated
from tidegate.policy.selectors import Match, Recipients, is_glob
from tidegate.policy.shaping import TrafficClass, Tree, classes_of, rate_of, walk

if TYPE_CHECKING:
    from tidegate.policy.balancing import Pool
    from tidegate.policy.fleet import Interface
    from tidegate.policy.model import Policy
    from tidegate.policy.routing import Announcement, Neighbor

Shared = TypeVar("Shared")


class Index:
    """Answers about one policy. Nothing in it changes; what it hands out is shared and must not be changed either."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._chosen: dict[Match | tuple[str, str], frozenset[str]] = {}
        self._documents: dict[Hashable, Any] = {}

    @cached_property
    def region_of(self) -> dict[str, str]:
        """PoP → region."""
        return {pop: name for name, region in self._policy.fleet.regions.items() for pop in region.pops}

    @cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """Host → its labels."""
        return {
            name: {
                "host": name,
                "pop": host.pop,
                "region": self.region_of.get(host.pop, ""),
                "role": host.role,
                "class": host.class_,
            }
            for name, host in self._policy.fleet.hosts.items()
        }

    @cached_property
    def hosts_with(self) -> dict[tuple[str, str], frozenset[str]]:
        """(label, value) → hosts that carry it."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, labels in self.labels.items():
            for label in labels.items():
                found[label].append(name)
        return {label: frozenset(names) for label, names in found.items()}

    @cached_property
    def everyone(self) -> frozenset[str]:
        """Every host."""
        return frozenset(self.labels)

    def values_of(self, label: str) -> set[str]:
        """The values a label has anywhere in the fleet; PoPs and regions count even while they have no host."""
        fleet = self._policy.fleet
        if label == "region":
            return set(fleet.regions)
        if label == "pop":
            return set(self.region_of)
        return {value for key, value in self.hosts_with if key == label}

    def select(self, match: Match) -> frozenset[str]:
        """The hosts that a selector chooses."""
        if match not in self._chosen:
            chosen = self.everyone
            for label, values in match.chosen.items():
                chosen &= frozenset[str]().union(*(self._with(label, value) for value in values))
            self._chosen[match] = chosen
        return self._chosen[match]

    def _with(self, label: str, value: str) -> frozenset[str]:
        if label != "host" or not is_glob(value):
            return self.hosts_with.get((label, value), frozenset())
        if (label, value) not in self._chosen:
            self._chosen[label, value] = frozenset(glob(value, self.labels))
        return self._chosen[label, value]

    @cached_property
    def neighbors(self) -> dict[str, Neighbor]:
        """Every neighbor by name: those that are written, and those that meshes stand for."""
        if self._policy.routing is None:
            return {}
        written = self._policy.routing.neighbors
        # One that is written goes before one of the same name that is worked out; a check says so.
        return {**generated(self._policy, self), **written} if self._policy.routing.meshes else dict(written)

    @cached_property
    def neighbors_of(self) -> dict[str, list[str]]:
        """Host → names of its neighbors, sorted."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, neighbor in sorted(self.neighbors.items()):
            for host in self.select(neighbor.match):
                found[host].append(name)
        return found

    @cached_property
    def caches_of(self) -> dict[str, list[str]]:
        """Host → names of the RPKI caches it asks, sorted."""
        found: dict[str, list[str]] = defaultdict(list)
        if self._policy.routing and self._policy.routing.rpki:
            for name, cache in sorted(self._policy.routing.rpki.caches.items()):
                for host in self.select(cache.match):
                    found[host].append(name)
        return found

    @cached_property
    def announcements_of(self) -> dict[str, list[int]]:
        """Host → positions of the announcements it makes, in order."""
        routing = self._policy.routing
        return self._positions(announcement.match for announcement in routing.announcements) if routing else {}

    @cached_property
    def rules_of(self) -> dict[str, list[int]]:
        """Host → positions of its filter rules, in order."""
        return self._positions(rule.match for rule in self._policy.filtering.rules)

    @cached_property
    def balancers(self) -> dict[str, frozenset[str]]:
        """Balanced service → the hosts that announce one of its VIPs."""
        return {
            name: frozenset(
                host
                for position in self.announcing(service.vips)
                for host in self.select(self._announcements[position].match)
            )
            for name, service in self._policy.balancing.services.items()
        }

    def announcing(self, vips: Iterable[str]) -> list[int]:
        """Positions of the announcements whose service holds one of the addresses."""
        asked = tuple(vips)
        holding = {one.service for one in self._announcements if self.holds(one.service, asked)}
        return [position for position, one in enumerate(self._announcements) if one.service in holding]

    def holds(self, service: str, vips: Iterable[str]) -> bool:
        """Whether one of the addresses is in a prefix of a service (or aggregate)."""
        spans = [(family(vip), number(vip)) for vip in vips]
        return any(
            family(prefix) == kind and span(prefix)[0] <= vip <= span(prefix)[1]
            for prefix in self.targets.get(service, ())
            for kind, vip in spans
        )

    @property
    def _announcements(self) -> tuple[Announcement, ...]:
        return self._policy.routing.announcements if self._policy.routing else ()

    def facing(self, host: str, service: str) -> set[str]:
        """The names of a host's interfaces towards those to whom it announces a balanced service's VIPs."""
        interfaces = self._policy.fleet.hosts[host].interfaces
        found: set[str] = set()
        for position in self.announcing(self._policy.balancing.services[service].vips):
            if host not in self.select(self._announcements[position].match):
                continue
            for neighbor in self.neighbors_of.get(host, ()):
                if neighbor in self.recipients[position]:
                    connection = self.connection(host, neighbor)
                    device = connection[1] if connection else None
                    found |= {name for name, one in interfaces.items() if device in (None, one.device)}
        return found

    def draining(self, pool: Pool) -> frozenset[str]:
        """The hosts that a pool drains."""
        return frozenset(name for pattern in pool.drain or () for name in glob(pattern, self.select(pool.match)))

    def weights(self, pool: Pool) -> dict[str, int]:
        """Host → its weight, for the hosts of a pool that the policy weighs."""
        found: dict[str, int] = {}
        named = sorted(pool.weights.items(), key=lambda item: is_glob(item[0]))
        for pattern, weight in named:
            for host in glob(pattern, self.select(pool.match)):
                found.setdefault(host, weight)
        return found

    @cached_property
    def trees_of(self) -> dict[str, list[int]]:
        """Host → positions of its shaping trees."""
        return self._positions(tree.match for tree in self._policy.shaping)

    def shaping_classes(self, tree: Tree) -> list[tuple[tuple[str, ...], TrafficClass]]:
        """Every class of a tree with its path of names, parents first."""
        key = ("shaping-classes", tree.profile) if tree.profile else ("shaping-classes", id(tree))
        return self.shared(key, lambda: list(walk(classes_of(tree, self._policy.shaping_profiles))))

    def shaping_rate(self, tree: Tree, host_class: str) -> int:
        """The rate of a tree's interface on hosts of a class, in bit/s; 0 where nothing says it (`check` refuses)."""
        return rate_of(tree, self._policy.shaping_profiles, host_class) or 0

    def _positions(self, matches: Iterable[Match]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for position, match in enumerate(matches):
            for host in self.select(match):
                found[host].append(position)
        return found

    @cached_property
    def recipients(self) -> list[frozenset[str]]:
        """For each announcement, the names of the neighbors it may go to."""
        routing = self._policy.routing
        return [self._recipients(announcement.to) for announcement in routing.announcements] if routing else []

    @cached_property
    def actions(self) -> list[frozenset[str]]:
        """For each action, the names of the neighbors that it is about."""
        routing = self._policy.routing
        return [self._recipients(action.to) for action in routing.actions] if routing else []

    def _recipients(self, to: Recipients) -> frozenset[str]:
        neighbors = self.neighbors
        named = (
            {name for pattern in to.neighbor for name in glob(pattern, neighbors)} if to.neighbor else set(neighbors)
        )
        return frozenset(name for name in named if to.role is None or neighbors[name].role in to.role)

    @cached_property
    def targets(self) -> dict[str, tuple[str, ...]]:
        """Set or service → its prefixes."""
        services = self._policy.routing.services if self._policy.routing else {}
        found = {name: service.prefixes for name, service in services.items()}
        aggregates = self._policy.routing.aggregates if self._policy.routing else {}
        found |= {name: (aggregate.prefix,) for name, aggregate in aggregates.items()}
        return found | {name: entry.members for name, entry in self._policy.filtering.sets.items()}

    def contributing(self, aggregate: str) -> list[str]:
        """The prefixes of an aggregate's service that are inside it, sorted."""
        assert self._policy.routing is not None
        entry = self._policy.routing.aggregates[aggregate]
        return contributing(entry.prefix, self.targets.get(entry.of, ()))

    def prefixes(self, targets: tuple[str, ...]) -> list[str]:
        """What names of sets and services, and prefixes, stand for: each once, sorted. Unknown names are none."""
        return sorted(
            {prefix for target in targets for prefix in ((target,) if "/" in target else self._named(target))}
        )

    def _named(self, target: str) -> tuple[str, ...]:
        return self.targets.get(target, ())

    def connection(self, host: str, neighbor: str) -> tuple[str, str | None] | None:
        """The host's own address and device towards a neighbor, or ``None`` if they have no network in common.

        Our own routers (``ibgp``), and neighbors some hops away, may be further: then the first address of the family,
        by interface name or on the session's source, serves, and there is no device, for packets may come and go by
        any. Towards a link-local address the own one is BIRD's to find: it is empty.
        """
        peer = self.neighbors[neighbor]
        interfaces = self._interfaces(host, peer)
        if ip_link_local(peer.address):
            found = self._policy.fleet.hosts[host].interfaces.get(peer.interface or "")
            return ("", found.device) if found else None
        for interface in interfaces if peer.multihop is None else ():
            for own in interface.addresses:
                if on_link(own, peer.address):
                    return bare(own), interface.device
        if peer.role == "ibgp" or peer.multihop is not None:
            for interface in interfaces:
                for own in interface.addresses:
                    if family(own) == family(peer.address):
                        return bare(own), None
        return None

    def _interfaces(self, host: str, peer: Neighbor) -> list[Interface]:
        """The interfaces that a session may run over or come from, by name."""
        every = self._policy.fleet.hosts[host].interfaces
        stated = peer.source or peer.interface
        return [every[name] for name in sorted(every) if stated is None or name == stated]

    def link(self, host: str, neighbor: str) -> str:
        """The network that a host and a neighbor have in common; the neighbor's address alone if there is none."""
        address = self.neighbors[neighbor].address
        for _, interface in sorted(self._policy.fleet.hosts[host].interfaces.items()):
            for own in interface.addresses:
                if on_link(own, address):
                    return str(ip_interface(own).network)
        return str(ip_network(address))

    def neighbor_addresses(self, host: str) -> list[str]:
        """The addresses of a host's neighbors, sorted."""
        return sorted({self.neighbors[name].address for name in self.neighbors_of.get(host, ())})

    def shared(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """Part of a plan that many hosts have in common, made once; whoever receives it must not change it."""
        if key not in self._documents:
            self._documents[key] = make()
        return cast("Shared", self._documents[key])


def glob(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a shell pattern matches, in their order."""
    if not is_glob(pattern):
        return [name for name in names if name == pattern]
    matches = re.compile(translate(pattern)).match
    return [name for name in names if matches(name)]
