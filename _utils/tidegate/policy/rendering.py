"""Policy files through Salt's own renderers, one stage at a time, so that an error still knows its line."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import salt.config
import salt.exceptions
import salt.loader
import salt.template
import yaml

from tidegate.policy import traps
from tidegate.policy.document import ROOT, Source, under_root
from tidegate.policy.errors import KeyPath, Problem
from tidegate.policy.load import OPTIONS


class Renderer:
    """Salt's render pipeline for the files of one pillar directory, without any minion's grains or pillar."""

    def __init__(self, pillar_dir: Path, opts: Mapping[str, Any] | None = None) -> None:
        """Load the renderers.

        Args:
            pillar_dir: What templates import is looked up here, as in pillar.
            opts: The master's options, for its renderer settings; Salt's defaults without.
        """
        self._directory = pillar_dir
        self._opts = copy.deepcopy(dict(salt.config.DEFAULT_MINION_OPTS))
        chosen = opts or {}
        self._opts |= {key: chosen[key] for key in OPTIONS if key in chosen}
        self._opts |= {
            "id": "tidegate",
            "file_client": "local",
            "file_roots": {"base": [str(pillar_dir)]},
            "pillar_roots": {"base": [str(pillar_dir)]},
            "cachedir": str(chosen.get("cachedir") or Path(gettempdir()) / "tidegate"),
            "grains": {},
            "pillar": {},
        }
        self._renderers = salt.loader.render(self._opts, {})

    def read(self, path: Path) -> tuple[Source | None, list[Problem]]:
        """One file's part of the policy, or ``None`` where it cannot be read at all, and what is wrong with it."""
        file = str(path.relative_to(self._directory))
        try:
            text = path.read_text(encoding="utf-8")
            return self._run(path, text, file)
        except OSError as error:
            return None, [Problem(f"the file cannot be read: {error.strerror}", file=file)]
        except UnicodeDecodeError:
            return None, [Problem("the file is not UTF-8 text", file=file)]
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            return None, [Problem(f"this is not YAML: {error.problem or error.context}", file=file, line=line)]
        except yaml.YAMLError as error:
            return None, [Problem(f"this is not YAML: {error}", file=file)]
        except RecursionError:
            message = "a value contains itself, by a YAML alias, or is nested without end"
            return None, [Problem(message, expected="values that end somewhere", file=file)]
        except Exception as error:
            return None, [_failure(error, file)]

    def _run(self, path: Path, text: str, file: str) -> tuple[Source | None, list[Problem]]:
        if not text.strip():
            return Source(file, {}), []
        reading: traps.Reading | None = None
        data: Any = text
        for render, arguments in self._pipe(path, text):
            if render.__module__.rpartition(".")[2] == "yaml":
                rendered = _text(data)
                reading = _placed(traps.read(rendered), text, rendered)
                data = reading.data if reading.problems else render(StringIO(rendered), tmplpath=str(path))
            else:
                options = {"argline": arguments} if arguments else {}
                stream = StringIO(data) if isinstance(data, str) else data
                data = render(stream, "base", f"{ROOT}.{path.stem}", tmplpath=str(path), **options)
        part, problems = under_root(data, file)
        if reading is None:
            return Source(file, part), problems
        lines = {key[1:]: line for key, line in reading.lines.items() if key[:1] == (ROOT,)}
        return Source(file, part, lines), problems + [_inside(problem, file) for problem in reading.problems]

    def _pipe(self, path: Path, text: str) -> list[tuple[Any, str]]:
        """The stages that the file's first line asks for, or the usual ones."""
        blacklist, whitelist = self._opts.get("renderer_blacklist"), self._opts.get("renderer_whitelist")
        stages = salt.template.template_shebang(
            str(path), self._renderers, self._opts["renderer"], blacklist, whitelist, text
        )
        if not stages:
            raise salt.exceptions.SaltRenderError("no renderer is left for this file: see its first line")
        return list(stages)


def _text(data: Any) -> str:
    return data if isinstance(data, str) else str(data.read())


def _inside(problem: Problem, file: str) -> Problem:
    """A problem of the file's text as one of the policy: its path starts below ``traffic``."""
    return Problem(
        problem.message, problem.path[1:], problem.value, problem.expected, problem.hint, file=file, line=problem.line
    )


def _failure(error: Exception, file: str) -> Problem:
    line = getattr(error, "line_num", None)
    text = getattr(error, "error", None) or str(error) or type(error).__name__
    return Problem(
        f"the file cannot be rendered: {str(text).strip().splitlines()[0]}",
        hint="Policy files are rendered on their own: no grains, pillar or execution modules.",
        file=file,
        line=line if isinstance(line, int) else None,
    )


def _placed(reading: traps.Reading, source: str, rendered: str) -> traps.Reading:
    """The reading with lines of the file in place of lines of the rendered text; those a template made have none."""
    if source == rendered:
        return reading
    origin = _origin(source.splitlines(), rendered.splitlines())
    lines: dict[KeyPath, int] = {path: origin[line] for path, line in reading.lines.items() if line in origin}
    problems = [
        Problem(p.message, p.path, p.value, p.expected, p.hint, line=origin.get(p.line or 0)) for p in reading.problems
    ]
    return traps.Reading(reading.data, lines, problems)


def _origin(source: list[str], rendered: list[str]) -> dict[int, int]:
    """Rendered line → line in the file, where one can be told."""
    found: dict[int, int] = {}
    for tag, first, last, start, end in difflib.SequenceMatcher(None, source, rendered, autojunk=False).get_opcodes():
        if tag == "equal" or (tag == "replace" and last - first == end - start):
            found.update({start + step + 1: first + step + 1 for step in range(end - start)})
    return found
