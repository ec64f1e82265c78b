"""``probe``: does the service answer from outside, asked by named hosts?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.host.errors import Refused
from tidegate.rollout.gates.gate import Context, Finding, brief, evidence
from tidegate.rollout.verdict import Verdict

KINDS = ("http", "tcp", "dns")
TIME = 5.0
"""Seconds that one probe may take, if the settings do not say."""
_ON_THE_WAY = 10.0
"""Seconds beside the probe itself for the job to reach a host and its answer to come back."""
_NOT_PASSED_ON = frozenset((*KINDS, "kind", "name", "from", "at_least", "time"))


def judge(context: Context) -> Verdict:
    """Let the probe hosts probe, all at once.

    Settings: ``from``, the probe hosts; one of ``http``, ``tcp``, ``dns`` with the target; ``at_least``, how many of
    them must succeed (all of them if it is not said); ``time``. Everything else says what is expected of an answer and
    is passed on to ``traffic.probe`` as it stands.
    """
    hosts = tuple(dict.fromkeys(context.settings["from"]))
    needed = int(context.settings.get("at_least") or len(hosts))
    arguments = _arguments(context.settings)
    answers = context.fleet.ask("traffic.probe", hosts, arguments, arguments["timeout"] + _ON_THE_WAY)
    findings = [_probed(host, answers.get(host)) for host in hosts]
    return _verdict(context, _named(arguments), needed, findings)


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What ``traffic.probe`` is called with."""
    kinds = [kind for kind in KINDS if settings.get(kind) is not None]
    if len(kinds) != 1:
        raise Refused(f"a probe has one of {', '.join(KINDS)}, and this one has {' and '.join(kinds) or 'none'}")
    expected = {key: value for key, value in settings.items() if key not in _NOT_PASSED_ON and value is not None}
    time = float(settings.get("time") or TIME)
    return {"kind": kinds[0], "target": settings[kinds[0]], "timeout": time, **expected}


def _named(arguments: Mapping[str, Any]) -> str:
    asked = f" for {arguments['question']}" if "question" in arguments else ""
    return f"{arguments['kind']} {arguments['target']}{asked}"


def _probed(host: str, answer: Any) -> Finding:
    if answer is None:
        return Finding(host, "inconclusive", "did not answer whether it could")
    if not isinstance(answer, Mapping) or not isinstance(answer.get("ok"), bool):
        return Finding(host, "inconclusive", f"answered what no probe answers: {brief(answer)}")
    return Finding(host, "pass" if answer["ok"] else "fail", brief(answer.get("reason") or "no reason given"))


def _verdict(context: Context, what: str, needed: int, findings: Sequence[Finding]) -> Verdict:
    """Fail only if the silent hosts could not have made up for it; a probe host that is down is no failed service."""
    good = sum(finding.outcome == "pass" for finding in findings)
    silent = [finding for finding in findings if finding.outcome == "inconclusive"]
    failed = [finding for finding in findings if finding.outcome == "fail"]
    count = f"{what}: {good} of {len(findings)} probe hosts succeed, {needed} must"
    seen = {"probe": what, "at_least": needed, **evidence(findings)}
    if not findings or needed > len(findings):
        return context.verdict("inconclusive", f"{count}: there are not so many", seen)
    if good >= needed:
        return context.verdict("pass", count, seen)
    if good + len(silent) >= needed:
        return context.verdict("inconclusive", f"{count}; {silent[0].subject} {silent[0].reason}", seen)
    return context.verdict("fail", f"{count}; {failed[0].subject}: {failed[0].reason}", seen)
