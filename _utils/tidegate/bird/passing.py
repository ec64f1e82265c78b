"""What neighbors are told besides our services: routes learned from others, and a default route of our own."""

from __future__ import annotations

from hashlib import sha256
from json import dumps
from typing import Any

from tidegate.bird.learning import LEARNED_FROM
from tidegate.bird.quote import Syntax
from tidegate.bird.section import Action, Neighbor
from tidegate.host.errors import Refused

UPHILL = ("provider", "peer", "rs")
"""Who may be told of our own and our customers' routes alone (RFC 9234)."""

DOWNHILL = ("customer", "ibgp")
"""Who may be told of a default route."""


def may_hear(role: str) -> tuple[str, ...]:
    """Whose routes a neighbor of a role may be told: what we pay for, or get for nothing, is for customers alone."""
    if role in UPHILL:
        return ("customer",)
    return ("customer", "rs-client") if role == "rs-client" else tuple(LEARNED_FROM)


class Passing:
    """The functions for learned routes that a section's neighbors need, each entered when the first one calls it."""

    def __init__(self) -> None:
        self._functions: dict[Syntax, dict[str, Any]] = {}
        self._actions: dict[Syntax, list[dict[str, Any]]] = {}
        self.defaults: set[str] = set()

    @property
    def functions(self) -> list[dict[str, Any]]:
        """``function``, the ``marks`` of what it passes, and whether it goes ``outside`` our AS."""
        return [self._functions[key] for key in sorted(self._functions)]

    @property
    def actions(self) -> list[dict[str, Any]]:
        """``function``, and its ``actions`` with every key."""
        return [{"function": key, "actions": self._actions[key]} for key in sorted(self._actions)]

    def calls(self, neighbor: Neighbor, digit: str) -> list[str]:
        """The calls that decide about what is not a service of ours.

        Raises:
            Refused: The neighbor must never be told of that, whatever the plan says.
        """
        calls = []
        if roles := neighbor.get("learned"):
            obeyed = self._obeyed(neighbor)
            passed = f"{self._function(neighbor, list(roles))}()"
            # First what is asked for: passing takes away the marks that say who may ask.
            calls.append(f"({obeyed}() && {passed})" if obeyed else passed)
        if neighbor.get("default_route"):
            if neighbor["role"] not in DOWNHILL:
                raise _refusal(neighbor, f"a {neighbor['role']} is never told of a default route")
            self.defaults.add(digit)
            calls.append(f"announce_default{digit}()")
        return calls

    def guard(self, neighbor: Neighbor) -> str:
        """What every route must pass before any call: uphill, nothing that came from uphill, whatever its marks say."""
        return "! is_from_uphill() && " if neighbor.get("learned") and neighbor["role"] in UPHILL else ""

    def _obeyed(self, neighbor: Neighbor) -> Syntax | None:
        """The function for what customers ask for; neighbors of whom the same is asked share one."""
        actions = neighbor.get("actions")
        if not actions:
            return None
        function = Syntax(f"obey_{sha256(dumps(actions, sort_keys=True).encode()).hexdigest()[:8]}")
        self._actions[function] = [{**dict.fromkeys(Action.__annotations__), **action} for action in actions]
        return function

    def _function(self, neighbor: Neighbor, roles: list[str]) -> Syntax:
        unknown = [role for role in roles if role not in may_hear(neighbor["role"])]
        if unknown:
            raise _refusal(neighbor, f"a {neighbor['role']} is never told of routes learned from {', '.join(unknown)}")
        outside = neighbor["role"] != "ibgp"
        words = "_".join(role.replace("-", "") for role in sorted(roles))
        function = Syntax(f"pass_{words}" if outside else f"pass_inside_{words}")
        marks = [Syntax(LEARNED_FROM[role]) for role in sorted(roles)]
        self._functions.setdefault(function, {"function": function, "marks": marks, "outside": outside})
        return function


def _refusal(neighbor: Neighbor, problem: str) -> Refused:
    return Refused(f"BIRD: neighbor {neighbor['name']!r}: {problem}")
