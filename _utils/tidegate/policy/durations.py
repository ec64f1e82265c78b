"""Durations: ``30s``, ``5m``, ``1h30m``, ``2d``. Everything inside Tidegate is seconds."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from tidegate.policy.errors import unlike

DURATION = re.compile(r"(?=.)(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")
UNITS = (86_400, 3_600, 60, 1)
"""Seconds of each group of `DURATION`."""

EXAMPLES = "a duration such as 30s, 5m or 1h30m"


@lru_cache(maxsize=4096)
def seconds(text: str) -> float:
    """A checked duration in seconds."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text!r}")
    return float(sum(int(count or 0) * unit for count, unit in zip(match.groups(), UNITS, strict=True)))


def between(least: str, most: str) -> AfterValidator:
    """Marks a duration that must be from ``least`` to ``most``."""

    def check(text: str) -> str:
        if not seconds(least) <= seconds(text) <= seconds(most):
            raise unlike(f"a duration from {least} to {most}")
        return text

    return AfterValidator(check)


def _duration(text: str) -> str:
    if not DURATION.fullmatch(text):
        raise unlike(EXAMPLES, _misread(text))
    return text


def _misread(text: str) -> str:
    """The usual slips: capitals, spaces, units written out or left out."""
    plain = text.replace(" ", "").lower()
    short = re.sub(r"(?<=[0-9])(d|h|m|s)(ays?|ours?|in(?:ute)?s?|ec(?:ond)?s?)(?![a-z])", r"\1", plain)
    if DURATION.fullmatch(short):
        return f"Did you mean {short}?"
    return "Give the unit: d, h, m or s." if plain.isdigit() else "Units are d, h, m and s, the longest first."


def _with_unit(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise unlike(EXAMPLES, "Give the unit: d, h, m or s.")
    return value


Duration = Annotated[
    str,
    AfterValidator(_duration),
    BeforeValidator(_with_unit),
    WithJsonSchema({"type": "string", "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}),
]
