"""Typed Jinja2 filters: the only way for a value of the plan into BIRD's configuration.

BIRD's strings know no escapes, so a value is either harmless in its place or refused. Every filter takes the field's
name for the refusal and returns ``Syntax``; ``only_syntax`` (Jinja2's ``finalize``) refuses whatever a template prints
without one, so that a forgotten filter is an error instead of a hole.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from tidegate.host.errors import Refused

MAX_TEXT = 255
"""Bytes of a quoted string. BIRD 2.0.12, 2.17 and 3.1 all corrupt their heap and die on one of 5,000."""
MAX_PASSWORD = 80
"""Bytes of a TCP MD5 key: TCP_MD5SIG_MAXKEYLEN in linux/tcp.h."""
MAX_IDENTIFIER = 64
ALGORITHMS = ("cmac aes128", "hmac sha1", "hmac sha256", "hmac sha384", "hmac sha512")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[a-z][a-z0-9]*")
_PATTERN = re.compile(r"(?P<prefix>[0-9a-fA-F:./]+)\{(?P<low>[0-9]{1,3}),(?P<high>[0-9]{1,3})\}")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Syntax(str):
    """Text that is safe where a template prints it."""

    __slots__ = ()


def only_syntax(value: Any) -> Any:
    """Jinja2's ``finalize``: lets ``Syntax`` through, refuses every other value a template prints."""
    if isinstance(value, Syntax):
        return value
    raise Refused(f"a template prints {value!r} without a filter that makes it safe for BIRD")


def identifier(value: Any) -> Syntax:
    """A symbol of BIRD's configuration.

    Raises:
        ValueError: It is not letters, digits and underscores, or is longer than BIRD allows.
    """
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value) or len(value) > MAX_IDENTIFIER:
        raise ValueError(
            f"must be at most {MAX_IDENTIFIER} letters, digits and underscores, and not begin with a digit"
        )
    return Syntax(value)


def word(value: Any) -> Syntax:
    """One of BIRD's own lower-case words, from a field that the schema restricts to a few."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError("must be one lower-case word")
    return Syntax(value)


def algorithm(value: Any) -> Syntax:
    """One of the ways to sign packets that BIRD and the kernel both know (TCP-AO)."""
    if value not in ALGORITHMS:
        raise ValueError(f"must be one of {', '.join(ALGORITHMS)}")
    return Syntax(value)


def printable(value: Any) -> Syntax:
    """Text with no control, format or separator characters: safe in a comment, which ends with its line."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in value):
        raise ValueError("must not hold line breaks, control or invisible characters")
    if len(value.encode()) > MAX_TEXT:
        raise ValueError(f"must be at most {MAX_TEXT} bytes long")
    return Syntax(value)


def quoted(value: Any) -> Syntax:
    """A string in BIRD's quotes; braces, semicolons, hashes and backslashes mean nothing inside them."""
    if '"' in printable(value):
        raise ValueError("must not hold a double quote: BIRD's strings cannot escape one")
    return Syntax(f'"{value}"')


def number(value: Any, low: int = 0, high: int = 2**32 - 1) -> Syntax:
    """A whole number from ``low`` to ``high``."""
    return Syntax(str(bounded(value, low, high)))


