"""What neighbors are told: prefixes announced, withdrawn, or told with other attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from tidegate.bird.section import BirdSection, Export
from tidegate.release.delta.changes import Announcement, AnnouncementVerb, Attributes
from tidegate.release.delta.reach import effective, held
from tidegate.release.delta.sides import Sides
from tidegate.release.delta.where import Gathered, Labels, Place

ORDER: tuple[AnnouncementVerb, ...] = ("withdrawn", "announced", "changed")


class Told(NamedTuple):
    """One prefix as one neighbor hears of it."""

    role: str
    attributes: Attributes


class Key(NamedTuple):
    """What makes two announcements of one prefix alike."""

    verb: AnnouncementVerb
    service: str
    role: str
    prefix: str
    before: Attributes | None
    after: Attributes | None


def announcements(changed: Iterable[Sides], labels: Labels) -> tuple[Announcement, ...]:
    """The changes of all hosts: alike ones once, prefixes that fare alike everywhere together."""
    gathered: Gathered[Key] = Gathered()
    for sides in changed:
        for place, key in _of_host(sides):
            gathered.add(key, place)
    together: dict[tuple[Key, tuple[Place, ...]], list[str]] = defaultdict(list)
    for key, places in gathered.items():
        together[key._replace(prefix=""), places].append(key.prefix)
    found = [
        Announcement(key.verb, key.service, key.role, tuple(sorted(prefixes)), key.before, key.after, where)
        for (key, places), prefixes in together.items()
        for where in [labels.where(places)]
    ]
    return tuple(sorted(found, key=lambda one: (ORDER.index(one.verb), one.service, one.prefixes, one.where.places)))


def _of_host(sides: Sides) -> list[tuple[Place, Key]]:
    before, after = (_told(section) for section in sides.birds)
    found = []
    for told in sorted(before.keys() | after.keys()):
        was, will = before.get(told), after.get(told)
        if was == will or (was and will and was.attributes == will.attributes):
            continue
        neighbor, prefix = told
        verb: AnnouncementVerb = "announced" if was is None else "withdrawn" if will is None else "changed"
        some = will or was
        assert some is not None
        key = Key(
            verb,
            some.attributes.service,
            some.role,
            prefix,
            was.attributes if was else None,
            will.attributes if will else None,
        )
        found.append((sides.place(neighbor, earlier=will is None), key))
    return found


def _told(section: BirdSection | None) -> dict[tuple[str, str], Told]:
    """(neighbor, prefix) → how it is told."""
    if section is None:
        return {}
    own = held(section)
    return {
        (neighbor["name"], prefix): Told(neighbor["role"], _attributes(export))
        for neighbor in section["neighbors"]
        for prefix, export in effective(neighbor, own)
    }


def _attributes(export: Export) -> Attributes:
    return Attributes(
        export["service"],
        tuple(export["communities"]),
        tuple(export["large_communities"]),
        export["prepend"],
        export["med"],
        tuple(export.get("extended_communities", ())),
    )
