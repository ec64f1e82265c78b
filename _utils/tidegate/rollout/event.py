"""What the journal of a rollout is made of. The journal is the truth; state is what it folds to.

People write `ASKED` kinds, from any machine that reaches the store. Everything else is written by the engine that holds
the lease. Bodies are plain data; what each kind has in it is said here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Asked = Literal["started", "paused", "resumed", "approved", "retried", "skipped", "aborted", "rollback", "superseded"]
Done = Literal[
    "checked", "wave", "job", "returned", "lost", "judged", "promoted", "stopped", "reversing", "waiting", "finished"
]
Kind = Literal[
    "started", "paused", "resumed", "approved", "retried", "skipped", "aborted", "rollback", "superseded",
    "checked", "wave", "job", "returned", "lost", "judged", "promoted", "stopped", "reversing", "waiting", "finished",
]  # fmt: skip

ASKED: frozenset[str] = frozenset(
    ("started", "paused", "resumed", "approved", "retried", "skipped", "aborted", "rollback", "superseded")
)
"""Kinds that people write.

=========== ===========================================================================================================
kind        body
=========== ===========================================================================================================
started     {}
paused      {}                       no host begins any more; what is under way is brought to its end
resumed     {}                       after a pause, or to have gates judge again after a stop
approved    {"wave": name}
retried     {"hosts": [name] | null} hosts that were left behind, or all of them; or the check before the start, again
skipped     {"hosts": [name]}        they keep the release that they have
aborted     {}                       stop here: what is confirmed stays, what is not is undone
rollback    {"waves": [name] | null} these waves, or all of them, go back to what they had before
superseded  {"by": number}           another rollout has taken over these hosts
=========== ===========================================================================================================

Kinds that the engine writes; and ``paused``, where a gate needs people, with the reason as its ``why``.

=========== ===========================================================================================================
checked     {"problems": {host: reason}}             the look at every host before the first wave; empty is good
wave        {"wave": name}                           it begins
job         {"jid": jid, "act": Act, "hosts": [host], "wave": name}      written before it is published
returned    {"jid": jid, "hosts": {host: {"outcome": Outcome, "reason": text}}}
lost        {"jid": jid, "hosts": {host: reason}}    they have not answered: unknown
judged      {"wave": name, "round": n, "elapsed": seconds, "verdicts": [Verdict]}
promoted    {"wave": name}
stopped     {"reason": text, "wave": name}           a budget or a gate says so
reversing   {"reason": text, "waves": [name]}        a rollback begins, by policy or because it was asked for
waiting     {"reason": text | null}                  what it waits for: a freeze, an invariant, another rollout
finished    {"status": Status, "reason": text}
=========== ===========================================================================================================
"""

Act = Literal["apply", "confirm", "back"]
"""What a job does: bring a host to the release, make that permanent, or bring it back to what it had before."""

HostOutcome = Literal["ok", "changed", "applied", "failed", "reverted", "expired"]
"""What became of one host in one job.

``ok``: it ran the plan already. ``applied``: it runs it, unconfirmed. ``changed``: it runs it, confirmed. ``failed``:
it does not, and what it runs is not what we believe. ``reverted``: it undid the change. ``expired``: it undid the
change because nobody confirmed it in time, or the master gave it another plan; it is tried once more.
"""


@dataclass(frozen=True)
class Event:
    """One entry of a rollout's journal.

    Attributes:
        kind: What happened.
        body: As described above.
        seq: Its place in the journal, from 1; 0 until it is written.
        at: When it was written, for people: no decision rests on it.
        who: Who asked; empty for the engine.
        why: The reason that person gave.
    """

    kind: Kind
    body: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    at: datetime | None = None
    who: str = ""
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The event as plain data."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(timespec="milliseconds") if self.at else None,
            "kind": self.kind,
            "who": self.who,
            "why": self.why,
            **self.body,
        }
