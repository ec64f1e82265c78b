"""From data to a policy, with every error of the schema at once, and as much of a policy left as can be looked at.

A policy with a slip in one neighbor still has a fleet, rules and other neighbors worth checking. So what does not fit
the schema is reported; unknown keys are mended (read as the key that was meant, or left out), entries that still do not
fit are taken out, and the rest is read again for the checks across sections.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tidegate.policy.errors import KeyPath, Problem, closest, suggest
from tidegate.policy.model import Policy
from tidegate.policy.schema import description_at, keys_at
from tidegate.policy.strict import NAME_IN_WORDS

COLLECTIONS: dict[KeyPath, type] = {
    ("fleet", "regions"): dict,
    ("fleet", "hosts"): dict,
    ("routing", "services"): dict,
    ("routing", "neighbors"): dict,
    ("routing", "templates"): dict,
    ("routing", "meshes"): dict,
    ("routing", "announcements"): list,
    ("routing", "actions"): list,
    ("routing", "aggregates"): dict,
    ("routing", "imports"): dict,
    ("routing", "sets"): dict,
    ("routing", "rpki", "caches"): dict,
    ("filtering", "sets"): dict,
    ("filtering", "rules"): list,
    ("balancing", "services"): dict,
    ("shaping",): list,
    ("shaping_profiles",): dict,
    ("rollout", "waves"): list,
    ("rollout", "gates"): list,
    ("rollout", "emergency", "waves"): list,
    ("rollout", "freeze"): list,
    ("rollout", "notify"): list,
}
"""Where entries stand that can be taken out one by one."""

STAND_IN_ASN = 64512
"""Stands for an AS number that is missing, so that the rest of the routing can be looked at."""


@dataclass(frozen=True)
class Draft:
    """A policy as far as it could be read.

    Attributes:
        policy: What fits the schema.
        data: Everything that was written, for the names in it.
        incomplete: Collections of which something was taken out: no conclusion can be drawn from what they lack.
        positions: For lists of which something was taken out: where each item that is left stood.
    """

    policy: Policy
    data: Mapping[str, Any]
    incomplete: frozenset[KeyPath]
    positions: Mapping[KeyPath, list[int]]

    def whole(self, *collections: KeyPath) -> bool:
        """Whether nothing was taken out of these collections."""
        return self.incomplete.isdisjoint(collections)

    def names(self, *path: str) -> set[str]:
        """The names written in a collection, readable or not."""
        found: Any = self.data
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return set(map(str, found)) if isinstance(found, Mapping) else set()

    @cached_property
    def pops(self) -> set[str]:
        """The names of all PoPs written in any region."""
        return {
            pop for region in self.names("fleet", "regions") for pop in self.names("fleet", "regions", region, "pops")
        }

    def written(self, path: KeyPath) -> KeyPath:
        """A path in the draft as it was in the document: items of lists had other positions."""
        for collection, positions in self.positions.items():
            size = len(collection)
            if path[:size] == collection and len(path) > size and isinstance(path[size], int):
                return (*collection, positions[int(path[size])], *path[size + 1 :])
        return path


def validate(data: Mapping[str, Any]) -> tuple[Draft | None, list[Problem]]:
    """Hold data against the schema: what is left of the policy, and every error."""
    try:
        return Draft(Policy.model_validate(data), data, frozenset(), {}), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = _misspelt([_problem(detail, data) for detail in details])
    mended = _mended(data, problems)
    try:
        return Draft(Policy.model_validate(mended), data, frozenset(), {}), problems
    except ValidationError as error:
        details = error.errors(include_url=False)
    known = {problem.path for problem in problems}
    problems += [one for one in (_problem(detail, mended) for detail in details) if one.path not in known]
    remains, incomplete, positions = _without(mended, details)
    try:
        policy = Policy.model_validate(remains)
    except ValidationError:
        return None, problems
    return Draft(policy, data, incomplete, positions), problems


def _mended(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The document with unknown keys read as the missing ones they were meant to be, or left out."""
    mended = copy.deepcopy(dict(data))
    for problem in problems:
        if problem.message.startswith("unknown key"):
            parent: Any = mended
            for key in problem.path[:-1]:
                parent = parent[key]
            value = parent.pop(problem.path[-1])
            meant = closest(problem.path[-1], keys_at(problem.path[:-1]))
            if meant is not None and meant not in parent:
                parent[meant] = value
    return mended


