"""A look at a service from outside of who serves it: HTTP, TCP and DNS, with the standard library alone."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tidegate.host import answers, dns
from tidegate.host.endpoint import endpoint
from tidegate.host.errors import Failed, Refused

Seen = dict[str, Any]
_LONGEST = 60.0
_MOST_BODY = 1 << 20


def probe(kind: str, target: str, timeout: float = 5.0, **expected: Any) -> Seen:
    """Look once, and say within ``timeout`` seconds whether what was seen is what was expected.

    What is expected, by kind. ``http``: ``status``, a number (any of 200 to 299 if it is not given; redirects are not
    followed, they are a status like any other); ``body``, text that is in the first MiB of the answer; ``address``, to
    connect there instead of asking who the URL's host is. ``tcp``: nothing, a connection is enough. ``dns``:
    ``question``, the name to ask for; ``type``, as in `dns.TYPES` (A); ``answer``, an address that is to be in it.

    Returns:
        ``ok``; ``reason`` in words; ``seconds`` that it took; ``status``: the HTTP status, the DNS response code's
        name, or null; ``answers`` of a DNS server.

    Raises:
        Refused: there is no such probe, so that nothing was looked at.
    """
    look = _look(kind, str(target), expected)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST:
        raise Refused(f"a probe takes more than 0 and at most {_LONGEST:g} seconds, not {timeout!r}")
    begun = time.monotonic()
    seen = _bounded(look, float(timeout))
    return {"status": None, **seen, "seconds": round(time.monotonic() - begun, 3)}


def _look(kind: str, target: str, expected: Mapping[str, Any]) -> Callable[[float], Seen]:
    """What to do, with everything checked that can be without doing it."""
    known = {"http": {"status", "body", "address"}, "tcp": set(), "dns": {"question", "type", "answer"}}
    if kind not in known:
        raise Refused(f"there is no probe {kind!r}, only http, tcp and dns")
    if strange := sorted(set(expected) - known[kind]):
        raise Refused(f"a probe of {kind} does not know {', '.join(strange)}")
    if kind == "http":
        url = _url(target)
        return lambda seconds: _http(url, expected, seconds)
    if kind == "tcp":
        host, port = endpoint(target, None)
        return lambda seconds: _tcp(host, port, seconds)
    host, port = endpoint(target, dns.PORT)
    if "question" not in expected:
        raise Refused("a probe of dns needs a question: the name to ask for")
    query = dns.query(str(expected["question"]), str(expected.get("type", "A")))
    return lambda seconds: _dns((host, port), query, expected.get("answer"), seconds)


def _bounded(look: Callable[[float], Seen], seconds: float) -> Seen:
    """Run it for so long at most: name service, TLS and a server that trickles have no time limit in common."""
    seen: list[Seen] = []

    def run() -> None:
        try:
            seen.append(look(seconds))
        except (OSError, http.client.HTTPException, Failed, ValueError) as error:
            seen.append({"ok": False, "reason": _words(error)})

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    return seen[0] if seen else {"ok": False, "reason": f"no answer within {seconds:g} s"}


def _http(url: SplitResult, expected: Mapping[str, Any], seconds: float) -> Seen:
    end = time.monotonic() + seconds
    connection = _connection(url, expected.get("address"), seconds)
    try:
        path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        connection.request("GET", path, headers={"User-Agent": "tidegate-probe", "Connection": "close"})
        response = connection.getresponse()
        body = _body(response, end) if "body" in expected else b""
    finally:
        connection.close()
    status = response.status
    has_body = "body" in expected and str(expected["body"]).encode() in body
    ok, reason = answers.http(status, has_body, expected)
    return {"ok": ok, "status": status, "reason": reason}


def _connection(url: SplitResult, address: object, seconds: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        secure = http.client.HTTPSConnection(host, url.port, timeout=seconds, context=ssl.create_default_context())
        connection: http.client.HTTPConnection = secure
    else:
        connection = http.client.HTTPConnection(host, url.port, timeout=seconds)
    if address is not None:
        # The host's name stays in the request and in TLS; only the way there is another.
        there = (str(address), connection.port)
        connection._create_connection = (  # type: ignore[attr-defined]
            lambda _, timeout=seconds, source=None: socket.create_connection(there, timeout, source)
        )
    return connection


def _body(response: http.client.HTTPResponse, end: float) -> bytes:
    found = b""
    while len(found) < _MOST_BODY and time.monotonic() < end:
        chunk = response.read1(_MOST_BODY - len(found))
        if not chunk:
            break
        found += chunk
    return found


def _tcp(host: str, port: int, seconds: float) -> Seen:
    socket.create_connection((host, port), seconds).close()
    return {"ok": True, "reason": "connected"}


def _dns(server: tuple[str, int], query: bytes, wanted: object, seconds: float) -> Seen:
    code, found = dns.parse(dns.ask(server, query, seconds))
    ok, reason = answers.dns(code, found, wanted)
    return {"ok": ok, "status": code, "answers": found, "reason": reason}


def _url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise Refused(f"{text!r} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Refused(f"{text!r} is not an http or https URL")
    if url.username is not None or any(ord(letter) <= 32 or ord(letter) == 127 for letter in text):
        raise Refused(f"{text!r} has a user name, a blank or a control character in it")
    return url


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if isinstance(error, http.client.HTTPException) else str(error)
