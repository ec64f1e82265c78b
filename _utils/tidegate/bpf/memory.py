"""How much of the kernel's memory a policy's tables will take, before they are made."""

from __future__ import annotations

from pathlib import Path

from tidegate.host.errors import Refused

TRIE_NODE = 64
"""Bytes of one node of a longest-prefix-match trie with a 64-bit value, either family, as the kernel allocates it."""
NODES = 2
"""Nodes for each prefix at worst: its own, and one where it parts from a neighbor."""
SHARE = 0.5
"""Of what is available, as much may be taken: packets need memory too."""


def of_prefixes(count: int) -> int:
    """Bytes that tries of so many prefixes take at worst."""
    return count * TRIE_NODE * NODES


def ensure(needed: int, what: str, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Raises ``Refused`` if so many bytes are more than half of what this host has available."""
    available = _available(meminfo)
    if available is not None and needed > available * SHARE:
        raise Refused(
            f"{what} would take {mebibytes(needed)} of kernel memory and this host has {mebibytes(available)} "
            "available, of which half may be taken: use fewer prefixes"
        )


def mebibytes(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / (1 << 20):,.0f} MiB"


def _available(meminfo: Path) -> int | None:
    for line in meminfo.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None
