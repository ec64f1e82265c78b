"""One DNS question over UDP (RFC 1035), as small as a probe needs it."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
import time

from tidegate.host.errors import Failed, Refused

PORT = 53
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28}
CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_INTERNET = 1
_RECURSION_DESIRED = 0x0100
_TRIES = 2


def query(name: str, kind: str) -> bytes:
    """The packet that asks for ``name``.

    Raises:
        Refused: no such type here, or not a name that DNS can hold.
    """
    if kind not in TYPES:
        raise Refused(f"a probe of dns asks for {', '.join(TYPES)}, not {kind!r}")
    return _header() + _encoded(name) + struct.pack("!HH", TYPES[kind], _INTERNET)


def ask(server: tuple[str, int], packet: bytes, seconds: float) -> bytes:
    """Send a query, once more halfway if nothing comes, and return the answer to exactly this query.

    Raises:
        Failed: no answer within ``seconds``. OSError: the server cannot be reached.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as connection:
        # Connected: the kernel drops what others send, and tells when nobody listens there.
        connection.connect(address)
        for _ in range(_TRIES):
            connection.send(packet)
            if answer := _answer(connection, packet, time.monotonic() + seconds / _TRIES):
                return answer
    raise Failed(f"{server[0]} did not answer within {seconds:g} s")


def parse(answer: bytes) -> tuple[str, list[str]]:
    """The response code's name, and what the answer section has: addresses as text, other records as ``TYPE DATA``.

    Raises:
        Failed: not a DNS message.
    """
    try:
        _, flags, questions, records, _, _ = struct.unpack_from("!6H", answer)
        at = 12
        for _ in range(questions):
            at = _after_name(answer, at) + 4
        found = []
        for _ in range(records):
            at = _after_name(answer, at)
            kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
            at += 10
            found.append(_told(kind, answer[at : at + length]))
            at += length
    except (struct.error, IndexError, ValueError) as error:
        raise Failed(f"the answer is not a DNS message: {error}") from error
    code = flags & 0xF
    return CODES[code] if code < len(CODES) else f"RCODE{code}", found


def _answer(connection: socket.socket, packet: bytes, end: float) -> bytes | None:
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            answer = connection.recv(65535)
        except TimeoutError:
            return None
        is_response = len(answer) >= 12 and answer[2] & 0x80
        if is_response and answer[:2] == packet[:2] and answer[12 : len(packet)].lower() == packet[12:].lower():
            return answer
    return None


def _header() -> bytes:
    return struct.pack("!6H", secrets.randbelow(65536), _RECURSION_DESIRED, 1, 0, 0, 0)


def _encoded(name: str) -> bytes:
    try:
        labels = [label.encode("ascii") for label in name.rstrip(".").split(".")] if name != "." else []
    except UnicodeEncodeError:
        raise Refused(f"{name!r} is not ASCII: write it as xn--…") from None
    whole = b"".join(bytes([len(label)]) + label for label in labels if len(label) < 64) + b"\0"
    if not all(0 < len(label) < 64 for label in labels) or len(whole) > 255:
        raise Refused(f"{name!r} is not a name that DNS can hold")
    return whole


def _after_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length & 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


def _told(kind: int, data: bytes) -> str:
    if kind in (TYPES["A"], TYPES["AAAA"]):
        return str(ipaddress.ip_address(data))
    names = {number: name for name, number in TYPES.items()}
    return f"{names.get(kind, f'TYPE{kind}')} {data.hex()}"
