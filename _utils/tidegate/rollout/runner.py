"""What ``salt-run rollout.…`` does: the same as ``tidegate rollout``, ``drain`` and ``drift``, with plain data.

A runner's exit status is the ``retcode`` in what it returns; Salt prints an exception as a traceback, so there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

from tidegate.host.errors import Refused, TidegateError
from tidegate.policy.durations import seconds
from tidegate.release.errors import NoSuchRelease
from tidegate.release.location import location
from tidegate.release.store import Store
from tidegate.rollout import proposal
from tidegate.rollout.asking import Asking, chosen
from tidegate.rollout.event import Event
from tidegate.rollout.explain import explain as explained
from tidegate.rollout.following import Following
from tidegate.rollout.journal import Journal
from tidegate.rollout.narrative import sentence
from tidegate.rollout.standing import EXIT, Standing

Opts = Mapping[str, Any]
"""The master's options."""
Answer = dict[str, Any]
Progress = Callable[[str], None]
P = ParamSpec("P")

EVERY = 2.0
"""Seconds between two looks at the journal."""


def told(act: Callable[P, Answer]) -> Callable[P, Answer]:
    """A failure as one sentence and an exit status."""

    @wraps(act)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return act(*args, **kwargs)
        except TidegateError as error:
            return {"retcode": 1, "error": str(error)}

    return answer


@told
def plan(opts: Opts, release: Any, match: Any, emergency: bool) -> Answer:
    """What a rollout would do."""
    request = proposal.Request(text(release), selector(match), emergency=bool(emergency), why="planned, not started")
    return {"retcode": 0, **_plan(proposal.propose(opened(opts), request))}


@told
def start(opts: Opts, release: Any, request: Mapping[str, Any], who: str) -> Answer:
    """Start a rollout.

    Args:
        opts: The master's options.
        release: What to roll out.
        request: ``match``, ``emergency``, ``override_freeze``, ``supersede`` and ``because``.
        who: The person who asks.
    """
    wanted = proposal.Request(
        text(release),
        selector(request["match"]),
        None,
        bool(request["emergency"]),
        number_of(request["supersede"]),
        bool(request["override_freeze"]),
        words(request["because"]),
    )
    return _start(opened(opts), wanted, who)


@told
def status(opts: Opts, number: Any) -> Answer:
    """Where a rollout is; its exit status says what that comes to."""
    view = _following(opts, number).view()
    return {"retcode": EXIT[view.standing], **view.as_dict()}


@told
def watch(opts: Opts, number: Any, timeout: Any, progress: Progress) -> Answer:
    """Wait until a rollout ends or needs people, and tell what happens meanwhile."""
    found = _following(opts, number)
    begin, limit = time.monotonic(), None if timeout is None else duration(timeout)
    events: Sequence[Event] = found.events
    while True:
        for event in events:
            progress(sentence(event))
        view = found.view()
        if view.standing is not Standing.GOING or (limit is not None and time.monotonic() - begin > limit):
            return {"retcode": EXIT[view.standing], **view.as_dict()}
        time.sleep(EVERY)
        events = found.read()


@told
def explain(opts: Opts, number: Any) -> Answer:
    """Why a rollout is where it is, and what people can do."""
    return {"retcode": 0, **explained(_following(opts, number).view()).as_dict()}


@told
def history(opts: Opts, number: Any, most: int) -> Answer:
    """Rollouts, or the journal of one."""
    journal = Journal(opened(opts))
    wanted = number_of(number)
    if wanted is None:
        return {"retcode": 0, "rollouts": [one.as_dict() for one in journal.rollouts(most)]}
    rollout = journal.rollout(wanted)
    return {"retcode": 0, **rollout.as_dict(), "events": [event.as_dict() for event in journal.events(wanted)]}


@told
def ask(opts: Opts, number: Any, who: str, verb: str, *args: Any) -> Answer:
    """Ask something of a rollout: one of the verbs of `Asking`, by name."""
    store = opened(opts)
    wanted = chosen(store, number_of(number), active=True)
    event: Event = getattr(Asking(store, wanted, who), verb)(*args)
    return {"retcode": 0, "rollout": wanted, **event.as_dict()}


