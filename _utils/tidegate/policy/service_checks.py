"""``routing.services.NAME.check``: how a host finds out whether it can serve what it announces. See ``docs/health.md``.

Every check asks an address, never a name: whether a prefix is announced must not depend on a DNS server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.strict import Listed, Name, Strict, spelt

OnTrouble = Literal["keep", "withdraw"]
LONGEST_URL = 500
LONGEST_ARGUMENT = 1000
MOST_ARGUMENTS = 32
ENDPOINT = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise unlike("an IPv4 or IPv6 address", "A name would make announcements depend on DNS.") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable, parts = False, SplitResult("", "", "", "", "")
    if not usable or not text.isascii() or not text.isprintable() or " " in text or len(text) > LONGEST_URL:
        raise unlike("a URL that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise unlike("a URL without user and password", "The policy is no place for secrets.")
    return text


def _endpoint(text: str, needs_port: bool) -> str:
    example = "'127.0.0.1:443' or '[::1]:443'" if needs_port else "'127.0.0.1', '127.0.0.1:53' or '[::1]:53'"
    match = ENDPOINT.fullmatch(text)
    bare = _is_address(text) and not needs_port
    if not bare and (
        match is None
        or not _is_address(match[1] or match[2])
        or (match[3] is None and needs_port)
        or not 0 < int(match[3] or 53) < 65536
    ):
        kind = "an address with a port" if needs_port else "an address, with a port if it is not 53"
        raise unlike(f"{kind}, such as {example}", "A name would make announcements depend on DNS.")
    return text


def _argument(text: str) -> str:
    if not 0 < len(text) <= LONGEST_ARGUMENT or not text.isprintable():
        raise unlike(f"printable text of at most {LONGEST_ARGUMENT} characters")
    return text


CheckUrl = Annotated[str, AfterValidator(_url)]
TcpEndpoint = Annotated[str, AfterValidator(lambda text: _endpoint(text, True))]
DnsEndpoint = Annotated[str, AfterValidator(lambda text: _endpoint(text, False))]
LocalAddress = Annotated[str, AfterValidator(_address)]
Argument = Annotated[str, AfterValidator(_argument)]
UserName = Annotated[str, spelt(r"[a-z_][a-z0-9_-]{0,31}", "the name of a user such as nobody")]
QueriedName = Annotated[str, spelt(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", "a DNS name such as www.example.net")]
Wanted = Annotated[str, Field(min_length=1, max_length=200)]
Interval = Annotated[Duration, between("1s", "10m")]
Turns = Annotated[int, Field(ge=1, le=100), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 100})]


class ServiceCheck(Strict):
    """One way of finding out whether the host can serve: a URL, a port, a DNS server or a command, asked in turns."""

    WAYS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "http": ("status", "body", "address"),
        "tcp": (),
        "dns": ("question", "type", "answer"),
        "command": ("user",),
    }
    """What each way of asking has of its own."""

    name: Name | None = Field(
        default=None,
        description="Name of the check, unique in the service; its way (http, tcp, dns, command) if alone.",
    )
    http: CheckUrl | None = Field(
        default=None, description="A URL to get, such as http://127.0.0.1:8080/health; redirects are not followed."
    )
    tcp: TcpEndpoint | None = Field(default=None, description="An address and port to connect to, '127.0.0.1:443'.")
    dns: DnsEndpoint | None = Field(
        default=None, description="The address of a DNS server to ask, with its port or not."
    )
    command: Listed[Argument] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_ARGUMENTS,
        description="A program by its full path, and its arguments; 0 is good. No shell reads it.",
    )
    status: int | None = Field(
        default=None, ge=100, le=599, description="The HTTP status that is good; any from 200 to 299 unless stated."
    )
    body: Wanted | None = Field(default=None, description="Text that is in a good HTTP answer's first 64 KiB.")
    address: LocalAddress | None = Field(
        default=None, description="Where to connect where the URL names a host; the name stays in the request and TLS."
    )
    question: QueriedName | None = Field(default=None, description="The name to ask the DNS server for.")
    type: Literal["A", "AAAA", "TXT", "CNAME", "NS", "MX", "SOA"] | None = Field(
        default=None, description="The type of record asked for; A unless stated."
    )
    answer: LocalAddress | None = Field(default=None, description="An address that is in a good DNS answer.")
    user: UserName | None = Field(default=None, description="Who runs the command; nobody unless stated.")
    interval: Interval = Field(default="2s", description="From one look to the next.")
    timeout: Interval = Field(default="1s", description="How long a look may take; at most the interval.")
    rise: Turns = Field(default=3, description="So many good looks in a row make it well again.")
    fall: Turns = Field(default=3, description="So many bad looks in a row make it sick.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in self.WAYS if getattr(self, way) is not None]
        if len(ways) != 1:
            hint = f"This check has {' and '.join(ways)}; several checks are a list." if ways else ""
            raise unlike("one of http, tcp, dns and command", hint)
        for way, keys in self.WAYS.items():
            stray = [key for key in keys if getattr(self, key) is not None and way != ways[0]]
            if stray:
                raise unlike(f"'{stray[0]}' beside {way} alone", f"This check is by {ways[0]}.")
        if ways == ["dns"] and self.question is None:
            raise unlike("a question beside dns", "It is the name to ask for.")
        return self

    @model_validator(mode="after")
    def _by_address(self) -> Self:
        if self.http is not None and self.address is None and not _is_address(urlsplit(self.http).hostname or ""):
            raise unlike("a URL with an address, or 'address' beside it", "The check does not ask DNS where to go.")
        if self.command is not None and not self.command[0].startswith("/"):
            raise unlike("a command that begins with the full path of a program", "Such as [/usr/local/bin/check, -v].")
        return self

    @model_validator(mode="after")
    def _in_turns(self) -> Self:
        if seconds(self.timeout) > seconds(self.interval):
            raise unlike(f"a timeout of at most the interval, {self.interval}", "Looks of one check do not overlap.")
        return self

    @property
    def way(self) -> str:
        """How it asks: http, tcp, dns or command."""
        return next(way for way in self.WAYS if getattr(self, way) is not None)

    @property
    def label(self) -> str:
        """Its name in the service."""
        return self.name or self.way

    def settings(self) -> dict[str, Any]:
        """Plain data for the plan: ``name``, ``kind``, ``target``, turns, times in seconds, and what is expected."""
        own = {key: getattr(self, key) for key in self.WAYS[self.way] if getattr(self, key) is not None}
        target = getattr(self, self.way)
        return {
            "name": self.label,
            "kind": self.way,
            "target": list(target) if self.way == "command" else target,
            "expected": own,
            "interval": seconds(self.interval),
            "timeout": seconds(self.timeout),
            "rise": self.rise,
            "fall": self.fall,
        }
