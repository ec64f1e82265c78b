"""Rates: ``10gbit``, ``100mbit``, or a percentage of the interface's rate. Everything inside Tidegate is bit/s."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from tidegate.policy.errors import unlike

UNITS = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}
"""Decimal, as in ``tc(8)``: a kbit is 1000 bit."""

RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(bit|kbit|mbit|gbit|tbit)")
SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")

LOWEST = 8_000
"""bit/s: HTB counts whole bytes per second and needs minutes for one packet below this."""
HIGHEST = 10**13


def _rate(text: str) -> str:
    if not RATE.fullmatch(text):
        raise unlike("a rate such as 10gbit, 100mbit or 512kbit", _misread(text))
    if not LOWEST <= bits(text, 0) <= HIGHEST:
        raise unlike("a rate from 8kbit to 10tbit")
    return text


def _share(text: str) -> str:
    if not (match := SHARE.fullmatch(text)):
        if not RATE.fullmatch(text):
            raise unlike("a rate such as 100mbit, or a percentage of the interface's rate such as 60%", _misread(text))
        return _rate(text)
    if not 0 < Decimal(match[1]) <= 100:
        raise unlike("a percentage above 0% and up to 100%")
    return text


def _misread(text: str) -> str:
    """The usual slips: capitals, a space, bytes instead of bits, a unit left out."""
    plain = text.replace(" ", "").lower()
    if RATE.fullmatch(plain) or SHARE.fullmatch(plain):
        return f"Did you mean {plain}?"
    if plain.endswith("bps"):
        return "Units count bits and are spelt bit, kbit, mbit, gbit or tbit."
    return "Give the unit: bit, kbit, mbit, gbit or tbit." if plain.isdigit() else ""


def _with_unit(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise unlike("a rate such as 10gbit, 100mbit or 512kbit", "Give the unit: bit, kbit, mbit, gbit or tbit.")
    return value


NUMBER = "[0-9]+(\\.[0-9]+)?"
Rate = Annotated[
    str,
    AfterValidator(_rate),
    BeforeValidator(_with_unit),
    WithJsonSchema({"type": "string", "pattern": f"^{NUMBER}(|k|m|g|t)bit$"}),
]
Share = Annotated[
    str,
    AfterValidator(_share),
    BeforeValidator(_with_unit),
    WithJsonSchema({"type": "string", "pattern": f"^{NUMBER}((|k|m|g|t)bit|%)$"}),
]


@lru_cache(maxsize=4096)
def bits(text: str, whole: int) -> int:
    """A checked rate in bit/s; a percentage is one of ``whole``, rounded down so that shares never exceed it."""
    if match := SHARE.fullmatch(text):
        return int(Decimal(match[1]) * whole / 100)
    match = RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a rate: {text!r}")
    return int(Decimal(match[1]) * UNITS[match[2]])
