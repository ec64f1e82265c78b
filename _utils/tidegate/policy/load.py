"""From a pillar directory to a policy, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidegate.policy import prefix_files, route_sets, templates
from tidegate.policy.checks import every
from tidegate.policy.collector import paused
from tidegate.policy.document import ROOT, Document, merge
from tidegate.policy.errors import NOTHING, KeyPath, Problem
from tidegate.policy.model import Policy
from tidegate.policy.validation import is_missing, validate

OPTIONS = (
    "cachedir",
    "renderer",
    "renderer_blacklist",
    "renderer_whitelist",
    "jinja_env",
    "jinja_sls_env",
    "jinja_lstrip_blocks",
    "jinja_trim_blocks",
    "gpg_keydir",
)
"""The master's options that decide how a policy file is rendered."""


@dataclass(frozen=True)
class Loaded:
    """What came of loading: a policy, or problems; never both.

    ``document`` is the merged data, which `examine` reads again to the same policy.
    """

    policy: Policy | None
    problems: list[Problem]
    document: Mapping[str, Any]


def load(pillar_dir: Path, opts: Mapping[str, Any] | None = None) -> Loaded:
    """Read the policy in ``pillar_dir/traffic/``: every ``.sls`` below it, through Salt's renderers.

    Args:
        pillar_dir: One of Salt's ``pillar_roots``.
        opts: The master's options, for its renderer settings.
    """
    files = policy_files(pillar_dir)
    if not files:
        return Loaded(None, [_nothing(pillar_dir)], {})
    with paused():
        return _read(pillar_dir, files, opts)


def _read(pillar_dir: Path, files: list[Path], opts: Mapping[str, Any] | None) -> Loaded:
    # Here, not above: Salt's renderers take a second to import.
    from tidegate.policy.rendering import Renderer

    renderer = Renderer(pillar_dir, opts)
    read = [renderer.read(file) for file in files]
    problems = [problem for _, found in read for problem in found]
    document = merge(source for source, _ in read if source is not None)
    for kind in (route_sets, prefix_files):
        problems += [_placed(problem, document) for problem in kind.load(document.data, pillar_dir / ROOT)]
    return _examine(document, problems, partial=any(source is None for source, _ in read))


def examine(data: Mapping[str, Any]) -> Loaded:
    """Read a policy from data alone, such as a merged document that was stored."""
    return _examine(Document(data=dict(data)), [], partial=False)


def policy_files(pillar_dir: Path) -> list[Path]:
    """The policy's files, in the order of their names."""
    return sorted((pillar_dir / ROOT).rglob("*.sls"))


def _examine(document: Document, problems: list[Problem], *, partial: bool) -> Loaded:
    """Hold a merged document against schema and checks; of a partial one, nothing is concluded from what it lacks."""
    problems = problems + document.problems
    copied = templates.expand(document)
    draft, found = validate(document.data)
    if partial:
        found = [problem for problem in found if not is_missing(problem)]
    elif draft is not None:
        found += every.problems(draft)
    found = [replace(problem, path=templates.written(problem.path, copied)) for problem in found]
    misread = {problem.path for problem in problems if problem.value is not NOTHING}
    problems += [_placed(problem, document) for problem in found if not _within(problem.path, misread)]
    if problems or draft is None:
        return Loaded(None, _in_order(problems), document.data)
    return Loaded(draft.policy, [], document.data)


def _within(path: KeyPath, misread: set[KeyPath]) -> bool:
    """Whether a value was misread by YAML: what follows from that is not worth reading."""
    return any(path[:length] in misread for length in range(1, len(path) + 1))


def _placed(problem: Problem, document: Document) -> Problem:
    file, line = document.place(problem.path)
    return replace(problem, file=file, line=line)


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0, problem.where))


def _nothing(pillar_dir: Path) -> Problem:
    folder = pillar_dir / ROOT
    message = f"there is no policy in {folder}" if folder.is_dir() else f"there is no folder {folder}"
    return Problem(message, expected=f"files such as {ROOT}/fleet.sls in the pillar directory")
