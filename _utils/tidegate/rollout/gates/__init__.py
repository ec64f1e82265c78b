"""Gates: each looks at a wave and says pass, fail or inconclusive, with evidence. ``docs/gates.md`` has them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from tidegate.host.errors import TidegateError
from tidegate.rollout.gates import health, metrics, probe, verify
from tidegate.rollout.gates.gate import Context, brief
from tidegate.rollout.verdict import Verdict

__all__ = ["KINDS", "Context", "judge"]

KINDS: Mapping[str, Callable[[Context], Verdict]] = {
    "health": health.judge,
    "verify": verify.judge,
    "metrics": metrics.judge,
    "probe": probe.judge,
}
"""How each kind judges. ``approval`` is not here: people are that gate, and the rollout itself waits for them."""

_log = logging.getLogger(__name__)


def judge(context: Context) -> Verdict:
    """Let a gate judge. It blocks for as long as the gate's settings allow.

    Never raises: a gate that breaks could not find out, which is inconclusive.
    """
    kind = context.settings.get("kind")
    judges = KINDS.get(str(kind))
    if judges is None:
        return context.verdict("inconclusive", f"no program judges gates of the kind {kind!r}", {})
    try:
        return judges(context)
    except TidegateError as error:
        return context.verdict("inconclusive", brief(error), {})
    except Exception as error:
        _log.exception("the gate %s broke", context.name)
        return context.verdict("inconclusive", f"the gate broke: {type(error).__name__}: {brief(error)}", {})
