"""Small words for counts and times."""

from __future__ import annotations


def seconds(count: float) -> str:
    """``45 s``, ``4 min 30 s``, ``2 h 5 min``."""
    whole = round(count)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole % 3600 >= 60 else f"{whole // 3600} h"


def hosts(count: int) -> str:
    """``1 host``, ``10,000 hosts``."""
    return f"{count} host" if count == 1 else f"{count:,} hosts"
