"""What ``salt-run release.…`` does: the same as ``tidegate release``, with plain data in and out.

A runner's exit status is the ``retcode`` in what it returns; Salt prints an exception as a traceback, so there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from tidegate.host.errors import TidegateError
from tidegate.policy.load import OPTIONS, load
from tidegate.policy.pillar_source import default_directory
from tidegate.release.comparison import compared
from tidegate.release.creation import Progress, Request, RulesBroken
from tidegate.release.creation import create as created
from tidegate.release.errors import NoSuchRelease
from tidegate.release.location import location
from tidegate.release.release import Release
from tidegate.release.store import Store
from tidegate.release.verification import verify as verified

Opts = Mapping[str, Any]
"""The master's options."""

Answer = dict[str, Any]
P = ParamSpec("P")


def _told(act: Callable[P, Answer]) -> Callable[P, Answer]:
    """A failure as one sentence and an exit status."""

    @wraps(act)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return act(*args, **kwargs)
        except RulesBroken as error:
            return {"retcode": 1, "error": str(error), "findings": [finding.as_dict() for finding in error.findings]}
        except TidegateError as error:
            return {"retcode": 1, "error": str(error)}

    return answer


@_told
def create(opts: Opts, request: Mapping[str, Any], who: str, progress: Progress) -> Answer:
    """Create a release from the policy that the ext_pillar reads.

    Args:
        opts: The master's options.
        request: ``note``, ``waive`` (rule → why), ``against``, ``pillar_dir``; ``None`` where nothing was said.
        who: The person who asks.
        progress: Told what is being done.
    """
    directory = Path(request["pillar_dir"] or _configured(opts) or default_directory(opts))
    progress(f"reading the policy in {directory}")
    loaded = load(directory, {name: opts[name] for name in OPTIONS if name in opts})
    if loaded.policy is None:
        error = f"The policy in {directory} has errors."
        return {"retcode": 1, "error": error, "problems": list(map(str, loaded.problems))}
    wanted = Request(
        loaded.policy,
        loaded.document,
        who,
        str(request["note"] or ""),
        {str(rule): str(because) for rule, because in (request["waive"] or {}).items()},
        _text(request["against"]),
    )
    _, release, new = created(_store(opts, create=True), wanted, progress)
    return {"retcode": 0, "new": new, **release.as_dict()}


@_told
def list_(opts: Opts, most: int) -> Answer:
    """Releases, newest first."""
    return {"retcode": 0, "releases": [release.as_dict() for release in _store(opts).releases(most)]}


@_told
def show(opts: Opts, id_: Any, host: str | None) -> Answer:
    """A release, or the plan it has for a host."""
    store = _store(opts)
    release = _found(store, id_)
    if host is not None:
        return {"retcode": 0, "plan": dict(store.plan(release.id, host).document)}
    return {"retcode": 0, **release.as_dict()}


@_told
def delta(opts: Opts, before: Any, after: Any, host: str | None) -> Answer:
    """What happens in the network from one release to another."""
    store = _store(opts)
    return {"retcode": 0, **compared(store, _found(store, before), _found(store, after), host).as_dict()}


@_told
def verify(opts: Opts, id_: Any, progress: Progress) -> Answer:
    """Whether a release, or every one, is what was stored once."""
    store = _store(opts)
    outcomes = verified(store, [_found(store, id_)] if id_ else store.releases(), progress)
    return {
        "retcode": int(any(outcome.damage for outcome in outcomes)),
        "releases": [outcome.as_dict() for outcome in outcomes],
    }


def _store(opts: Opts, *, create: bool = False) -> Store:
    return Store(location(opts=opts), create=create)


def _found(store: Store, id_: Any) -> Release:
    if id_ is not None:
        return store.find(_text(id_) or "")
    newest = store.newest()
    if newest is None:
        raise NoSuchRelease(f"The store {store.name} has no release yet.")
    return newest


def _text(id_: Any) -> str | None:
    """An id as it was typed. Salt reads arguments as YAML, and ``1234567`` or ``12e4`` is then a number."""
    if id_ is None or isinstance(id_, str):
        return id_
    raise NoSuchRelease(f"Salt read the release's id as the number {id_}: write it in two pairs of quotes, \"'…'\".")


def _configured(opts: Opts) -> str | None:
    """The ``pillar_dir`` that the ext_pillar was given."""
    for entry in opts.get("ext_pillar") or ():
        settings = entry.get("tidegate") if isinstance(entry, Mapping) else None
        if isinstance(settings, Mapping) and settings.get("pillar_dir"):
            return str(settings["pillar_dir"])
    return None
