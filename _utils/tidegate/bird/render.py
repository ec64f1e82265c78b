"""The plan's ``bird`` section as BIRD's configuration, for the BIRD that the host runs. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from tidegate.bird import bogons, quote, sessions
from tidegate.bird.learning import Functions
from tidegate.bird.parse import OLDEST, Version, dotted
from tidegate.bird.passing import Passing
from tidegate.bird.quote import Syntax
from tidegate.bird.section import BirdSection, Export, Family, Neighbor
from tidegate.bird.section import families as spoken
from tidegate.host.errors import Refused

_TYPED_FUNCTIONS: Version = (2, 15, 0)
_AUTHENTICATION_OPTION: Version = (2, 17, 0)
_SESSION_KEYS = ("name", "protocol", "family", "address", "local", "device", "asn", "role")
_NO_MARKER = Syntax("0" * 16)
_FAMILIES: dict[Family, tuple[str, str]] = {"ipv4": ("4", "0.0.0.0/0"), "ipv6": ("6", "::/0")}
_OPTIONAL: dict[str, Any] = {
    **dict.fromkeys(Neighbor.__optional_keys__),
    "keys": [],
    "require_roles": False,
    "import_table": False,
    "passive": False,
    "ttl_security": False,
    "extended_next_hop": False,
    "reflected": False,
}
"""Keys of a session that a plan leaves out where they say nothing."""
# What the templates define besides the announcements; a session may not take one of these names.
_OWN_NAMES = re.compile(
    r"(kernel|svc|services|announced|default|is_ours|is_service|learn|learn_default|learn_internal"
    r"|learn_internal_default|announce_default)[46]"
    r"|(check|tune|is_blackhole|in|within|hit|from|on_link|pass|rpki|aspa|aggregate|obey)_.*|rpki[46]|aspas|is_from_uphill|is_way[46]|with_preference|with_med"
    r"|(master|static|device|direct|bfd)[0-9]+|vrf_.*|connected|liveness|[A-Z][A-Z0-9_]+"
)


def render(
    section: BirdSection, *, version: Version, templates: Path, secrets: Mapping[str, str], key: bytes
) -> dict[str, str]:
    """Render one host's section.

    Args:
        section: What the host is to do.
        version: The BIRD that the host runs, for example ``(2, 17, 6)``.
        templates: The folder that holds ``bird/bird.conf.j2``.
        secrets: The values of the section's secret references.
        key: The host's own key. The marker is an HMAC of the configuration under it, so that it says nothing about
            the passwords in it to somebody who reads it from the running daemon.

    Returns:
        ``bird.conf`` as BIRD reads it, and ``bird.json`` (no secrets): marker, table, the services' routes, the
        sessions and what each is to announce, as ``live`` and ``health`` need them. ``health.json`` if a service has
        checks: what the checker looks at (``checker/rules.py``).

    Raises:
        Refused: BIRD is too old, or a value would not stay a value in BIRD's configuration; the field is named.
    """
    if version < OLDEST:
        raise Refused(f"BIRD {dotted(version)} is too old: {dotted(OLDEST)} or newer is needed")
    view = _view(section, version)
    try:
        text = (
            _environment(templates)
            .get_template("bird/bird.conf.j2")
            .render(
                view,
                secrets=secrets,
                marker=_NO_MARKER,
                returns_bool=Syntax(" -> bool" if version >= _TYPED_FUNCTIONS else ""),
                # 3.0 branched off before 2.17 brought the option.
                authentication_option=version >= _AUTHENTICATION_OPTION and version[:2] != (3, 0),
            )
        )
    except TemplateError as error:
        raise Refused(f"BIRD: the template {getattr(error, 'name', None) or ''} failed: {error.message}") from None
    marker = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]
    # The first one: the marker stands before everything that comes from the plan.
    text = text.replace(_NO_MARKER, marker, 1)
    files = {"bird.conf": text, "bird.json": _json(_desired(section, marker))}
    # A file of its own: the runtime that a host goes back with may be older and refuses what it does not know.
    health = {service["name"]: service["health"] for service in section["services"] if "health" in service}
    return {**files, "health.json": _json({"services": health})} if health else files


@lru_cache(maxsize=4)
def _environment(templates: Path) -> Environment:
    """The templates' environment; a template that changes on disk is read again."""
    # Not HTML: the filters of quote.py are the escaping.
    environment = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    quote.install(environment)
    return environment


def _view(section: BirdSection, version: Version) -> dict[str, Any]:
    """The section as the templates want it: families side by side, announcements that are alike only once."""
    families = {name: _family(section, name) for name in _FAMILIES}
    announcements: dict[str, dict[str, Any]] = {}
    aggregates = _aggregates(section, families)
    functions, passing = Functions(section, version), Passing()
    neighbors = []
    for neighbor in section["neighbors"]:
        channels = [
            {
                "family": families[family],
                "learn": functions.learn(neighbor, family),
                "announce": _announce(neighbor, family, families, announcements, aggregates, passing),
            }
            for family in spoken(neighbor)
        ]
        sessions.demand_features(neighbor, version)
        neighbors.append(
            {
                **_OPTIONAL,
                "description": neighbor["name"],
                **neighbor,
                "import_": {"max_received": None, "max_prefix": None, **neighbor["import_"]},
                "channels": channels,
                "table": sessions.table(neighbor),
            }
        )
    shown = [announcements[key] for key in sorted(announcements, key=lambda key: announcements[key]["function"])]
    _refuse_clashes(section, {announcement["function"] for announcement in shown})
    return {
        **section,
        "families": list(families.values()),
        "announcements": shown,
        "neighbors": neighbors,
        "vrfs": sessions.vrfs(section),
        "reflects": any(neighbor.get("reflected") for neighbor in section["neighbors"]),
        "liveness": any("bfd" in neighbor for neighbor in section["neighbors"]),
        # A next hop that is not on a link is looked up: among the host's own routes, for BGP alone does not know it.
        "recursive": any(neighbor["device"] is None for neighbor in section["neighbors"]),
        "policies": functions.policies,
        "caches": section.get("caches", []),
        "aggregates": list(aggregates.values()),
        "aspa": functions.uses_aspa,
        "sets": functions.sets,
        "links": functions.links,
        "passes": passing.functions,
        "obeys": passing.actions,
        "defaults": [family for family in families.values() if family["digit"] in passing.defaults],
        "bogons": {"4": bogons.IPV4, "6": bogons.IPV6},
        "reserved_asns": bogons.RESERVED_ASNS,
        "private_asns": bogons.PRIVATE_ASNS,
    }


