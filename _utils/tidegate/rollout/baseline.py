"""Which hosts can be compared: those of the same class and role, in the same PoP if possible."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tidegate.rollout.order import rank

MOST = 10
"""Hosts in one baseline. More hardly sharpen a comparison whose other side is a few canaries."""

Labels = Mapping[str, str]
Kind = tuple[str, str, str, str]
"""Class, role, a label of place, its value: hosts that have this in common can be compared."""

NOWHERE = 3
"""How near the nearest host to compare with is, if there is none. 0 is the same PoP, 1 the region, 2 the fleet."""


def kinds(labels: Labels) -> tuple[Kind, Kind, Kind]:
    """What a host has in common with others, from the nearest to the furthest."""
    class_, role = labels["class"], labels["role"]
    return (
        (class_, role, "pop", labels["pop"]),
        (class_, role, "region", labels["region"]),
        (class_, role, "", ""),
    )


class Remaining:
    """How many hosts of each kind would stay behind, while a wave is being chosen."""

    def __init__(self, hosts: Iterable[str], labels: Mapping[str, Labels]) -> None:
        self._labels = labels
        self._count = Counter(kind for host in hosts for kind in kinds(labels[host]))

    def distance(self, host: str) -> int:
        """How near the nearest host is that this one, once chosen, can be compared with: 0 to `NOWHERE`."""
        near = (distance for distance, kind in enumerate(kinds(self._labels[host])) if self._count[kind] > 1)
        return next(near, NOWHERE)

    def take(self, host: str) -> None:
        """This host is chosen."""
        self._count.subtract(kinds(self._labels[host]))


def baselines(waves: Sequence[Iterable[str]], labels: Mapping[str, Labels]) -> list[dict[str, tuple[str, ...]]]:
    """For each wave, host → the hosts of later waves to compare it with; none where there is no such host.

    They are the nearest: of the same PoP, else of the region, else of the fleet; at most `MOST`, those of the last
    waves first, because they serve as a baseline longest.
    """
    later: dict[Kind, list[str]] = defaultdict(list)
    found = []
    for hosts in reversed(waves):
        shared = {kind: tuple(names) for kind, names in later.items()}
        found.append({host: _nearest(kinds(labels[host]), shared) for host in hosts})
        for host in sorted(hosts, key=rank):
            for kind in kinds(labels[host]):
                if len(later[kind]) < MOST:
                    later[kind].append(host)
    return found[::-1]


def _nearest(of_host: Iterable[Kind], behind: Mapping[Kind, tuple[str, ...]]) -> tuple[str, ...]:
    return next((behind[kind] for kind in of_host if behind.get(kind)), ())
