"""The base of everything in the schema: strict types, no unknown keys, immutable once read."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler, WithJsonSchema, field_validator
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidegate.policy.errors import unlike

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$"
"""What a name may be: it travels into class names, BIRD symbols, file names and metrics."""
NAME_IN_WORDS = "a name of letters, digits, '_', '.' and '-' that starts with a letter or digit, at most 48 long"

LONGEST_TEXT = 200
"""Bytes of free text, in UTF-8."""


class Strict(BaseModel):
    """No coercion, no unknown keys, no empty values, no changes after reading."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        """A key with nothing after it: a template that gave nothing, or a block that was commented out."""
        if value is None:
            raise unlike("a value", "Empty never means all, nor the default: leave the key out for that.")
        return value


def spelt(pattern: str, in_words: str) -> AfterValidator:
    """Marks text that must match a pattern as a whole; ``in_words`` completes "expected …"."""
    matches = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if not matches(text):
            raise unlike(in_words)
        return text

    return AfterValidator(check)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise unlike("one line of printable text", "Line breaks, tabs and control characters cannot be used here.")
    if '"' in text:
        raise unlike("text without double quotes", "BIRD's configuration cannot hold them: use single ones.")
    if not 0 < len(text.encode()) <= LONGEST_TEXT:
        raise unlike(f"some text, at most {LONGEST_TEXT} bytes long")
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

Name = Annotated[str, spelt(NAME, NAME_IN_WORDS), WithJsonSchema({"type": "string", "pattern": NAME})]
Text = Annotated[str, AfterValidator(_one_line)]
"""Free text for people. It is quoted wherever it is rendered; what no quoting can carry is refused here."""
Several = BeforeValidator(_several)
"""Marks a tuple field that may also be written as a single value."""


def one_or_more(item: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a field marked `Several`."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


class OneOrMore:
    """Marks a field marked `Several` whose items are mappings: its JSON Schema follows from theirs."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """One item, or a list of them."""
        return one_or_more(handler(schema)["items"])
