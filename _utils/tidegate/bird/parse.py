"""BIRD's replies as values: sessions, routes, versions. The same for 2.0.12 to 3.x."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.bird.control import Reply

Version = tuple[int, int, int]

OLDEST: Version = (2, 0, 12)
"""The oldest BIRD that Tidegate renders for: Debian 12's."""
_PROTOCOL, _DETAILS, _ROUTE, _STATUS = 1002, 1006, 1007, 13
_VERSION = re.compile(r"\bBIRD (?:version )?v?(\d+)\.(\d+)(?:\.(\d+))?")
_PREFIX = re.compile(r"([0-9a-fA-F.:]+/\d+)\s")
_FIELDS = {
    "state": re.compile(r"\s*BGP state:\s+(\S+)"),
    "address": re.compile(r"\s*Neighbor address:\s+([^\s%]+)"),
    "asn": re.compile(r"\s*Neighbor AS:\s+(\d+)"),
    "local_asn": re.compile(r"\s*Local AS:\s+(\d+)"),
    "imported": re.compile(r"\s*Routes:\s+(\d+) imported"),
    "exported": re.compile(r"\s*Routes:.*?(\d+) exported"),
    "error": re.compile(r"\s*Last error:\s+(.*)"),
}


@dataclass(frozen=True)
class Session:
    """One BGP session as BIRD sees it. ``state`` is RFC 4271's (``Established``) or BIRD's ``Down``."""

    protocol: str
    state: str
    address: str
    asn: int
    local_asn: int
    imported: int
    exported: int
    error: str

    @property
    def established(self) -> bool:
        """Whether routes may flow."""
        return self.state == "Established"


def version(text: str) -> Version | None:
    """The version in ``bird --version``, the control socket's banner or ``show status``; none: there is none."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def dotted(version: Version) -> str:
    """``2.0.12``."""
    return ".".join(map(str, version))


def reconfiguring(status: Reply) -> bool:
    """Whether ``show status`` says that a reconfiguration is still in progress."""
    return "in progress" in status.text(_STATUS).lower()


def sessions(reply: Reply) -> dict[str, Session]:
    """The BGP sessions in ``show protocols all``, by protocol name."""
    found = {}
    for head, details in _protocols(reply):
        name, kind, *_ = head.split()
        if kind == "BGP":
            found[name] = _session(name, details)
    return found


def prefixes(reply: Reply) -> list[str]:
    """The prefixes in ``show route …``, canonical, sorted, each once."""
    found = {match[1] for line in reply.lines if line.code == _ROUTE and (match := _PREFIX.match(line.text))}
    return sorted(str(ipaddress.ip_network(prefix)) for prefix in found)


def _protocols(reply: Reply) -> Iterator[tuple[str, list[str]]]:
    head, details = "", list[str]()
    for line in reply.lines:
        if line.code == _PROTOCOL:
            if head:
                yield head, details
            head, details = line.text, []
        elif line.code == _DETAILS:
            details.append(line.text)
    if head:
        yield head, details


def _session(name: str, details: list[str]) -> Session:
    # The first hit counts: what a neighbor can make BIRD show (a shutdown message) comes after BIRD's own lines.
    def field(key: str, missing: str) -> str:
        return next((match[1] for line in details if (match := _FIELDS[key].match(line))), missing)

    # One line for each family that the session carries.
    def total(key: str) -> int:
        return sum(int(match[1]) for line in details if (match := _FIELDS[key].match(line)))

    return Session(
        protocol=name,
        state=field("state", "Down"),
        address=field("address", ""),
        asn=int(field("asn", "0")),
        local_asn=int(field("local_asn", "0")),
        imported=total("imported"),
        exported=total("exported"),
        error=field("error", "").strip(),
    )
