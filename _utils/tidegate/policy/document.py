"""Many policy files as one document: mappings are merged, everything else belongs to one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.policy.errors import KeyPath, Problem, spell, suggest

ROOT = "traffic"


@dataclass(frozen=True)
class Source:
    """One file's part of the policy: the data under ``traffic``, and the line of each key as far as it is known."""

    file: str
    data: Any
    lines: Mapping[KeyPath, int | None] = field(default_factory=dict)


@dataclass
class Document:
    """The merged policy, where each part came from, and the problems of merging."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, tuple[str, int | None]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> tuple[str | None, int | None]:
        """File and line of a path, or of the nearest thing around it whose file, and then whose line, is known."""
        file: str | None = None
        for length in range(len(path), -1, -1):
            found, line = self.origins.get(path[:length], (None, None))
            if file is not None and found != file:
                break
            if line is not None:
                return found, line
            file = found
        return file, None


def merge(sources: Iterable[Source]) -> Document:
    """Merge files, in any order to the same data; a value that two files give is a problem that names both."""
    document = Document()
    for source in sources:
        if not isinstance(source.data, Mapping):
            message = f"the file gives no mapping under '{ROOT}'"
            document.problems.append(
                Problem(message, value=source.data, expected="sections such as fleet and routing", file=source.file)
            )
            continue
        _merge(document, document.data, source.data, source, ())
    return document


def _merge(document: Document, into: dict[Any, Any], data: Mapping[Any, Any], source: Source, path: KeyPath) -> None:
    for key, value in data.items():
        below = (*path, key if isinstance(key, int) and not isinstance(key, bool) else str(key))
        line = source.lines.get(below)
        if key not in into:
            into[key] = _copy(value)
            _remember(document, value, source, below)
        elif isinstance(into[key], dict) and isinstance(value, Mapping):
            _merge(document, into[key], value, source, below)
        else:
            file, first = document.place(below)
            message = f"two files define this: {file}{f':{first}' if first else ''} does too"
            hint = "Lists are not joined across files: keep each in one." if isinstance(value, list) else ""
            document.problems.append(
                Problem(message, below, expected="one definition", hint=hint, file=source.file, line=line)
            )


def _remember(document: Document, value: Any, source: Source, path: KeyPath) -> None:
    document.origins[path] = (source.file, source.lines.get(path))
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        children = ((str(key), child) for key, child in value.items())
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        _remember(document, child, source, (*path, key))


def _copy(value: Any) -> Any:
    """Plain dicts and lists, so that merging never reaches back into a file's data."""
    if isinstance(value, Mapping):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value


def under_root(data: Any, file: str) -> tuple[Any, list[Problem]]:
    """What a file has under ``traffic``; every other key at the top is a problem, and so is its absence."""
    if not isinstance(data, Mapping):
        return {}, [Problem(f"the file gives no mapping with the key '{ROOT}'", expected=f"{ROOT}: …", file=file)]
    problems = [
        Problem(
            f"unknown key '{key}' beside {spell(())}",
            expected=f"the one key '{ROOT}'",
            hint="Every file under traffic/ is read: includes are not needed."
            if key == "include"
            else suggest(key, [ROOT]),
            file=file,
        )
        for key in data
        if key != ROOT
    ]
    if ROOT not in data and not problems:
        problems.append(Problem(f"the file has no key '{ROOT}'", expected=f"{ROOT}: …", file=file))
    return data.get(ROOT, {}), problems
