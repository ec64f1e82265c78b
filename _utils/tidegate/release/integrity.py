"""Whether what is stored is what was stored once: every digest is worked out again."""

from __future__ import annotations

import json

from tidegate.host.plan import Plan, digest_of
from tidegate.release.errors import Damaged


def intact_plan(text: str, digest: str, host: str) -> Plan:
    """A stored plan that is what its digest says, and is this host's.

    Raises:
        Damaged: It is not; one sentence says why.
    """
    try:
        document = json.loads(text)
        found = digest_of(document)
    except (ValueError, TypeError, AttributeError):
        raise Damaged(f"The stored plan {digest:.12} of {host} is no plan any more.") from None
    if not found == document.get("digest") == digest:
        raise Damaged(f"The stored plan {digest:.12} of {host} was altered: its content's digest is {found:.12}.")
    if document.get("host") != host:
        raise Damaged(f"The stored plan {digest:.12} of {host} is the plan of {document.get('host')}.")
    return Plan(document)
