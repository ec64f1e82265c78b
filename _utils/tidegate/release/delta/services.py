"""Services whose prefixes appear in PoPs or vanish from them."""

from __future__ import annotations

from collections import defaultdict

from tidegate.release.delta.changes import ServiceChange
from tidegate.release.delta.reach import Reach


def services(before: Reach, after: Reach) -> tuple[ServiceChange, ...]:
    """The changes of presence, prefixes with the same change together."""
    alike: dict[tuple[str, int, int, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for service in sorted(before.keys() | after.keys()):
        was, will = before.get(service, {}), after.get(service, {})
        for prefix in sorted(was.keys() | will.keys()):
            here, then = was.get(prefix, set()), will.get(prefix, set())
            if here != then:
                key = (service, len(here), len(then), tuple(sorted(then - here)), tuple(sorted(here - then)))
                alike[key].append(prefix)
    return tuple(
        ServiceChange(service, tuple(prefixes), was_in, will_be_in, appears, vanishes)
        for (service, was_in, will_be_in, appears, vanishes), prefixes in alike.items()
    )