@told
def retry(opts: Opts, number: Any, hosts: Any, because: Any, who: str) -> Answer:
    """Try hosts again that were left behind."""
    return ask(opts, number, who, "retry", names(hosts), words(because))


@told
def skip_host(opts: Opts, number: Any, hosts: Any, because: Any, who: str) -> Answer:
    """Go on without hosts."""
    return ask(opts, number, who, "skip", names(hosts), words(because))


@told
def rollback(opts: Opts, number: Any, far: Mapping[str, Any], because: Any, who: str) -> Answer:
    """Bring hosts back.

    Args:
        opts: The master's options.
        number: The rollout.
        far: How far: one of ``waves``, ``all`` and ``to``.
        because: Why.
        who: The person who asks.
    """
    waves, to = names(far["waves"]), far["to"]
    if sum((bool(waves), bool(far["all"]), to is not None)) != 1:
        raise Refused("Say how far to go back: one of waves=NAME, everything=True and to=RELEASE.")
    if to is None:
        return ask(opts, number, who, "rollback", waves or None, words(because))
    store = opened(opts)
    found = chosen(store, number_of(number), active=False)
    request = proposal.Request(text(to), why=words(because) or f"rollback of rollout {found}")
    return _start(store, proposal.again(store, found, request), who)


def _start(store: Store, request: proposal.Request, who: str) -> Answer:
    planned = proposal.propose(store, request)
    return {"retcode": 0, "rollout": planned.start(store, who), **_plan(planned)}


def _plan(planned: proposal.Proposal) -> Answer:
    brief = planned.brief
    return {
        "release": planned.release.id,
        "hosts": len(brief.hosts),
        "unchanged": len(brief.unchanged),
        "gone": list(planned.gone),
        "waves": [
            {
                "name": wave.name,
                "hosts": list(wave.hosts),
                "soak": wave.soak,
                "gates": list(wave.gates),
                "changes": planned.deltas[wave.name].by_pop,
            }
            for wave in brief.waves
        ],
    }


def opened(opts: Opts) -> Store:
    """The store of the master's configuration."""
    return Store(location(opts=opts))


def _following(opts: Opts, number: Any) -> Following:
    store = opened(opts)
    return Following(store, chosen(store, number_of(number), active=False))


def text(release: Any) -> str:
    """An id as it was typed. Salt reads arguments as YAML, and ``1234567`` or ``12e4`` is then a number."""
    if isinstance(release, str) and release:
        return release
    raise NoSuchRelease(
        f"Salt read the release's id as the number {release}: write it in two pairs of quotes, \"'…'\"."
    )


def number_of(number: Any) -> int | None:
    """A rollout's or an operation's number.

    Raises:
        Refused: It is none.
    """
    if number is None or (isinstance(number, int) and not isinstance(number, bool) and number > 0):
        return number
    raise Refused(f"'{number}' is no number of a rollout or an operation: see 'salt-run rollout.history'.")


def names(value: Any) -> list[str]:
    """One name or several, as people write them on a command line: ``a``, ``a,b`` or ``'[a, b]'``."""
    if value is None:
        return []
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    if isinstance(value, Sequence):
        return [str(name) for name in value]
    raise Refused(f"'{value}' is no name: expected one, or several with commas between them.")


def words(value: Any) -> str:
    """Text, whatever YAML made of it."""
    return "" if value is None else str(value).strip()


def duration(value: Any) -> float:
    """Seconds of a duration.

    Raises:
        Refused: It is none.
    """
    try:
        return float(value) if isinstance(value, int) else seconds(words(value))
    except ValueError:
        raise Refused(f"'{value}' is no duration: expected one such as 30s, 5m or 1h30m.") from None


def selector(match: Any) -> dict[str, tuple[str, ...]]:
    """Hosts, as ``'{region: eu}'`` or ``region=eu``.

    Raises:
        Refused: It chooses none.
    """
    if match is None:
        return {}
    if isinstance(match, Mapping):
        told_words = [f"{label}={value}" for label, some in match.items() for value in names(some)]
    else:
        told_words = names(match)
    if not told_words:
        raise Refused("match is empty: leave it out for the whole fleet.")
    return proposal.of_words(told_words)
