"""``routing.templates``: what a neighbor does not say itself comes from the template that it names.

Templates are put into the document before it is read, so that everything behind it knows whole neighbors alone. Putting
them in twice changes nothing: a stored document is the same policy wherever it is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.policy.document import Document
from tidegate.policy.errors import KeyPath

TEMPLATES: KeyPath = ("routing", "templates")
Copied = dict[KeyPath, KeyPath]
"""Where a value stands now → where it was written."""


def expand(document: Document) -> Copied:
    """Put templates into the neighbors that name them; says what was written elsewhere."""
    routing = document.data.get("routing")
    if not isinstance(routing, dict):
        return {}
    templates, neighbors = routing.get("templates"), routing.get("neighbors")
    if not isinstance(templates, Mapping) or not isinstance(neighbors, Mapping):
        return {}
    copied: Copied = {}
    whole = {}
    for name, neighbor in neighbors.items():
        template = templates.get(neighbor.get("template")) if _names_one(neighbor) else None
        whole[name] = neighbor
        if isinstance(template, Mapping):
            path = ("routing", "neighbors", str(name))
            whole[name] = _merged(neighbor, template, path, (*TEMPLATES, neighbor["template"]), copied)
    document.data["routing"] = {**routing, "neighbors": whole}
    return copied


def _names_one(neighbor: Any) -> bool:
    return isinstance(neighbor, Mapping) and isinstance(neighbor.get("template"), str)


def _merged(
    own: Mapping[Any, Any], template: Mapping[Any, Any], path: KeyPath, source: KeyPath, copied: Copied
) -> dict[Any, Any]:
    """The neighbor's own keys, then the template's; mappings of both are merged likewise."""
    found = dict(own)
    for key, value in template.items():
        here, there = (*path, str(key)), (*source, str(key))
        if key not in own:
            found[key] = value
            copied[here] = there
        elif isinstance(own[key], Mapping) and isinstance(value, Mapping):
            found[key] = _merged(own[key], value, here, there, copied)
    return found


def written(path: KeyPath, copied: Copied) -> KeyPath:
    """Where what stands at a path was written."""
    for length in range(len(path), 3, -1):
        if path[:length] in copied:
            return (*copied[path[:length]], *path[length:])
    return path
