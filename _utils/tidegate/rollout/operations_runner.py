"""What ``salt-run rollout.drain``, ``rollout.drift`` and their like do, with plain data in and out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from tidegate.host.errors import Refused
from tidegate.release.assignments import Assignments
from tidegate.release.operations import Kind, Operations
from tidegate.release.store import Store
from tidegate.rollout import draining, drifts, operating, weighing
from tidegate.rollout.applying import Applied, apply
from tidegate.rollout.fleet import Fleet
from tidegate.rollout.runner import Answer, Opts, duration, names, number_of, opened, told, words

WAIT = 120.0
"""Seconds that hosts have to apply something."""


@told
def drain(opts: Opts, target: Mapping[str, Any], request: Mapping[str, Any], who: str) -> Answer:
    """Lead traffic away, and tell the hosts unless ``later``.

    Args:
        opts: The master's options.
        target: Label → value.
        request: ``how``, ``times``, ``gracefully``, ``because``, ``lasts``, ``below_min_pops`` and ``later``.
        who: The person who asks.
    """
    store, wanted = opened(opts), _target(target)
    settings = {key: request[key] for key in ("how", "times", "gracefully") if request.get(key) is not None}
    if not request["below_min_pops"]:
        draining.spare(store, wanted, settings)
    because, lasts = words(request["because"]), request["lasts"]
    operation, hosts = operating.begin(store, "drain", wanted, settings, who=who, why=because, lasts=_lasts(lasts))
    applied = {} if request["later"] else _apply(store, fleet(opts), hosts)
    return {"retcode": _retcode(applied), **operation.as_dict(), "hosts": hosts, "applied": _plain(applied)}


@told
def undrain(opts: Opts, target: Mapping[str, Any], because: Any, later: bool, who: str) -> Answer:
    """End a drain, and tell the hosts unless ``later``."""
    store, wanted = opened(opts), _target(target)
    ended = operating.end(store, "drain", wanted, who, words(because))
    hosts = operating.known(store).hosts(wanted)
    applied = {} if later else _apply(store, fleet(opts), hosts)
    return {"retcode": _retcode(applied), "ended": [one.as_dict() for one in ended], "applied": _plain(applied)}


@told
def weight(opts: Opts, target: Mapping[str, Any], request: Mapping[str, Any], who: str) -> Answer:
    """Give a backend another weight, or end that, and tell the balancers unless ``later``.

    Args:
        opts: The master's options.
        target: ``host``, and ``service`` for one alone.
        request: ``to`` (a number, ``drain``, or nothing to end it), ``because``, ``lasts`` and ``later``.
        who: The person who asks.
    """
    store, wanted, because = opened(opts), _target(target), words(request["because"])
    if request["to"] is None:
        operations = operating.end(store, "weight", wanted, who, because)
        hosts = weighing.using(store, wanted)
    else:
        settings = {"weight": request["to"]}
        hosts = weighing.balancers(store, wanted, settings)
        lasts = _lasts(request["lasts"])
        operations = [operating.begin(store, "weight", wanted, settings, who=who, why=because, lasts=lasts)[0]]
    applied = {} if request["later"] else _apply(store, fleet(opts), hosts)
    listed = [one.as_dict() for one in operations]
    return {"retcode": _retcode(applied), "operations": listed, "hosts": hosts, "applied": _plain(applied)}


@told
def begin(opts: Opts, kind: Kind, target: Mapping[str, Any], because: Any, lasts: Any, who: str) -> Answer:
    """Begin a hold or a pause."""
    wanted, why = _target(target), words(because)
    operation, hosts = operating.begin(opened(opts), kind, wanted, {}, who=who, why=why, lasts=_lasts(lasts))
    return {"retcode": 0, **operation.as_dict(), "hosts": hosts}


@told
def end(opts: Opts, id_: Any, because: Any, who: str) -> Answer:
    """End an operation by its number."""
    number = number_of(id_)
    if number is None:
        raise Refused("No operation was named to end: see 'salt-run rollout.operations'.")
    return {"retcode": 0, **Operations(opened(opts)).end(number, who, words(because)).as_dict()}


@told
def operations(opts: Opts, ever: bool) -> Answer:
    """Those in effect, or all."""
    found = Operations(opened(opts))
    listed = found.all() if ever else found.active(datetime.now(timezone.utc))
    return {"retcode": 0, "operations": [one.as_dict() for one in listed]}


@told
def drift(opts: Opts, hosts: Any, wait: Any) -> Answer:
    """Ask hosts what was changed on them by hand; ends with 3 if something was, or a host did not say."""
    found = drifts.drifts(opened(opts), fleet(opts), names(hosts), duration(wait))
    return {"retcode": 3 if found.unexplained or found.unknown else 0, **found.as_dict()}


@told
def restore(opts: Opts, hosts: Any, wait: Any) -> Answer:
    """Have hosts apply what they are served."""
    applied = drifts.restore(opened(opts), fleet(opts), names(hosts), duration(wait))
    return {"retcode": _retcode(applied), "applied": _plain(applied)}


@told
def adopt(opts: Opts, host: str, because: Any, lasts: Any, who: str) -> Answer:
    """Accept what was changed on a host, exactly as it is now."""
    store, until = opened(opts), operating.ends(_lasts(lasts))
    found = drifts.drifts(store, fleet(opts), [host])
    return {"retcode": 0, **drifts.adopt(store, found, host, who, words(because), until).as_dict()}


def fleet(opts: Opts) -> Fleet:
    """The fleet behind the master whose options these are."""
    from tidegate.rollout.salt_fleet import SaltFleet

    return SaltFleet(opts)


def _apply(store: Store, hosts_of: Fleet, hosts: list[str]) -> dict[str, Applied]:
    assigned = Assignments(store).all()
    wanted = [host for host in hosts if host in assigned]
    return apply(hosts_of, wanted, WAIT) if wanted else {}


def _target(target: Mapping[str, Any]) -> dict[str, str]:
    # Salt puts arguments of its own among those that a runner takes as they come.
    return {label: words(value) for label, value in target.items() if not label.startswith("__")}


def _lasts(lasts: Any) -> str | None:
    return None if lasts is None else words(lasts)


def _retcode(applied: Mapping[str, Applied]) -> int:
    return int(any(not one.good for one in applied.values()))


def _plain(applied: Mapping[str, Applied]) -> dict[str, dict[str, str]]:
    return {host: one.as_dict() for host, one in applied.items()}
