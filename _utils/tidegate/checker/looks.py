"""One look at a service from the host that serves it: HTTP, TCP, DNS, or a command. Never longer than its timeout."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.balancing import pools
from tidegate.checker import command, web
from tidegate.checker.rules import CheckRule
from tidegate.host import answers, dns
from tidegate.host.endpoint import endpoint
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
    return answers.http(status, has_body, expected)


def _tcp(target: str, _: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    socket.create_connection(endpoint(target, None), seconds).close()
    return True, "connected"


def _dns(target: str, expected: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    query = dns.query(expected["question"], expected.get("type", "A"))
    code, found = dns.parse(dns.ask(endpoint(target, dns.PORT), query, seconds))
    return answers.dns(code, found, expected.get("answer"))


def _command(target: list[str], expected: Mapping[str, Any], seconds: float) -> tuple[bool, str]:
    status, line = command.run(target, expected.get("user", NOBODY), seconds)
    said = f": {line}" if line else ""
    if status < 0:
        return False, f"killed by signal {-status}{said}"
    return status == 0, f"exit status {status}{said}"


def _pool(service: str, expected: Mapping[str, Any], _: float) -> tuple[bool, str]:
    """Whether enough of a balanced service's servers are well, as the same checker sees them."""
    share = pools.share(service)
    if share is None:
        return False, f"nobody has looked at the pool of {service} lately"
    return share * 100 >= expected["percent"], f"{share:.0%} of the pool is well, {expected['percent']}% is needed"


_KINDS: dict[str, Callable[[Any, Mapping[str, Any], float], tuple[bool, str]]] = {
    "http": _http,
    "tcp": _tcp,
    "dns": _dns,
    "command": _command,
    "pool": _pool,
}
