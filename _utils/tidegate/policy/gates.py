"""``rollout.gates``: what has to be seen to be good before a wave is followed by the next. See ``docs/gates.md``.

A gate's settings leave here as plain data with durations in seconds: a rollout keeps them as they were when it began.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import Self

from tidegate.policy.addresses import Address
from tidegate.policy.compared import Compared, Judge
from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.queries import Number, Query
from tidegate.policy.selectors import Names
from tidegate.policy.strict import NAME, NAME_IN_WORDS, Listed, Name, Several, Strict, one_or_more, spelt

Kind = Literal["health", "verify", "metrics", "probe", "approval"]
HEALTH = "health"
"""The gate that judges every wave, named or not."""
BARE = ("health", "verify", "approval")
"""Gates that a word is enough for."""
Part = Literal["generation", "bird", "tc", "xdp"]

LONGEST_URL = 500


def url(text: str, *schemes: str) -> str:
    """A URL that names a host and holds no credentials.

    Raises:
        PydanticCustomError: It is none.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text or len(text) > LONGEST_URL:
        raise unlike(f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise unlike("a URL without user and password", "The policy is no place for secrets.")
    return text


def _endpoint(text: str) -> str:
    """``192.0.2.10:443``, ``[2001:db8::1]:443`` or ``www.example.net:443``."""
    host, _, port = text.rpartition(":")
    bracketed = re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", host) is not None
    named = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", host) is not None
    if not (bracketed or named) or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise unlike("an address or name with a port, such as '192.0.2.10:443' or '[2001:db8::1]:443'")
    return text


HttpUrl = Annotated[str, AfterValidator(lambda text: url(text, "http", "https"))]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Wanted = Annotated[str, Field(min_length=1, max_length=200)]
DnsName = Annotated[str, spelt(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", "a DNS name such as www.example.net")]
Parts = Annotated[tuple[Part, ...], Several, WithJsonSchema(one_or_more({"enum": ["generation", "bird", "tc", "xdp"]}))]


class Verify(Strict):
    """The testinfra suite, run against the hosts of the wave over Salt."""

    name: Name = Field(default="verify", description="Name of the gate, unique in the rollout.")
    time: Annotated[Duration, between("5s", "2h")] = Field(
        default="5m", description="How long one run may take; after it nothing is decided."
    )
    parts: Parts | None = Field(default=None, description="Which parts: generation, bird, tc, xdp; all unless stated.")

    workers: int = Field(default=4, ge=1, le=64, description="How many processes share the hosts.")

    def settings(self) -> dict[str, Any]:
        """Plain data; ``time`` in seconds, ``parts`` is ``None`` for all."""
        return {"time": seconds(self.time), "parts": list(self.parts) if self.parts else None, "workers": self.workers}


class Threshold(Strict):
    """One query, and what its values may be. Every series it returns is held against that."""

    name: Name = Field(description="Name of the query, unique in the gate.")
    query: Query = Field(
        description="PromQL. {{ hosts }} is the wave's hosts as a regular expression, {{ window }} for how long they "
        "have had the release, at most 300s. Where Jinja reads the file: between {% raw %} and {% endraw %}."
    )
    max: Number | None = Field(default=None, description="No value may be above it.")
    min: Number | None = Field(default=None, description="No value may be below it.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.max is None and self.min is None:
            raise unlike("max, min or both", "Without a bound every value would pass.")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise unlike("min up to max", "No value is above the one and below the other.")
        return self


class Metrics(Strict):
    """Figures from Prometheus: within bounds, or no worse with the release than without. No data is never good."""

    name: Name = Field(default="metrics", description="Name of the gate, unique in the rollout.")
    prometheus: HttpUrl = Field(description="Where Prometheus is, such as http://prometheus.example.net:9090.")
    time: Annotated[Duration, between("1s", "5m")] = Field(
        default="10s", description="How long all queries together may take."
    )
    queries: Listed[Threshold] = Field(default=(), description="What must be within bounds.")
    compare: Listed[Compared] = Field(
        default=(), description="What is compared with hosts that do not have the release: see docs/judge.md."
    )
    judge: Judge | None = Field(default=None, description="How the metrics to compare are judged.")

    @model_validator(mode="after")
    def _names(self) -> Self:
        if not self.queries and not self.compare:
            raise unlike("at least one of queries and compare", "It has nothing to ask.")
        if self.judge is not None and not self.compare:
            raise unlike("judge beside compare alone", "Queries with bounds are not judged.")
        names = [*(query.name for query in self.queries), *(metric.name for metric in self.compare)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise unlike("queries with names of their own", f"Two have the name '{twice}'.")
        return self

    def settings(self) -> dict[str, Any]:
        """Plain data; ``time`` in seconds, a bound that is not given is ``None``."""
        return {
            "prometheus": self.prometheus,
            "time": seconds(self.time),
            "queries": [query.model_dump(mode="json") for query in self.queries],
            **(self._compared() if self.compare else {}),
        }

    def _compared(self) -> dict[str, Any]:
        judge = self.judge or Judge()
        return {"compare": [metric.settings() for metric in self.compare], "judge": judge.settings()}


class Probe(Strict):
    """What is served, seen from outside: every named host asks once in every round."""

    WAYS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "http": ("status", "body", "address"),
        "tcp": (),
        "dns": ("question", "type", "answer"),
    }
    """What each way of asking has of its own."""

    name: Name = Field(default="probe", description="Name of the gate, unique in the rollout.")
    from_: Names = Field(alias="from", description="Minion ids of the hosts that ask; they need not be of the fleet.")
    http: HttpUrl | None = Field(default=None, description="A URL to get; redirects are not followed.")
    tcp: Endpoint | None = Field(default=None, description="What to connect to, such as '192.0.2.10:443'.")
    dns: Address | None = Field(default=None, description="The address of a DNS server to ask.")
    status: int | None = Field(
        default=None, ge=100, le=599, description="The HTTP status that is good; any from 200 to 299 unless stated."
    )
    body: Wanted | None = Field(default=None, description="Text that is in a good HTTP answer's first MiB.")
    address: Address | None = Field(
        default=None, description="Where to connect instead of asking DNS for the URL's host."
    )
    question: DnsName | None = Field(default=None, description="The name to ask the DNS server for.")
    type: Literal["A", "AAAA", "TXT", "CNAME", "NS", "MX", "SOA"] | None = Field(
        default=None, description="The type of record asked for; A unless stated."
    )
    answer: Address | None = Field(default=None, description="An address that is in a good DNS answer.")
    at_least: int | None = Field(
        default=None, ge=1, description="How many of the hosts must get a good answer; all unless stated."
    )
    time: Annotated[Duration, between("1s", "1m")] = Field(default="5s", description="How long an answer may take.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in self.WAYS if getattr(self, way) is not None]
        if len(ways) != 1:
            raise unlike("one of http, tcp and dns", f"This probe has {' and '.join(ways)}." if ways else "")
        for way, keys in self.WAYS.items():
            stray = [key for key in keys if getattr(self, key) is not None and way != ways[0]]
            if stray:
                raise unlike(f"'{stray[0]}' beside {way} alone", f"This probe is by {ways[0]}.")
        if ways == ["dns"] and self.question is None:
            raise unlike("a question beside dns", "It is the name to ask for.")
        return self

    @model_validator(mode="after")
    def _hosts(self) -> Self:
        if len(set(self.from_)) < len(self.from_):
            raise unlike("every host in 'from' once")
        if self.at_least is not None and self.at_least > len(self.from_):
            raise unlike(f"at_least up to the {len(self.from_)} hosts in 'from'")
        return self

    def settings(self) -> dict[str, Any]:
        """Plain data: ``from``, ``at_least``, ``time`` in seconds, and of the rest what is given."""
        given = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"name"})
        return {**given, "at_least": self.at_least or len(self.from_), "time": seconds(self.time)}


class Gate(Strict):
    """A gate: a word (health, verify, approval, or a gate's name), or one gate with its settings."""

    verify: Verify | None = Field(default=None, description="The testinfra suite against the wave's hosts.")
    metrics: Metrics | None = Field(default=None, description="Figures from Prometheus within bounds.")
    probe: Probe | None = Field(default=None, description="What is served, asked for from outside.")
    _word: str = PrivateAttr(default="")

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return handler(value)
        if not re.fullmatch(NAME, value):
            raise unlike(f"health, verify, approval, or {NAME_IN_WORDS}")
        gate = cls.model_construct()
        gate._word = value
        return gate

    @model_validator(mode="after")
    def _one(self) -> Self:
        if not self._word and len(self._given) != 1:
            raise unlike("one gate", "Each gate is an entry of its own in the list.")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A word, or a mapping with one key."""
        mapping = handler.resolve_ref_schema(handler(schema))
        one = {**mapping, "minProperties": 1, "maxProperties": 1}
        return {"anyOf": [{"type": "string", "pattern": NAME}, one], "description": cls.__doc__}

    @classmethod
    def word(cls, word: str) -> Gate:
        """The gate that a word means."""
        return cls.model_validate(word)

    @property
    def _given(self) -> list[Verify | Metrics | Probe]:
        return [gate for gate in (self.verify, self.metrics, self.probe) if gate is not None]

    @property
    def is_word(self) -> bool:
        """Whether it is a word alone."""
        return bool(self._word)

    @property
    def name(self) -> str:
        """Its name in the rollout."""
        return self._word or self._given[0].name

    @property
    def settings(self) -> dict[str, Any]:
        """Plain data with ``kind`` among it; of a word, the gate's that needs no more."""
        if not self._word:
            (gate,) = self._given
            return {"kind": type(gate).__name__.lower(), **gate.settings()}
        return {"kind": self._word, **(Verify().settings() if self._word == "verify" else {})}