def _problem(detail: ErrorDetails, data: Mapping[str, Any]) -> Problem:
    path = _followed(detail["loc"], data)
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        known = keys_at(path[:-1])
        return Problem(f"unknown key '{path[-1]}'", path, expected=_one_of(known), hint=suggest(path[-1], known))
    if kind == "missing":
        return Problem(f"'{path[-1]}' is missing", path, expected=description_at(path).rstrip("."))
    if detail["loc"][-1] == "[key]":
        return Problem("this name cannot be used", path, value, NAME_IN_WORDS)
    if kind == "unlike":
        return Problem("this value cannot be used", path, value, str(context["expected"]), str(context["hint"]))
    if kind == "literal_error":
        choices = [part.strip(" '") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        return Problem("this value cannot be used", path, value, str(context["expected"]), suggest(value, choices))
    return Problem("this value cannot be used", path, value, _expected(detail), _quotes(detail))


def _misspelt(problems: list[Problem]) -> list[Problem]:
    """The problems without those of missing keys that stand there under another spelling."""
    unknown = [problem.path for problem in problems if problem.message.startswith("unknown key")]
    meant = {(*path[:-1], closest(path[-1], keys_at(path[:-1]))) for path in unknown}
    return [problem for problem in problems if not (is_missing(problem) and problem.path in meant)]


def is_missing(problem: Problem) -> bool:
    """Whether the problem is that something is not there."""
    return problem.message.endswith("is missing")


def _followed(location: tuple[int | str, ...], data: Any) -> KeyPath:
    """A location as the author knows it: a single value read as a list of one has no position there."""
    path: KeyPath = ()
    for part in location:
        if isinstance(part, int) and isinstance(data, Mapping) and part not in data:
            continue
        if part == "[key]" or (isinstance(part, int) and not isinstance(data, list)):
            break
        path = (*path, part)
        inside = (isinstance(data, Mapping) and part in data) or isinstance(data, list)
        data = data[part] if inside else None
    return path


TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
}


def _expected(detail: ErrorDetails) -> str:
    """What pydantic says, in the words of someone who writes YAML."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in TYPES:
        return TYPES[kind]
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"a number {'from' if 'ge' in context else 'up to'} {context.get('ge', context.get('le'))}"
    if kind in ("too_short", "string_too_short"):
        return "at least one entry" if kind == "too_short" else "some text"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return detail["msg"].removeprefix("Input should be ").lower()


def _quotes(detail: ErrorDetails) -> str:
    value = detail["input"]
    if detail["type"] == "string_type" and isinstance(value, int | float):
        return f"Write it in quotes if it is meant as text: '{value}'."
    if detail["type"] == "int_type" and isinstance(value, str) and value.isdigit():
        return f"Write it without quotes: {value}."
    return ""


def _one_of(known: list[str]) -> str:
    return f"one of {', '.join(known)}" if known else "nothing here"


def _without(
    data: Mapping[str, Any], details: list[ErrorDetails]
) -> tuple[dict[str, Any], frozenset[KeyPath], dict[KeyPath, list[int]]]:
    """The document without what the errors are in, the collections that lost something, and old positions in lists."""
    remains = copy.deepcopy(dict(data))
    gone: dict[KeyPath, set[Any]] = {}
    for detail in details:
        location = detail["loc"]
        collection = next((path for path in COLLECTIONS if location[: len(path)] == path), None)
        if collection is not None and len(location) > len(collection):
            gone.setdefault(collection, set()).add(location[len(collection)])
        elif collection is not None:
            gone.setdefault(collection, set())
            _put(remains, collection, COLLECTIONS[collection]())
        elif location == ("routing", "asn"):
            _put(remains, location, STAND_IN_ASN)
        elif location == ("fleet",):
            gone |= {("fleet", "regions"): set(), ("fleet", "hosts"): set()}
            remains["fleet"] = {"regions": {}, "hosts": {}}
        elif location[0] == "rollout" and len(location) > 1 and isinstance(remains.get("rollout"), dict):
            # Each of its other keys has a default.
            gone |= {path: set() for path in COLLECTIONS if path[:2] == location[:2]}
            remains["rollout"].pop(location[1], None)
        else:
            gone |= {path: set() for path in COLLECTIONS if path[0] == location[0]}
            remains.pop(str(location[0]), None)
    positions = {path: _take_out(remains, path, keys) for path, keys in gone.items()}
    return remains, frozenset(gone), {path: left for path, left in positions.items() if left is not None}


def _take_out(remains: dict[str, Any], path: KeyPath, keys: set[Any]) -> list[int] | None:
    """Remove entries of one collection; for a list, the old positions of those that stay."""
    parent: Any = remains
    for key in path[:-1]:
        parent = parent.get(key, {})
    entries = parent.get(path[-1])
    if isinstance(entries, dict):
        for key in keys:
            entries.pop(key, None)
    if not isinstance(entries, list):
        return None
    left = [position for position in range(len(entries)) if position not in keys]
    parent[path[-1]] = [entries[position] for position in left]
    return left


def _put(remains: dict[str, Any], path: KeyPath, value: Any) -> None:
    parent: Any = remains
    for key in path[:-1]:
        parent = parent.setdefault(key, {})
    parent[path[-1]] = value
