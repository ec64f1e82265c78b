"""``limit``: how much a rule lets through: a rate, a burst, and whose packets share one bucket."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.rates import UNITS
from tidegate.policy.strict import Strict

PACKETS = {"pps": 1, "kpps": 10**3, "mpps": 10**6, "gpps": 10**9}
AMOUNTS = {"packets": 1, "kpackets": 10**3, "mpackets": 10**6, **UNITS}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
RATE = re.compile(rf"{_NUMBER}({'|'.join([*PACKETS, *UNITS])})")
BURST = re.compile(rf"{_NUMBER}({'|'.join(AMOUNTS)})")

LEAST = {"packets": 1, "bits": 8_000}
MOST = {"packets": 10**9, "bits": 10**13}
TICK = 100
"""The data path's clock stands still for up to a hundredth of a second: what a burst must at least be worth."""
USUAL = 10
"""A burst is a tenth of a second's worth unless the policy says otherwise."""
LARGEST_PACKET = 9216 * 8
"""Bits. A bucket that never holds this much would never let a jumbo frame through."""


def _rate(text: Any) -> Any:
    if not isinstance(text, str) or not RATE.fullmatch(text):
        raise unlike(
            "packets a second such as 10kpps, or bits a second such as 100mbit", "Give the unit, without a space."
        )
    unit, value = amount(text)
    if not LEAST[unit] <= value <= MOST[unit]:
        raise unlike("from 1pps to 1gpps, or from 8kbit to 10tbit")
    return text


def _burst(text: Any) -> Any:
    if not isinstance(text, str) or not BURST.fullmatch(text):
        raise unlike("an amount such as 5000packets, or 10mbit for a rate in bits")
    return text


def amount(text: str) -> tuple[Literal["packets", "bits"], int]:
    """A checked rate or burst: what it counts, and how many."""
    match = RATE.fullmatch(text) or BURST.fullmatch(text)
    if match is None:
        raise ValueError(f"not an amount: {text!r}")
    number, unit = Decimal(match[1]), match[2]
    if unit in UNITS:
        return "bits", int(number * UNITS[unit])
    return "packets", int(number * (PACKETS | AMOUNTS)[unit])


LimitRate = Annotated[
    str,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(|k|m|g|t)(pps|bit)$"}),
]
Burst = Annotated[
    str,
    AfterValidator(_burst),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(|k|m|g|t)(packets|bit)$"}),
]


class RateLimit(Strict):
    """A token bucket. What is past it is dropped; the rest goes on to the next rule."""

    rate: LimitRate = Field(description="Packets a second (10kpps) or bits a second (100mbit, of whole frames).")
    burst: Burst | None = Field(
        default=None,
        description="What may come at once: 5000packets, or 10mbit. A tenth of a second's worth unless stated.",
    )
    per: Literal["rule", "source", "destination", "source-prefix", "destination-prefix"] = Field(
        default="rule",
        description="Whose packets share a bucket: all that the rule matches, or each address's or prefix's.",
    )
    ipv4_length: Annotated[int, Field(ge=1, le=32)] = Field(
        default=24, description="Length of the IPv4 prefixes that share a bucket; only with per: …-prefix."
    )
    ipv6_length: Annotated[int, Field(ge=1, le=128)] = Field(
        default=56, description="Length of the IPv6 prefixes that share a bucket; only with per: …-prefix."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unit, rate = self.amount
        if self.burst is not None:
            other, burst = amount(self.burst)
            if other != unit:
                raise unlike(f"a burst in {unit}, as the rate is")
            if burst < self._least:
                raise unlike(
                    f"a burst of at least {self._least} {unit}", "Less would never let a whole packet through."
                )
            if burst > rate * 3600:
                raise unlike("a burst of at most an hour's worth")
        if self.model_fields_set & {"ipv4_length", "ipv6_length"} and not self.per.endswith("-prefix"):
            raise unlike("lengths with per: source-prefix or destination-prefix alone")
        return self

    @property
    def amount(self) -> tuple[Literal["packets", "bits"], int]:
        """What the rate counts, and how many a second."""
        return amount(self.rate)

    @property
    def _least(self) -> int:
        unit, rate = self.amount
        return max(-(-rate // TICK), LARGEST_PACKET if unit == "bits" else 1)

    @property
    def full(self) -> int:
        """What a full bucket holds, in the rate's unit."""
        return amount(self.burst)[1] if self.burst is not None else max(self.amount[1] // USUAL, self._least)

    @property
    def keyed_by(self) -> Literal["rule", "source", "destination"]:
        """Which address tells buckets apart, if any."""
        if self.per == "rule":
            return "rule"
        return "source" if self.per.startswith("source") else "destination"

    @property
    def lengths(self) -> list[int]:
        """How many bits of an IPv4 and of an IPv6 address tell buckets apart."""
        return [self.ipv4_length, self.ipv6_length] if self.per.endswith("-prefix") else [32, 128]
