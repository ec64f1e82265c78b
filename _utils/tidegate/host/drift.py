"""A name for what was changed by hand, so that people can say "this much is known" and mean exactly this."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence


def fingerprint(drift: Mapping[str, Sequence[str]]) -> str | None:
    """16 hex digits over the lines by subsystem, in whatever order they come; ``None`` if nothing differs."""
    told = {name: sorted(lines) for name, lines in drift.items() if lines}
    if not told:
        return None
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
