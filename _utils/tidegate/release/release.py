"""A release: a policy and every host's plan, named by their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from tidegate.host.plan import Plan, canonical

SHORT = 12
"""Digits of an id that people see."""


@dataclass(frozen=True)
class Waiver:
    """A rule that a release was allowed to break: why, and what the rule had found."""

    rule: str
    because: str
    findings: tuple[Mapping[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """The waiver as plain data."""
        return {"rule": self.rule, "because": self.because, "findings": list(map(dict, self.findings))}


@dataclass(frozen=True)
class Release:
    """What the store says of a release, without its plans.

    Attributes:
        id: sha256 in hex over the policy's digest and every host's plan digest.
        number: The order of creation.
        created_at: In UTC.
        who: The person who created it.
        note: What that person said about it.
        against: Id of the release that the rules compared it with; ``None`` for the first.
        policy_digest: sha256 in hex over the policy's canonical form.
        hosts: How many plans it has.
        waivers: The rules it was allowed to break.
    """

    id: str
    number: int
    created_at: datetime
    who: str
    note: str
    against: str | None
    policy_digest: str
    hosts: int
    waivers: tuple[Waiver, ...]

    @property
    def short(self) -> str:
        """Enough of the id for people."""
        return self.id[:SHORT]

    def as_dict(self) -> dict[str, Any]:
        """The release as plain data."""
        return {
            "id": self.id,
            "created_at": self.created_at.isoformat(timespec="seconds"),
            "who": self.who,
            "note": self.note,
            "against": self.against,
            "policy_digest": self.policy_digest,
            "hosts": self.hosts,
            "waivers": [waiver.as_dict() for waiver in self.waivers],
        }


@dataclass(frozen=True)
class Draft:
    """A release that is compiled and not stored yet.

    Attributes:
        policy: The merged policy document in its canonical form.
        plans: Host → plan.
    """

    policy: str
    plans: Mapping[str, Plan]

    @property
    def policy_digest(self) -> str:
        """sha256 in hex over the policy."""
        return digest(self.policy)

    @property
    def id(self) -> str:
        """The id that it has if it is stored."""
        return identity(self.policy_digest, {host: plan.digest for host, plan in self.plans.items()})


def identity(policy_digest: str, plans: Mapping[str, str]) -> str:
    """A release's id.

    Args:
        policy_digest: sha256 in hex over the policy's canonical form.
        plans: Host → digest of its plan.
    """
    return digest(canonical({"policy": policy_digest, "plans": dict(plans)}))


def digest(text: str) -> str:
    """sha256 in hex over a text, as UTF-8."""
    return sha256(text.encode()).hexdigest()
