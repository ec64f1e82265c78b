"""The reference of every field, written from the schema itself, so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tidegate.policy.balancing import Balancing
from tidegate.policy.filtering import Filtering
from tidegate.policy.fleet import Fleet
from tidegate.policy.rollout import Rollout
from tidegate.policy.routing import Routing
from tidegate.policy.selectors import Selector
from tidegate.policy.shaping import Profile, Tree

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("fleet", Fleet),
    ("routing", Routing),
    ("filtering", Filtering),
    ("balancing", Balancing),
    ("shaping[]", Tree),
    ("shaping_profiles.NAME", Profile),
    ("rollout", Rollout),
)


def markdown() -> str:
    """A table for each mapping of the policy: key, whether it must be given, what it means."""
    seen = {model for _, model in SECTIONS}
    return "\n".join(line for path, model in SECTIONS for line in _tables(path, model, seen))


def _tables(path: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    yield f"### `{path}`\n"
    yield f"{_first_line(model)}\n"
    yield "| key | unless given | meaning |"
    yield "|---|---|---|"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield f"| `{key}` | {_default(field)} | {_escaped(field.description or '')} |"
        for steps, found in _models(field.annotation):
            if found.model_fields and found not in seen:
                inner.append((key if issubclass(found, Selector) else f"{path}.{key}{steps}", found))
    yield ""
    # Before any of them goes deeper: what stands in several places is described at the outermost.
    seen.update(found for _, found in inner)
    for below, found in dict.fromkeys(inner):
        yield from _tables(below, found, seen)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if not isinstance(value, str | int):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _models(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models inside a field's type, each with the steps that lead to it: `.NAME` in mappings, `[]` in lists."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    elif origin is Annotated:
        yield from _models(arguments[0])
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _models(argument)
    elif origin is dict:
        yield from ((f".NAME{steps}", model) for steps, model in _models(arguments[1]))
    elif origin is tuple:
        yield from ((f"[]{steps}", model) for steps, model in _models(arguments[0]))


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
