"""From conditions on addresses to the tables that ``bpf/match.h`` looks them up in. Pure.

A key is a prefix length and an address as the kernel wants them; its value is the word of the entries that the prefix
belongs to, those of the prefixes that cover it included. Addresses in full length are in tables of their own.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence

from tidegate.host.errors import Refused

Conditions = Sequence[list[str] | None]
"""The prefixes that each entry names, in order; ``None`` if it names none."""
_V4, _V6 = 4, 16
_WORD = struct.Struct("=Q")
_LENGTH = struct.Struct("=I")


def prefix_words(side: str, conditions: Conditions, any_word: int) -> dict[str, dict[bytes, bytes]]:
    """Both families' tables for one side, ``source`` or ``destination``: ``source4``, ``source4_host`` and so on.

    Args:
        side: Whose addresses.
        conditions: The prefixes that each entry names, ``None`` if it names none.
        any_word: The entries that name none.

    Raises:
        Refused: A prefix that is none.
    """
    hosts: dict[int, dict[bytes, int]] = {_V4: {}, _V6: {}}
    wider: dict[int, dict[int, int]] = {_V4: {}, _V6: {}}
    for number, condition in enumerate(conditions):
        bit = 1 << number
        for text in condition or ():
            packed, length = _parsed(text)
            size = len(packed)
            if length == size * 8:
                alike = hosts[size]
                alike[packed] = alike.get(packed, 0) | bit
            else:
                key = _cut(packed, length) << 8 | length
                wider[size][key] = wider[size].get(key, 0) | bit
    tables: dict[str, dict[bytes, bytes]] = {}
    for family, size in ((4, _V4), (6, _V6)):
        name = f"{side}{family}"
        tables[name], tables[f"{name}_host"] = _words(wider[size], hosts[size], size, any_word)
    return tables


def tables_used(side: str, conditions: Conditions) -> set[str]:
    """The names of the tables that ``prefix_words`` would put something in, told from the texts as a whole.

    Raises:
        Refused: A text without a length that is no address.
    """
    found: set[str] = set()
    for condition in conditions:
        whole = "\n".join([*(condition or ()), ""])
        if whole.count("/") != len(condition or ()) or ":" in whole:
            found |= {table_and_key(side, text)[0] for text in condition or ()}
        elif condition:
            hosts = whole.count("/32\n")
            found |= {f"{side}4_host"} if hosts else set()
            found |= {f"{side}4"} if hosts < len(condition) else set()
    return found


def table_and_key(side: str, text: str) -> tuple[str, bytes]:
    """The table that a prefix stands in, and its key there."""
    packed, length = _parsed(text)
    size = len(packed)
    name = f"{side}{4 if size == _V4 else 6}{'_host' if length == size * 8 else ''}"
    return name, _LENGTH.pack(length) + _cut(packed, length).to_bytes(size, "big")


def spelt_word(word: int) -> bytes:
    """A word as the tables have it."""
    return _WORD.pack(word)


def _words(
    wider: Mapping[int, int], hosts: Mapping[bytes, int], size: int, any_word: int
) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Tables of wider prefixes and of hosts; where nothing is wider, hosts take over ``any_word`` alone."""
    full = _LENGTH.pack(size * 8)
    if not wider:
        spelt = {word: _WORD.pack(word | any_word) for word in set(hosts.values())}
        return {}, {full + address: spelt[word] for address, word in hosts.items()}
    both = {**wider, **{int.from_bytes(address, "big") << 8 | size * 8: word for address, word in hosts.items()}}
    found = _inherited(both, size, any_word)
    apart = {full + address for address in hosts}
    return (
        {key: word for key, word in found.items() if key not in apart},
        {key: found[key] for key in apart},
    )


def _inherited(own: dict[int, int], size: int, any_word: int) -> dict[bytes, bytes]:
    """The kernel answers with the longest prefix alone, so each takes over the words of those that cover it.

    A key is the network with its length behind it: numbers sort three times as fast as pairs, wider prefixes first.
    """
    bits = size * 8
    lengths = [_LENGTH.pack(length) for length in range(bits + 1)]
    ends = [(1 << (bits - length)) - 1 for length in range(bits + 1)]
    spelt: dict[int, bytes] = {}
    words: dict[bytes, bytes] = {}
    covering: list[tuple[int, int]] = []
    for key in sorted(own):
        network, length = key >> 8, key & 255
        while covering and covering[-1][0] < network:
            covering.pop()
        whole = own[key] | (covering[-1][1] if covering else any_word)
        if length < bits:
            covering.append((network | ends[length], whole))
        if whole not in spelt:
            spelt[whole] = _WORD.pack(whole)
        words[lengths[length] + network.to_bytes(size, "big")] = spelt[whole]
    return words


def parse_prefix(text: str) -> tuple[int, int, int]:
    """A prefix as address size in bytes, network and length; host bits are cut off. Raises ``Refused``."""
    packed, length = _parsed(text)
    return len(packed), _cut(packed, length), length


def _cut(packed: bytes, length: int) -> int:
    spare = len(packed) * 8 - length
    return int.from_bytes(packed, "big") >> spare << spare


def _parsed(text: str) -> tuple[bytes, int]:
    address, slash, digits = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address)
        bits = len(packed) * 8
        length = int(digits) if slash else bits
    except (OSError, ValueError):
        raise Refused(f"{text!r} is not a prefix") from None
    if not 0 <= length <= bits:
        raise Refused(f"{text!r} is not a prefix: the length must be from 0 to {bits}")
    return packed, length
