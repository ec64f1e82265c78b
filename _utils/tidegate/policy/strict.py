"""The base of everything in the schema: strict types, no unknown keys, immutable once read."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.functional_validators import AfterValidator

from tidegate.policy.errors import unlike

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$"
"""What a name may be: it travels into class names, BIRD symbols, file names and metrics."""


class Strict(BaseModel):
    """No coercion, no unknown keys, no changes after reading."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def _printable(text: str) -> str:
    if not text.isprintable():
        raise unlike("one line of printable text", "Line breaks, tabs and control characters cannot be used here.")
    return text


def _several(value: Any) -> Any:
    """One item or a list of them, as a tuple; an empty list selects nothing and is refused."""
    if isinstance(value, list | tuple):
        if not value:
            raise unlike("one value or a list of at least one", "An empty list never means 'all': leave the key out.")
        return tuple(value)
    return value if value is None else (value,)


Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]
"""A YAML list, kept as a tuple: nothing in a policy changes once it is read."""

Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
Several = BeforeValidator(_several)
"""Marks a tuple field that may also be written as a single value."""


def one_or_more(item: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a field marked `Several`."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}
