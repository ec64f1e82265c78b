"""Whether one matcher leaves nothing of another: every packet that the second matches, the first does too. Pure.

One rule is compared with one other. What several together cover, such as two halves of a prefix, is not seen, unless
they are prefixes or ranges of one matcher.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tidegate.bpf.prefixes import parse_prefix
from tidegate.bpf.section import Matcher, PortRange

Span = tuple[int, int]


def covers(outer: Matcher, inner: Matcher) -> bool:
    """True only if it is certain."""
    return (
        outer["protocol"] in (None, inner["protocol"])
        and _within_ranges(inner["source_port"], outer["source_port"])
        and _within_ranges(inner["destination_port"], outer["destination_port"])
        and _within_ranges(inner.get("length"), outer.get("length"))
        and _among(inner["dscp"], outer["dscp"])
        and _among(inner.get("icmp_types"), outer.get("icmp_types"))
        and _among(inner.get("fragment"), outer.get("fragment"))
        and _flags(inner.get("tcp_flags"), outer.get("tcp_flags"))
        and _within_prefixes(inner["source"], outer["source"])
        and _within_prefixes(inner["destination"], outer["destination"])
    )


def _among(inner: Sequence[object] | None, outer: Sequence[object] | None) -> bool:
    return outer is None or (inner is not None and all(one in outer for one in inner))


def _flags(inner: list[list[int]] | None, outer: list[list[int]] | None) -> bool:
    """A pair is covered by one that looks at no other flags and wants the same of those it looks at."""
    if outer is None:
        return True
    return inner is not None and all(
        any(mask & wide == wide and value & wide == wanted for wanted, wide in outer) for value, mask in inner
    )


def _within_ranges(inner: list[PortRange] | None, outer: list[PortRange] | None) -> bool:
    if outer is None:
        return True
    spans = _merged([(first, last) for first, last in outer])
    return inner is not None and all(_within((first, last), spans) for first, last in inner)


def _within_prefixes(inner: list[str] | None, outer: list[str] | None) -> bool:
    if outer is None:
        return True
    if inner is None:
        return {"0.0.0.0/0", "::/0"} <= set(outer)
    spans = {size: _merged([span for text in outer for of, span in [_span(text)] if of == size]) for size in (4, 16)}
    return all(_within(span, spans[size]) for size, span in map(_span, inner))


def _span(text: str) -> tuple[int, Span]:
    size, network, length = parse_prefix(text)
    return size, (network, network | (1 << (size * 8 - length)) - 1)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _within(span: Span, merged: list[Span]) -> bool:
    at = bisect_right(merged, (span[0], 1 << 128)) - 1
    return at >= 0 and merged[at][0] <= span[0] and span[1] <= merged[at][1]