def bounded(value: Any, low: int, high: int) -> int:
    """The number itself, for a template that counts with it."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return value


def ip(value: Any) -> Syntax:
    """An address of either family, in its canonical form; a scope (``%eth0``) belongs to the device field."""
    address = ipaddress.ip_address(_text(value))
    if getattr(address, "scope_id", None) is not None:
        raise ValueError("must not carry a scope: name the device instead")
    return Syntax(str(address))


def ipv4(value: Any) -> Syntax:
    """An IPv4 address, as router ids are written."""
    return Syntax(str(ipaddress.IPv4Address(_text(value))))


def prefix(value: Any) -> Syntax:
    """A prefix with no host bits set."""
    return Syntax(_prefix(_text(value)))


def _prefix(text: str) -> str:
    """The canonical spelling. Sets have a hundred thousand: those that have it already are not worked out again."""
    address, _, length = text.partition("/")
    kind, bits = (AF_INET6, 128) if ":" in address else (AF_INET, 32)
    try:
        packed = inet_pton(kind, address)
    except OSError:
        return str(ipaddress.ip_network(text))
    known = inet_ntop(kind, packed) == address and _LENGTH.fullmatch(length) and int(length) <= bits
    if known and not int.from_bytes(packed, "big") & ((1 << (bits - int(length))) - 1):
        return text
    return str(ipaddress.ip_network(text))


def prefixes(values: Any) -> Syntax:
    """Exact prefixes, for between the brackets of a set."""
    return Syntax(", ".join([_prefix(_text(value)) for value in values]))


def patterns(values: Any) -> Syntax:
    """Prefixes that may carry lengths (``192.0.2.0/24{24,28}``), for between the brackets of a set."""
    return Syntax(", ".join([_pattern(value) for value in values]))


def _pattern(value: Any) -> str:
    if "{" not in _text(value):
        return _plain(value)
    match = _PATTERN.fullmatch(value)
    if match is None:
        raise ValueError("must be a prefix, or one with lengths such as 192.0.2.0/24{24,28}")
    network = ipaddress.ip_network(match["prefix"])
    low, high = int(match["low"]), int(match["high"])
    if not network.prefixlen <= low <= high <= network.max_prefixlen:
        raise ValueError("must have lengths between its own and its family's")
    return f"{network}{{{low},{high}}}"


def _plain(text: str) -> str:
    try:
        return _prefix(text)
    except ValueError:
        raise ValueError("must be a prefix, or one with lengths such as 192.0.2.0/24{24,28}") from None


def patterns_and_longer(values: Any) -> Syntax:
    """The prefixes of patterns and everything inside them, for between the brackets of a set."""
    return prefixes_and_longer(_text(value).partition("{")[0] for value in values)


def asns(values: Any) -> Syntax:
    """AS numbers, for between the brackets of a set; a pair is a range."""
    return Syntax(", ".join(_asns(value) for value in values))


def _asns(value: Any) -> str:
    if isinstance(value, list | tuple):
        first, last = (bounded(one, 0, 2**32 - 1) for one in value)
        return f"{first}..{last}"
    return str(bounded(value, 0, 2**32 - 1))


def communities(values: Any) -> Syntax:
    """Standard communities, for between the brackets of a set."""
    return Syntax(", ".join(community(value) for value in values))


def prefixes_and_longer(values: Any) -> Syntax:
    """Prefixes and every more specific one, for between the brackets of a set."""
    return Syntax(", ".join([f"{_prefix(_text(value))}+" for value in values]))


def community(value: Any) -> Syntax:
    """A standard community (RFC 1997), ``64500:100`` in the plan, a pair in BIRD."""
    return _tuple(value, parts=2, high=2**16 - 1)


def large_community(value: Any) -> Syntax:
    """A large community (RFC 8092), ``64500:1:2`` in the plan, a triple in BIRD."""
    return _tuple(value, parts=3, high=2**32 - 1)


def extended_community(value: Any) -> Syntax:
    """A route target or origin (RFC 4360), ``rt:64500:100`` in the plan, a triple in BIRD."""
    kind, _, numbers = _text(value).partition(":")
    if kind not in ("rt", "ro"):
        raise ValueError("must begin with rt: or ro:")
    return Syntax(f"({kind}, {_tuple(numbers, parts=2, high=2**32 - 1)[1:]}")


@pass_context
def secret(context: Context, reference: Any, field: str) -> Syntax:
    """The TCP MD5 key that a reference means, in quotes; it stands in ``secrets`` of the template's context.

    Raises:
        Refused: There is none, or it does not fit. The text never holds the value.
    """
    value = context["secrets"].get(reference)
    if value is None:
        raise _refusal(context, field, f"this host's pillar has no secret {reference!r} (traffic_secrets)")
    try:
        text = quoted(value)
        if not 0 < len(value.encode()) <= MAX_PASSWORD:
            raise ValueError(f"must be 1 to {MAX_PASSWORD} bytes long")
    except ValueError as error:
        raise _refusal(context, field, f"the secret {reference!r} {error}") from None
    return text


def install(environment: Environment) -> None:
    """Give a Jinja2 environment these filters, each taking the field's name first."""
    for function in (
        *(identifier, word, algorithm, quoted, number, bounded, ip, ipv4, prefix, prefixes, prefixes_and_longer),
        *(community, large_community, communities, extended_community, patterns, patterns_and_longer, asns),
    ):
        environment.filters[function.__name__] = _naming_the_field(function)
    environment.filters["comment"] = _naming_the_field(printable)
    environment.filters["secret"] = secret
    environment.finalize = only_syntax


def _refusal(context: Context, field: str, problem: object) -> Refused:
    """The refusal of a field, with the neighbor it belongs to where the template is at one."""
    neighbor = context.get("neighbor")
    place = f"neighbor {neighbor['name']!r}, {field}" if neighbor else field
    return Refused(f"BIRD: {place}: {problem}")


def _naming_the_field(function: Any) -> Any:
    @pass_context
    def named(context: Context, value: Any, field: str, *bounds: int) -> Any:
        try:
            return function(value, *bounds)
        except (ValueError, TypeError) as error:
            raise _refusal(context, field, f"{value!r}: {error}") from None

    return named


def _text(value: Any) -> str:
    # ipaddress reads integers and bytes as addresses too; a plan never means that.
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _tuple(value: Any, parts: int, high: int) -> Syntax:
    numbers = _text(value).split(":")
    if len(numbers) != parts or not all(part.isascii() and part.isdigit() and int(part) <= high for part in numbers):
        raise ValueError(f"must be {parts} numbers from 0 to {high} joined by colons")
    return Syntax(f"({', '.join(str(int(part)) for part in numbers)})")
