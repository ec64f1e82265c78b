"""Ask a Prometheus, or what speaks its HTTP API. What its answers mean is decided elsewhere.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.host.errors import Failed, Refused
from tidegate.rollout.gates.deadline import within
from tidegate.rollout.gates.gate import brief

LARGEST = 16 * 2**20
"""Bytes of an answer that are read. A query with a larger one has thousands of series and must be aggregated."""
_BLOCK = 2**16
_GAVE_UP = frozenset(("timeout", "canceled", "internal", "unavailable"))
"""Types of errors that say nothing against the query: asked again, it may succeed."""

Answer = tuple[str, list[Any], tuple[str, ...]]
"""The type of a result, the result, and the warnings that came with it."""


class PrometheusError(Failed):
    """A query has no answer."""


class Unreachable(PrometheusError):
    """The server does not answer, not in time, or cannot now. Other queries will hardly do better."""


class BadQuery(PrometheusError):
    """The server does not take the query, or it asks for what is no number."""


class BadAnswer(PrometheusError):
    """What answers does not speak like a Prometheus."""


@dataclass(frozen=True)
class Sample:
    """One series at one moment; ``at`` in Unix seconds of the server's clock."""

    labels: Mapping[str, str]
    at: float
    value: float


@dataclass(frozen=True)
class Series:
    """One series over a range: its points as (Unix seconds, value), in order."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Instant:
    """An answer for one moment. Warnings say that it may not be the whole truth, such as a store that was down."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Range:
    """An answer for a range of time."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prometheus:
    """A server.

    Redirects are not followed, and the environment's proxies are not used: what is asked is what was named.

    Attributes:
        url: Such as ``http://prometheus:9090``; what is before ``/api/v1``.
        headers: Sent along, such as ``Authorization``. They come from the master's configuration, never from a policy.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse an address that is none.

        Raises:
            Refused: It is not http or https, or has a password, a query or a fragment in it.
        """
        try:
            parts = urllib.parse.urlsplit(self.url)
            parts.port  # noqa: B018 - raises if it is no number
        except ValueError as error:
            raise Refused(f"{self.url!r} is no address of a Prometheus: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{self.url!r} is no address of a Prometheus: give http://HOST:PORT or https://HOST")
        if parts.username is not None or parts.query or parts.fragment:
            raise Refused(
                f"the address of the Prometheus at {parts.hostname} has a password, a query or a fragment in it: "
                "give the bare address; headers for it belong into the master's configuration"
            )

    def instant(self, query: str, seconds: float, lookback: float | None = None) -> Instant:
        """Ask for the value of a query now, by the server's clock.

        Args:
            query: PromQL.
            seconds: How long it may take, all in all.
            lookback: How old a sample may be to count, in seconds; the server's own (5 minutes) if not said.

        Raises:
            PrometheusError: Of a kind that says why there is no answer.
        """
        fields = {"query": query}
        if lookback is not None:
            fields["lookback_delta"] = _duration(lookback)
        kind, result, warnings = self._ask("query", fields, seconds)
        if kind not in ("scalar", "vector"):
            raise BadQuery(f"the query gives a {brief(kind)}, and must give numbers of one moment")
        with self._understood():
            return Instant(tuple(map(_sample, [{"value": result}] if kind == "scalar" else result)), warnings)

    def range(
        self, query: str, start: float, end: float, step: float, seconds: float, lookback: float | None = None
    ) -> Range:
        """Ask for the values of a query from ``start`` to ``end`` (Unix seconds), one every ``step`` seconds.

        Raises:
            PrometheusError: As for `instant`.
        """
        fields = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": _duration(step)}
        if lookback is not None:
            fields["lookback_delta"] = _duration(lookback)
        kind, result, warnings = self._ask("query_range", fields, seconds)
        if kind != "matrix":
            raise BadAnswer(f"{self.url} answers a query over a range with a {brief(kind)}")
        with self._understood():
            return Range(tuple(map(_series, result)), warnings)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadAnswer(f"{self.url} does not answer like a Prometheus: {brief(repr(error))}") from error

    def _ask(self, endpoint: str, fields: Mapping[str, str], seconds: float) -> Answer:
        body = urllib.parse.urlencode({**fields, "timeout": _duration(seconds)}).encode()
        url = f"{self.url.rstrip('/')}/api/v1/{endpoint}"
        deadline = time.monotonic() + seconds
        try:
            request = urllib.request.Request(url, body, dict(self.headers), method="POST")
            status, answer = within(seconds, lambda: _fetched(request, deadline))
        except TimeoutError as error:
            raise Unreachable(f"{self.url} did not answer within {seconds:.1f} s") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(why, TimeoutError):
                raise Unreachable(f"{self.url} did not answer within {seconds:.1f} s") from error
            raise Unreachable(f"{self.url} does not answer: {brief(why) or type(why).__name__}") from error
        return _read(self.url, status, answer)


def _fetched(request: urllib.request.Request, deadline: float) -> tuple[int, bytes]:
    """Status and body, whatever the status is: there is nothing in this opener that follows or raises."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPSHandler())
    body = bytearray()
    with opener.open(request, timeout=max(0.01, deadline - time.monotonic())) as response:
        while len(body) <= LARGEST and (block := response.read1(_BLOCK)):
            body += block
            if time.monotonic() > deadline:  # a server that sends a byte now and then is never silent
                raise TimeoutError
        return response.status, bytes(body)


def _read(url: str, status: int, body: bytes) -> Answer:
    if 300 <= status < 400:
        raise Unreachable(f"{url} sends its visitors elsewhere (HTTP {status}): give the address it sends them to")
    if status in (401, 403):
        raise Unreachable(f"{url} does not let us in (HTTP {status}): give it headers in the master's configuration")
    if len(body) > LARGEST:
        raise BadQuery(f"the answer is larger than {LARGEST // 2**20} MiB: aggregate in the query")
    try:
        answer = json.loads(body)
        if answer["status"] == "success":
            data, warnings = answer["data"], answer.get("warnings") or ()
            if isinstance(data["resultType"], str) and isinstance(data["result"], list):
                return data["resultType"], data["result"], tuple(map(brief, warnings))
        kind, why = answer["errorType"], answer["error"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = brief(body[:200].decode(errors="replace"))
        raise BadAnswer(f"{url} does not answer like a Prometheus (HTTP {status}): {said}") from error
    if kind in _GAVE_UP:
        raise Unreachable(f"{url} gave up: {brief(why)}")
    raise BadQuery(f"{url} does not take the query: {brief(why)}")


def _sample(document: Any) -> Sample:
    labels, (at, value) = _labels(document), _of(document, "value")
    return Sample(labels, *_point(at, value))


def _series(document: Any) -> Series:
    return Series(_labels(document), tuple(_point(at, value) for at, value in _of(document, "values")))


def _labels(document: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in document.get("metric", {}).items()}


def _of(document: Any, key: str) -> Any:
    if key not in document and any(name.startswith("histogram") for name in document):
        raise BadQuery("the query gives histograms and not numbers: ask for histogram_quantile() or the like")
    return document[key]


def _point(at: Any, value: Any) -> tuple[float, float]:
    return float(at), float(value)


def _duration(seconds: float) -> str:
    """Seconds in PromQL's words; it has no fractions."""
    return f"{max(1, round(seconds * 1000))}ms"
