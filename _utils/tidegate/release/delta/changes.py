"""The changes a delta is made of, in the network's terms. Each stands for all the places where it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from tidegate.host.plan import canonical
from tidegate.release.delta.space import Space
from tidegate.release.delta.where import Place, Where

AnnouncementVerb = Literal["withdrawn", "announced", "changed"]
SessionVerb = Literal["removed", "restarted", "refiltered", "added", "described"]
RuleVerb = Literal["removed", "added", "changed", "reordered"]
ClassVerb = Literal["removed", "added", "changed"]


@dataclass(frozen=True)
class Edit:
    """One field's value before and after: plain data, ``None`` where it was or is not there."""

    field: str
    before: Any
    after: Any

    def __hash__(self) -> int:
        return hash((self.field, _hashable(self.before), _hashable(self.after)))

    @property
    def added(self) -> list[Any]:
        """Of two lists, what the later one has more."""
        return _more(self.after, self.before)

    @property
    def removed(self) -> list[Any]:
        """Of two lists, what the earlier one has more."""
        return _more(self.before, self.after)

    @property
    def of_lists(self) -> bool:
        """Whether it reads best as what is added and removed."""
        return isinstance(self.before, list) and isinstance(self.after, list) and bool(self.added or self.removed)

    def as_dict(self) -> dict[str, Any]:
        """Both values; of two lists, what is added and what is removed."""
        if self.of_lists:
            return {"field": self.field, "added": self.added, "removed": self.removed}
        return {"field": self.field, "before": self.before, "after": self.after}


def _hashable(value: Any) -> Any:
    """The value, or of lists and mappings their size: cheap, and equal for equal ones."""
    return len(value) if isinstance(value, list | dict) else value


def _more(one: Any, other: Any) -> list[Any]:
    if not isinstance(one, list) or not isinstance(other, list):
        return []
    known = {canonical(item) for item in other}
    return [item for item in one if canonical(item) not in known]


def edits(before: Mapping[str, Any], after: Mapping[str, Any], without: frozenset[str] = frozenset()) -> list[Edit]:
    """The fields in which two mappings differ, by name."""
    names = sorted((before.keys() | after.keys()) - without)
    return [Edit(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


@dataclass(frozen=True)
class Attributes:
    """What an announcement carries."""

    service: str
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    prepend: int = 0
    med: int | None = None
    extended_communities: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, lists as lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class Announcement:
    """Prefixes that some neighbors are told of, no longer, or with other attributes.

    Attributes:
        service: The service they belong to (afterwards, where both sides have one).
        role: The neighbors' role.
        prefixes: Every one of these is announced at every one of the places.
    """

    verb: AnnouncementVerb
    service: str
    role: str
    prefixes: tuple[str, ...]
    before: Attributes | None
    after: Attributes | None
    where: Where

    @property
    def edits(self) -> list[Edit]:
        """The attributes that change."""
        if self.before is None or self.after is None:
            return []
        return edits(self.before.as_dict(), self.after.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": self.verb,
            "service": self.service,
            "role": self.role,
            "prefixes": list(self.prefixes),
            "before": self.before.as_dict() if self.before else None,
            "after": self.after.as_dict() if self.after else None,
            "where": self.where.as_dict(),
        }


@dataclass(frozen=True)
class SessionChange:
    """Sessions that come, go, start anew, or have other filters while they stay up.

    Attributes:
        role: The neighbors' role, afterwards if there is one.
        edits: What changes in the same way at every place.
        own: What changes at every place in its own way, such as addresses.
    """

    verb: SessionVerb
    role: str
    edits: tuple[Edit, ...]
    own: tuple[tuple[Place, tuple[Edit, ...]], ...]
    where: Where

    @property
    def fields(self) -> list[str]:
        """The names of all that changes."""
        return sorted({edit.field for edit in self.edits} | {edit.field for _, own in self.own for edit in own})

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": self.verb,
            "role": self.role,
            "edits": [edit.as_dict() for edit in self.edits],
            "own": [
                {"host": place.host, "neighbor": place.neighbor, "edits": [edit.as_dict() for edit in own]}
                for place, own in self.own
            ],
            "where": self.where.as_dict(),
        }


@dataclass(frozen=True)
class ServiceChange:
    """PoPs in which prefixes of a service appear, or from which they vanish.

    Attributes:
        before: In how many PoPs they were.
        after: In how many they will be.
    """

    service: str
    prefixes: tuple[str, ...]
    before: int
    after: int
    appears: tuple[str, ...]
    vanishes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "service": self.service,
            "prefixes": list(self.prefixes),
            "pops": {"before": self.before, "after": self.after},
            "appears": list(self.appears),
            "vanishes": list(self.vanishes),
        }


@dataclass(frozen=True)
class RuleChange:
    """A filter rule that comes, goes or changes, and how much address space it covers.

    ``reordered`` has no rule of its own: its one edit holds the names of the rules in both orders.
    """

    verb: RuleVerb
    name: str
    action: str
    edits: tuple[Edit, ...]
    before: Space | None
    after: Space | None
    where: Where

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": self.verb,
            "name": self.name,
            "action": self.action,
            "edits": [edit.as_dict() for edit in self.edits],
            "covers": {
                "before": self.before.as_dict() if self.before else None,
                "after": self.after.as_dict() if self.after else None,
            },
            "where": self.where.as_dict(),
        }


@dataclass(frozen=True)
class ClassChange:
    """A shaping class, or with an empty class name the interface's whole tree."""

    verb: ClassVerb
    interface: str
    class_: str
    edits: tuple[Edit, ...]
    where: Where

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": self.verb,
            "interface": self.interface,
            "class": self.class_,
            "edits": [edit.as_dict() for edit in self.edits],
            "where": self.where.as_dict(),
        }


@dataclass(frozen=True)
class Adjustment:
    """What changes on hosts besides: labels, where and how the filter is attached, BIRD taken over or let go."""

    edits: tuple[Edit, ...]
    where: Where

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"edits": [edit.as_dict() for edit in self.edits], "where": self.where.as_dict()}
