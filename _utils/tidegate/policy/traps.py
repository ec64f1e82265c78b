"""What YAML 1.1 silently reads as something else, found in the text before anyone believes the data.

PyYAML, and so Salt, reads YAML 1.1: ``on`` is true, ``1:30`` is ninety, ``012`` is ten, ``64500:10`` is 3870010.
Editors and people read YAML 1.2. Where the two disagree the policy has to say which it means, with quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tidegate.policy.errors import KeyPath, Problem

TAG = "tag:yaml.org,2002:"
PLAIN_BOOLEANS = {"true", "True", "TRUE", "false", "False", "FALSE"}


@dataclass
class Reading:
    """What a YAML text says, with the line of every key and item, and what stands in doubt.

    ``data`` is what the author most likely meant, for looking on: it is never used as a policy when there are problems.
    """

    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read(text: str) -> Reading:
    """Read a YAML text.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    # The C parser is five times as fast, where PyYAML has it; it leaves a plain style empty.
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if node is None:
        return Reading(None)
    reading = Reading(None, problems=list(_joined(node, ())))
    for path, child, is_key in _walk(node, ()):
        line = child.start_mark.line + 1
        reading.lines[path] = line
        if isinstance(child, ScalarNode) and not child.style and (trap := misread(child.tag, child.value)):
            kind = "key" if is_key else "value"
            message = f"YAML 1.1 reads this {kind} as {trap}"
            hint = f"Write '{child.value}' in quotes." if is_key else _remedy(child.value)
            reading.problems.append(Problem(message, path, child.value, "quotes around text", hint, line=line))
            child.tag = f"{TAG}str"
    reading.data = _construct(node)
    return reading


def misread(tag: str, value: str) -> str | None:  # noqa: PLR0911 one sentence each
    """What YAML 1.1 makes of a bare word that YAML 1.2 reads differently, or ``None``."""
    kind = tag.removeprefix(TAG)
    if kind == "bool" and value not in PLAIN_BOOLEANS:
        return "true" if value.lower() in ("on", "yes", "y") else "false"
    if re.fullmatch("[yYnN]", value):
        return "true" if value in "yY" else "false"
    if kind in ("int", "float") and ":" in value:
        return "a number in base sixty"
    if kind in ("int", "float") and "_" in value:
        return "a number with the underscores removed"
    if re.fullmatch(r"[-+]?0[0-9]+", value):
        return "an octal number"
    if kind == "int" and re.fullmatch(r"[-+]?0b[01]+", value):
        return "a binary number"
    if kind == "timestamp":
        return "a date"
    return "a default value" if kind == "value" else None


def _remedy(value: str) -> str:
    if value.lower() in ("on", "yes", "y"):
        return f"Write '{value}' in quotes, or true."
    if value.lower() in ("off", "no", "n"):
        return f"Write '{value}' in quotes, or false."
    if re.fullmatch("[-+]?[0-9][0-9_]*", value):
        plain = value.replace("_", "").lstrip("0") or "0"
        return f"Write '{value}' in quotes, or {plain}."
    return f"Write '{value}' in quotes."


def _walk(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node, bool]]:
    """Every node with its path; a key comes just after its value, with the same path, and so gives it its line."""
    yield path, node, False
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.tag != f"{TAG}merge":
                below = (*path, str(key.value))
                yield from _walk(value, below)
                yield below, key, True
    elif isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield from _walk(item, (*path, position))


def _joined(node: Node, path: KeyPath) -> Iterator[Problem]:
    """Keys that stand twice in a mapping; what they hold is joined, so that none of it goes unlooked at."""
    if isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield from _joined(item, (*path, position))
    if not isinstance(node, MappingNode):
        return
    first: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        known, held = first.setdefault(str(key.value), (key, value))
        if known is key or key.tag == f"{TAG}merge":
            continue
        message = f"this key stands here twice: first in line {known.start_mark.line + 1}"
        yield Problem(message, (*path, key.value), expected="every key once", line=key.start_mark.line + 1)
        if type(held) is type(value) and isinstance(held, MappingNode | SequenceNode):
            held.value.extend(value.value)
    node.value = list(first.values())
    for key, value in node.value:
        yield from _joined(value, (*path, str(key.value)))


def _construct(node: Node) -> Any:
    """The data of a node tree."""
    return SafeConstructor().construct_document(node)
