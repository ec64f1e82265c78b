"""One HTTP request within a deadline, however slowly the other side trickles its answer; the standard library alone."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from urllib.parse import SplitResult, urlsplit

from tidegate.host.errors import Failed

MOST = 64 * 1024
"""Bytes of an answer that are read."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")


def get(url: str, address: str | None, wanted: str | None, seconds: float) -> tuple[int, bool]:
    """Ask for a URL; the status, and whether the wanted text is in the first 64 KiB of the answer.

    Args:
        url: With an address for its host, unless ``address`` is given.
        address: Where to connect instead; the URL's host stays in the request and in TLS.
        wanted: What the body is searched for; ``None`` reads no further than the status.
        seconds: For all of it.

    Raises:
        Failed: not an HTTP answer, or not in time. OSError: no connection.
    """
    end = time.monotonic() + seconds
    parts = urlsplit(url)
    with _connected(parts, address, end) as connection:
        connection.settimeout(_left(end))
        connection.sendall(_request(parts))
        return _answer(connection, wanted.encode() if wanted is not None else None, end)


def _connected(parts: SplitResult, address: str | None, end: float) -> socket.socket:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = socket.create_connection((address or host, port), _left(end))
    if parts.scheme != "https":
        return connection
    try:
        connection.settimeout(_left(end))
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _request(parts: SplitResult) -> bytes:
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    host = parts.netloc
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: tidegate-health", "Connection: close"]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


def _answer(connection: socket.socket, wanted: bytes | None, end: float) -> tuple[int, bool]:
    received = b""
    while len(received) < MOST:
        connection.settimeout(_left(end))
        chunk = connection.recv(MOST - len(received))
        received += chunk
        status = _STATUS.match(received)
        if status and (wanted is None or wanted in received.partition(b"\r\n\r\n")[2]):
            return int(status[1]), True
        if not chunk:
            break
    status = _STATUS.match(received)
    if status is None:
        raise Failed("the answer is not HTTP")
    return int(status[1]), wanted is not None and wanted in _body(received)


def _body(received: bytes) -> bytes:
    """The body, put together again if it came in chunks."""
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    try:
        response.begin()
        return response.read()
    except http.client.IncompleteRead as error:
        return error.partial
    except http.client.HTTPException:
        return b""


class _Received:
    """What has been received, as ``http.client`` reads a socket."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        """The bytes as a file."""
        return io.BytesIO(self._received)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
