"""From conditions on addresses to the tries that ``bpf/match.h`` looks them up in. Pure.

A trie's key is a prefix length and an address as the kernel wants them; its value is the word of the entries that the
prefix belongs to, those of the prefixes that cover it included.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from tidegate.host.errors import Refused

_V4, _V6 = 4, 16
_WORD = struct.Struct("=Q")
_LENGTH = struct.Struct("=I")


def prefix_words(side: str, conditions: Sequence[list[str] | None], any_word: int) -> dict[str, dict[bytes, bytes]]:
    """Both families' tries for one side, ``source`` or ``destination``.

    Args:
        side: Whose addresses.
        conditions: The prefixes that each entry names, ``None`` if it names none.
        any_word: The entries that name none.

    Raises:
        Refused: A prefix that is none.
    """
    own: dict[int, dict[int, int]] = {_V4: {}, _V6: {}}
    for number, condition in enumerate(conditions):
        bit = 1 << number
        for text in condition or ():
            size, network, length = parse_prefix(text)
            key, words = network << 8 | length, own[size]
            words[key] = words.get(key, 0) | bit
    return {f"{side}4": _inherited(own[_V4], _V4, any_word), f"{side}6": _inherited(own[_V6], _V6, any_word)}


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
    spare = bits - length
    return len(packed), int.from_bytes(packed, "big") >> spare << spare, length
