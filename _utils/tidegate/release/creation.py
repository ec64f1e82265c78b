"""How a release is created: compiled, held against the rules, compared with the one before, stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from typing import Any

from tidegate.host.errors import Refused
from tidegate.host.plan import canonical
from tidegate.policy.collector import paused
from tidegate.policy.errors import suggest
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet
from tidegate.release.errors import Overtaken
from tidegate.release.release import Draft, Release, Waiver
from tidegate.release.rules import NAMES, Finding, budgets, judge
from tidegate.release.store import Store

Progress = Callable[[str], None]
"""Told what is being done now, in a few words."""


@dataclass(frozen=True)
class Request:
    """What somebody wants to become a release.

    Attributes:
        policy: The checked policy.
        document: What it was read from.
        who: The person who asks.
        note: What that person says about it.
        waive: Rule → why it may be broken.
        against: Beginning of the id of the release to compare with; the newest without.
    """

    policy: Policy
    document: Mapping[str, Any]
    who: str
    note: str = ""
    waive: Mapping[str, str] = field(default_factory=dict)
    against: str | None = None


@dataclass(frozen=True)
class Proposal:
    """A release as it would be: compiled and judged, and not stored.

    Attributes:
        draft: Policy and plans.
        known: The release with the same content, if there is one: then nothing is judged again.
        newest: The newest release at the time.
        against: The release it was compared with; ``None`` for the first.
        findings: Everything that the rules have found, waived or not.
        waivers: Those that are needed.
    """

    draft: Draft
    known: Release | None
    newest: Release | None
    against: Release | None
    findings: Sequence[Finding]
    waivers: Sequence[Waiver]

    @property
    def refused(self) -> list[Finding]:
        """The findings that nobody waived."""
        waived = {waiver.rule for waiver in self.waivers}
        return [finding for finding in self.findings if finding.rule not in waived]


class RulesBroken(Refused):
    """A release would break rules that nobody waived."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        rules = sorted({finding.rule for finding in findings})
        reasons = "; ".join(finding.reason for finding in findings)
        super().__init__(f"The release would break {', '.join(rules)}: {reasons}.")
        self.findings = findings


@paused()
def create(store: Store, request: Request, progress: Progress) -> tuple[Proposal, Release, bool]:
    """Compile, judge and store.

    Returns:
        What was judged, the release, and whether it is new.

    Raises:
        RulesBroken: Rules would be broken that nobody waived.
        Refused: The request itself makes no sense.
        NoSuchRelease: ``against`` names none.
        StoreError: The store cannot be used.
    """
    draft = compile_release(request, progress)
    while True:
        proposal = propose(store, request, draft, progress)
        if proposal.known:
            return proposal, proposal.known, False
        if proposal.refused:
            raise RulesBroken(proposal.refused)
        progress("storing it")
        try:
            release, new = store.add(
                draft,
                who=request.who,
                note=request.note,
                against=proposal.against,
                waivers=proposal.waivers,
                newest=proposal.newest,
            )
        except Overtaken:
            continue
        return proposal, release, new


@paused()
def compile_release(request: Request, progress: Progress) -> Draft:
    """The draft of a request.

    Raises:
        Refused: A waiver names no rule, or gives no reason.
    """
    for rule, because in request.waive.items():
        if rule not in NAMES:
            raise Refused(f"There is no rule '{rule}' to waive. {suggest(rule, NAMES)}".rstrip())
        if not because.strip():
            raise Refused(f"The waiver of {rule} gives no reason.")
    progress(f"compiling {len(request.policy.fleet.hosts)} hosts")
    return Draft(canonical(request.document), compile_fleet(request.policy))


@paused()
def propose(store: Store | None, request: Request, draft: Draft, progress: Progress) -> Proposal:
    """Judge a draft, without storing anything.

    Args:
        store: ``None`` where there is none yet.
        request: For the policy, the waivers and what to compare with.
        draft: What `compile_release` made of it.
        progress: Told what is being done.

    Raises:
        NoSuchRelease: ``request.against`` names none.
    """
    newest = store.newest() if store else None
    known = store.known(draft.id) if store else None
    if known:
        return Proposal(draft, known, newest, None, [], [])
    against = store.find(request.against) if store and request.against else newest
    progress(f"comparing with {against.short}" if against else "holding it against the rules")
    before = store.plans(against, draft.plans.values()) if store and against else None
    then = _then(store, against) if store else None
    lately = store.plans(then, chain(draft.plans.values(), (before or {}).values())) if store and then else None
    findings = judge(request.policy, draft.plans, before, lately)
    return Proposal(draft, None, newest, against, findings, _waivers(findings, request.waive))


def _then(store: Store, against: Release | None) -> Release | None:
    """The release that was the newest a day ago, or the first of all; ``None`` if that is what is compared with."""
    then = store.newest_before(datetime.now(timezone.utc) - budgets.LATELY)
    return then if then and against and then.id != against.id else None


def _waivers(findings: Sequence[Finding], waive: Mapping[str, str]) -> list[Waiver]:
    """The waivers that are needed: one for a rule that found nothing is not kept, so that it cannot hide what comes."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        found.setdefault(finding.rule, []).append(finding.as_dict())
    return [Waiver(rule, waive[rule], tuple(what)) for rule, what in sorted(found.items()) if rule in waive]
