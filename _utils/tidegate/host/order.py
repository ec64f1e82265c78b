"""Who asks for a change: a person or a plain highstate, or a rollout's engine with a number and a fence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.host.errors import Refused


@dataclass(frozen=True)
class Order:
    """The default is a person, or a plain highstate.

    Attributes:
        owner: The number of the rollout that asks.
        fence: The epoch of the lease that its engine holds (`host.fence`).
        again: A generation that this host undid before may be tried once more.
    """

    owner: str | None = None
    fence: int | None = None
    again: bool = False

    @classmethod
    def of(cls, owner: Any = None, fence: Any = None, again: Any = False) -> Order:
        """An order out of what arrived as a state's or a function's arguments: Salt makes a number of ``owner=12``.

        Raises:
            Refused: the fence is not a whole number, or ``again`` is neither true nor false.
        """
        if isinstance(fence, bool) or not isinstance(fence, (int, str, type(None))):
            raise Refused(f"the fence is to be a whole number, not {fence!r}")
        if not isinstance(again, bool):
            raise Refused(f"again is to be true or false, not {again!r}")
        try:
            number = None if fence in (None, "") else int(fence)
        except ValueError:
            raise Refused(f"the fence is to be a whole number, not {fence!r}") from None
        return cls(None if owner in (None, "") else str(owner), number, again)


PERSON = Order()


def whose(owner: str | None) -> str:
    """An owner in words: ``rollout 12``."""
    return f"rollout {owner}" if owner else "a highstate"
