"""BGP sessions that come, go or start anew, and those that stay up while their filters change.

BIRD compares a protocol's new options with the old ones when it is reconfigured. Options of the protocol itself
cannot change under a running session: it is closed and opened anew, and all routes are gone meanwhile. Filters,
limits and the description belong to the channel or to nobody: they change in place, and routes are filtered again
("Reconfiguration" in BIRD's user guide, section 1.3; ``bgp_reconfigure`` in ``proto/bgp/bgp.c``).
``tests/kernel/bird/test_restarts.py`` edits every field below on every supported BIRD.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from tidegate.bird.section import BirdSection, Neighbor
from tidegate.release.delta.changes import Edit, SessionChange, SessionVerb, edits
from tidegate.release.delta.sides import Sides
from tidegate.release.delta.where import Gathered, Labels, Place

RESTARTS = frozenset(
    {
        *("address", "local", "device", "family", "asn", "password", "hold_time", "keepalive"),
        *("local_role", "require_roles", "import_table"),
        *("passive", "ttl_security", "graceful_restart", "stale_time", "keys", "multihop", "vrf", "reflected"),
        *("families", "extended_next_hop", "add_paths"),
    }
)
"""Fields of a session whose edit restarts it."""

REFILTERS = frozenset({"import_", "export", "role", "link", "learned", "actions", "default_route", "max_exported"})
"""Fields whose edit filters routes again, on a session that stays up."""

SILENT = frozenset({"description", "name", "bfd"})
"""Fields that BIRD only shows, and BFD, which comes and goes beside a session that stays up."""

ROUTER_RESTARTS = frozenset({"router_id", "asn"})
"""Fields of the whole section whose edit restarts every session of the host."""

LOCAL = frozenset({"address", "local", "device", "description", "name", "router_id"})
"""Fields that differ from session to session by nature: their values do not keep like changes apart."""

ORDER: tuple[SessionVerb, ...] = ("removed", "restarted", "refiltered", "added", "described")


class Key(NamedTuple):
    """What makes changes of two sessions alike."""

    verb: SessionVerb
    role: str
    edits: tuple[Edit, ...]
    local: tuple[str, ...]


def sessions(changed: Iterable[Sides], labels: Labels) -> tuple[SessionChange, ...]:
    """The changes of all hosts, alike ones once."""
    gathered: Gathered[Key] = Gathered()
    own: dict[tuple[Key, Place], tuple[Edit, ...]] = {}
    for sides in changed:
        for place, key, local in _of_host(sides):
            gathered.add(key, place)
            own[key, place] = local
    found = [_change(key, places, own, labels) for key, places in gathered.items()]
    return tuple(sorted(found, key=lambda one: (ORDER.index(one.verb), one.role, one.fields, one.where.places)))


def _change(
    key: Key, places: tuple[Place, ...], own: dict[tuple[Key, Place], tuple[Edit, ...]], labels: Labels
) -> SessionChange:
    local = [(place, own[key, place]) for place in places if own[key, place]]
    if len({edits for _, edits in local}) == 1:
        shared = tuple(sorted((*key.edits, *local[0][1]), key=lambda edit: edit.field))
        return SessionChange(key.verb, key.role, shared, (), labels.where(places))
    return SessionChange(key.verb, key.role, key.edits, tuple(local), labels.where(places))


def _of_host(sides: Sides) -> Iterator[tuple[Place, Key, tuple[Edit, ...]]]:
    before, after = sides.birds
    if before == after:
        return
    router = _router_edits(before, after)
    for was, will in _paired(before, after):
        some = will or was
        assert some is not None
        if was is None or will is None:
            verb: SessionVerb = "added" if was is None else "removed"
            key = Key(verb, some["role"], (_as(some, verb, "asn"),), ("address",))
            yield sides.place(some["name"], earlier=will is None), key, (_as(some, verb, "address"),)
            continue
        # What is announced is told in full elsewhere.
        found = [*edits(_spelt_out(before, was), _spelt_out(after, will), frozenset({"export"})), *router]
        if not found:
            continue
        common = tuple(edit for edit in found if edit.field not in LOCAL)
        local = tuple(edit for edit in found if edit.field in LOCAL)
        key = Key(_verb(found), some["role"], common, tuple(edit.field for edit in local))
        yield sides.place(some["name"]), key, local


def _as(neighbor: Neighbor, verb: str, field: str) -> Edit:
    value = cast("Any", neighbor)[field]
    return Edit(field, None, value) if verb == "added" else Edit(field, value, None)


def _router_edits(before: BirdSection | None, after: BirdSection | None) -> list[Edit]:
    if before is None or after is None:
        return []
    found = edits({"router_id": before["router_id"]}, {"router_id": after["router_id"]})
    return found + edits({"our asn": before["asn"]}, {"our asn": after["asn"]})


def _paired(before: BirdSection | None, after: BirdSection | None) -> Iterator[tuple[Neighbor | None, Neighbor | None]]:
    """Sessions before and after: by BIRD's name for them, then by address, for the neighbor may have a new name."""
    was = {neighbor["protocol"]: neighbor for neighbor in (before["neighbors"] if before else [])}
    will = {neighbor["protocol"]: neighbor for neighbor in (after["neighbors"] if after else [])}
    renamed = {neighbor["address"]: neighbor for protocol, neighbor in will.items() if protocol not in was}
    taken: set[str] = set()
    for protocol, neighbor in was.items():
        other = will.get(protocol) or renamed.get(neighbor["address"])
        if other is not None:
            taken.add(other["protocol"])
        yield neighbor, other
    for protocol, neighbor in will.items():
        if protocol not in taken:
            yield None, neighbor


def _spelt_out(section: BirdSection | None, neighbor: Neighbor) -> Mapping[str, Any]:
    """A session with the checks and sets that its import names in the place of their names."""
    assert section is not None
    rules: dict[str, Any] = dict(neighbor["import_"])
    policies = section.get("policies", {})
    checks = policies.get(rules.pop("policy", ""), {})
    rules |= {key: value for key, value in checks.items() if key != "role"}
    others = policies.get(rules.pop("other_policy", ""), {})
    rules |= {f"{key} (other family)": value for key, value in others.items() if checks.get(key) != value}
    sets = section.get("sets", {})
    for name in {name for key in ("prefixes", "origins", "refuse") for name in neighbor["import_"].get(key, ())}:  # type: ignore[attr-defined]
        rules |= {f"{kind} of {name}": entries for kind, entries in sets.get(name, {}).items() if entries}
    return {**neighbor, "import_": rules}


def _verb(found: Sequence[Edit]) -> SessionVerb:
    """What edits do; one of a field that is not known here is taken for the worst."""
    fields = {edit.field for edit in found}
    # To be a route server for somebody is an option of the session itself.
    serves = any(edit.field == "role" and "rs-client" in (edit.before, edit.after) for edit in found)
    if fields - REFILTERS - SILENT or serves:
        return "restarted"
    return "refiltered" if fields & REFILTERS else "described"
