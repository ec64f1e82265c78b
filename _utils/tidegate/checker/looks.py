"""One look at a service from the host that serves it: HTTP, TCP, DNS, or a command. Never longer than its timeout."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.checker import command, web
from tidegate.checker.rules import CheckRule
from tidegate.host import dns
from tidegate.host.errors import TidegateError

NOBODY = "nobody"


def look(rule: CheckRule) -> tuple[bool, str]:
    """Whether what was seen is what was expected, and what was seen in words. Whatever goes wrong is not good."""
    how = _KINDS.get(rule.kind)
    if how is None:
        return False, f"this host's Tidegate knows no check by {rule.kind}"
    try:
        return how(rule.target, rule.expected, rule.timeout)
    except TimeoutError:
        return False, f"no answer within {rule.timeout:g} s"
    except ssl.SSLError as error:
        return False, f"TLS: {error.reason or error}"
    except (TidegateError, OSError, ValueError) as error:
        return False, str(error)


def _http(url: str, expected: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    status, has_body = web.get(url, expected.get("address"), expected.get("body"), seconds)
    right = status == expected["status"] if "status" in expected else 200 <= status <= 299
    if not right:
        return False, f"status {status}, expected {expected.get('status', '200 to 299')}"
    if not has_body:
        return False, f"status {status}, but {expected.get('body')!r} is not in the answer"
    return True, f"status {status}"


def _tcp(target: str, _: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    socket.create_connection(_endpoint(target, 0), seconds).close()
    return True, "connected"


def _dns(target: str, expected: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    query = dns.query(expected["question"], expected.get("type", "A"))
    code, answers = dns.parse(dns.ask(_endpoint(target, dns.PORT), query, seconds))
    if code != "NOERROR":
        return False, f"the server says {code}"
    if not answers:
        return False, "the server has no such record"
    if expected.get("answer") not in (None, *answers):
        return False, f"{expected['answer']} is not in the answer: {', '.join(answers)}"
    return True, f"the answer is {', '.join(answers)}"


def _command(target: list[str], expected: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    status, line = command.run(target, expected.get("user", NOBODY), seconds)
    said = f": {line}" if line else ""
    if status < 0:
        return False, f"killed by signal {-status}{said}"
    return status == 0, f"exit status {status}{said}"


_KINDS: dict[str, Callable[[Any, Mapping[str, Any], float], tuple[bool, str]]] = {
    "http": _http,
    "tcp": _tcp,
    "dns": _dns,
    "command": _command,
}


def _endpoint(text: str, default: int) -> tuple[str, int]:
    """Address and port of ``192.0.2.1:53``, ``[2001:db8::1]:53``, or either without a port if there is a default."""
    try:
        return str(ipaddress.ip_address(text)), default
    except ValueError:
        host, _, port = text.rpartition(":")
        return host.strip("[]"), int(port)