def _aggregates(section: BirdSection, families: Mapping[Family, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The section's aggregates by name, each with its family and its protocol's name in BIRD."""
    found: dict[str, dict[str, Any]] = {}
    for one in section.get("aggregates", []):
        protocol = "aggregate_" + re.sub(r"[^A-Za-z0-9]", "_", one["name"])
        if any(other["protocol"] == protocol for other in found.values()):
            raise Refused(f"BIRD: aggregate {one['name']!r}: the protocol name {protocol!r} is taken already")
        family = families["ipv6" if ":" in one["prefix"] else "ipv4"]
        found[one["name"]] = {**one, "protocol": protocol, "family": family}
    return found


def _family(section: BirdSection, name: Family) -> dict[str, Any]:
    digit, default = _FAMILIES[name]
    services = [prefix for service in section["services"] for prefix in service[name]]
    aggregates = [one["prefix"] for one in section.get("aggregates", []) if (":" in one["prefix"]) == (name == "ipv6")]
    return {
        "name": Syntax(name),
        "digit": Syntax(digit),
        "default": Syntax(default),
        "services": services,
        "aggregates": aggregates,
    }


def _announce(
    neighbor: Neighbor,
    family: Family,
    families: Mapping[Family, dict[str, Any]],
    announcements: dict[str, dict[str, Any]],
    aggregates: Mapping[str, dict[str, Any]],
    passing: Passing,
) -> Syntax | None:
    """The calls that decide what a neighbor gets, entering the functions they need; none: nothing.

    One shared function for all neighbors that get the same: BIRD 2.0.12 parses long inline filters in quadratic time.
    """
    calls = []
    for export in neighbor["export"]:
        if not any((":" in prefix) == (family == "ipv6") for prefix in export["prefixes"]):
            continue
        key = f"{family} {json.dumps(export, sort_keys=True)}"
        if key not in announcements:
            taken = {announcement["function"] for announcement in announcements.values()}
            announcements[key] = {
                **{"extended_communities": None, **export},
                "aggregate": aggregates[export["service"]]["protocol"] if export["service"] in aggregates else None,
                "family": families[family],
                "function": _function_name(export, families[family]["digit"], taken),
            }
        calls.append(f"{announcements[key]['function']}()")
    calls += passing.calls(neighbor, families[family]["digit"])
    if not calls:
        return None
    guard, terms = passing.guard(neighbor), " || ".join(calls)
    return Syntax(f"{guard}({terms})" if guard else terms)


def _function_name(export: Export, digit: str, taken: set[Syntax]) -> Syntax:
    """``announce_web4``; a second way to announce the same service is ``announce_web4_2``."""
    name = f"announce_{re.sub(r'[^a-z0-9]+', '_', export['service'].lower())[:40]}{digit}"
    candidates = (name if turn == 1 else f"{name}_{turn}" for turn in range(1, len(taken) + 2))
    return Syntax(next(candidate for candidate in candidates if candidate not in taken))


def _refuse_clashes(section: BirdSection, functions: set[Syntax]) -> None:
    seen: set[str] = set(functions)
    protocols = [("neighbor", one["name"], one["protocol"]) for one in section["neighbors"]]
    protocols += [("cache", one["name"], one["protocol"]) for one in section.get("caches", [])]
    for what, whose, name in protocols:
        if name in seen or _OWN_NAMES.fullmatch(name):
            raise Refused(f"BIRD: {what} {whose!r}: the protocol name {name!r} is taken already")
        seen.add(name)


def _desired(section: BirdSection, marker: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "table": section["table"],
        "routes": {prefix: service["name"] for service in section["services"] for prefix in _both(service)},
        "sessions": [
            {
                **{key: neighbor[key] for key in _SESSION_KEYS},  # type: ignore[literal-required]
                "accept": neighbor["import_"]["accept"],
                "announces": sorted(_announced(neighbor)),
                **({"passes": True} if neighbor.get("learned") else {}),
                **({"tables": tables} if (tables := sessions.tables(neighbor)) else {}),
            }
            for neighbor in section["neighbors"]
        ],
    }


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _announced(neighbor: Neighbor) -> set[str]:
    own = {_FAMILIES[family][1] for family in spoken(neighbor)} if neighbor.get("default_route") else set[str]()
    return own | {prefix for export in neighbor["export"] for prefix in export["prefixes"]}


def _both(service: Any) -> list[str]:
    return [*service["ipv4"], *service["ipv6"]]
