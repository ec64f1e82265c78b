"""What a service answered, held against what was expected: whether it is right, and what was seen in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Found = tuple[bool, str]


def http(status: int, has_body: bool, expected: Mapping[str, Any]) -> Found:
    """An HTTP answer.

    Args:
        status: Its status.
        has_body: Whether the text that was expected is in it; not asked without one.
        expected: ``status``, 200 to 299 if it is not there; ``body``, if any text is wanted.
    """
    right = status == int(expected["status"]) if "status" in expected else 200 <= status <= 299
    if not right:
        return False, f"status {status}, expected {expected.get('status', '200 to 299')}"
    if "body" in expected and not has_body:
        return False, f"status {status}, but {expected['body']!r} is not in the answer"
    return True, f"status {status}"


def dns(code: str, answers: Sequence[str], wanted: object = None) -> Found:
    """A DNS answer.

    Args:
        code: The response code's name.
        answers: What its answer section has.
        wanted: What is to be in it; ``None`` for anything.
    """
    if code != "NOERROR":
        return False, f"the server says {code}"
    if not answers:
        return False, "the server has no such record"
    if wanted is not None and str(wanted) not in answers:
        return False, f"{wanted} is not in the answer: {', '.join(answers)}"
    return True, f"the answer is {', '.join(answers)}"
