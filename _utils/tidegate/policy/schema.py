"""The policy's JSON Schema: what editors complete and check, and where suggestions for misspelt keys come from."""

from __future__ import annotations

from functools import cache
from typing import Any

from tidegate.policy.document import ROOT
from tidegate.policy.errors import KeyPath
from tidegate.policy.model import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_schema() -> dict[str, Any]:
    """The schema of one policy file. A file may hold any part of the policy, so sections demand nothing of it."""
    schema = _without_null(Policy.model_json_schema())
    definitions = schema.pop("$defs")
    for section in ("Fleet", "Routing", "Filtering", "Rollout"):
        definitions[section].pop("required", None)
    schema.pop("required", None)
    return {
        "$schema": DIALECT,
        "title": "Tidegate traffic policy (one file of pillar/traffic/)",
        "type": "object",
        "properties": {ROOT: schema},
        "required": [ROOT],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _without_null(schema: Any) -> Any:
    """The schema without the ``null`` that Python's optional fields bring: a key with no value is an error here."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema if part != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(part) for key, part in schema.items() if not (key == "default" and part is None)}
    if len(kept.get("anyOf", ())) == 1:
        kept = kept.pop("anyOf")[0] | kept
    return kept


def keys_at(path: KeyPath) -> list[str]:
    """The keys that may stand in the mapping at a path, as they are written; none if any name may."""
    schema = _policy_schema()
    here = _plain(schema, schema)
    for part in path:
        here = _plain(_below(here, part), schema)
    return list(here.get("properties", {}))


def description_at(path: KeyPath) -> str:
    """What the schema says about the key at the end of a path."""
    schema = _policy_schema()
    here = _plain(schema, schema)
    for part in path[:-1]:
        here = _plain(_below(here, part), schema)
    return str(here.get("properties", {}).get(path[-1], {}).get("description", "a value"))


def _below(here: dict[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, int):
        # A mapping, or a list of such mappings.
        found = here.get("items", here)
    else:
        found = (
            here.get("properties", {}).get(part) or here.get("additionalProperties") or here.get("patternProperties")
        )
        if found is here.get("patternProperties") and isinstance(found, dict):
            found = next(iter(found.values()), {})
    return found if isinstance(found, dict) else {}


def _plain(here: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The mapping or list that a schema allows, behind references and alternatives."""
    while "$ref" in here or "anyOf" in here:
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
        else:
            structured = [
                option for option in here["anyOf"] if "$ref" in option or "properties" in option or "items" in option
            ]
            here = structured[0] if structured else {}
    return here


@cache
def _policy_schema() -> dict[str, Any]:
    return Policy.model_json_schema()
