"""The checker itself: follows the generation that BIRD was made to run, looks, decides, and moves routes.

It touches neither BIRD nor its configuration: a service is withdrawn by removing its routes from the kernel table that
BIRD learns from (``bird/routes.py``), so that no reconfiguration and no restart of BIRD brings it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import queue
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tidegate.bird import desired, routes
from tidegate.checker import elsewhere, links, machine, metrics, notify, record, rules
from tidegate.checker.looker import Looker, Seen
from tidegate.checker.machine import Pulse, Standing
from tidegate.checker.metrics import Tally
from tidegate.checker.pools import Pools
from tidegate.checker.record import Known
from tidegate.checker.rules import Rules, ServiceRule
from tidegate.host import lock
from tidegate.host.errors import Failed, TidegateError
from tidegate.host.paths import paths

_TICK = 0.2
_BEAT = 1.0


class Checker:
    """All services of this host that have checks. One thread decides; the lookers only look."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._results: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._lookers: dict[tuple[str, str], Looker] = {}
        self._generation: Path | None = None
        self._rules: Rules = {}
        self._routes: dict[str, set[routes.Route]] = {}
        self._services: dict[str, Known] = {}
        self._written: dict[str, Known] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._changes: Counter[str] = Counter()
        self._said = ""
        self._pools = Pools(tell)

    def turn(self) -> None:
        """Follow the generation, take in what has been seen for a moment, and act on it."""
        self._guarded(self._follow)
        with contextlib.suppress(queue.Empty):
            self._take(self._results.get(timeout=_TICK))
            while True:
                self._take(self._results.get_nowait())
        self._guarded(self._pools.turn)
        self._guarded(self._act)

    def beat(self) -> bool:
        """Write the figures; whether everything still moves."""
        with contextlib.suppress(OSError):
            metrics.write(metrics.text(self._services, self._tallies, self._changes))
        moving = self._pools.beat()
        return moving and not any(looker.is_stuck() for looker in self._lookers.values())

    @property
    def has_seen_all(self) -> bool:
        """Whether every check has been looked at once since this process began."""
        return self._generation is not None and self._lookers.keys() == self._tallies.keys()

    def end(self) -> None:
        """Stop looking; what is announced stays as it is."""
        for looker in self._lookers.values():
            looker.end()
        self._pools.end()

    def _follow(self) -> None:
        generation = links.generation()
        if generation is None or generation == self._generation:
            return
        with record.locked():
            planned, found = desired.read(generation), rules.read(generation)
            live, now = routes.live(), time.monotonic()
            self._routes = {
                name: {(planned.table, prefix) for prefix, service in planned.routes.items() if service == name}
                for name in found
            }
            known = record.read() if self._generation is None else record.Record()
            self._services = {name: self._begin(name, found[name], known, live, now) for name in found}
            self._rules, self._generation = found, generation
            self._remember()
        self._look()
        self._pools.follow(generation)
        self._tell(f"{', '.join(sorted(found)) or 'no service'} of generation {generation.name} is looked after")

    def _begin(self, name: str, rule: ServiceRule, known: record.Record, live: set[routes.Route], now: float) -> Known:
        """A service of a generation that is new: as it was before, else as the kernel and the record have it."""
        there = bool(self._routes[name] & live)
        one = self._services.get(name) or known.services.get(name)
        if one is None:
            return Known(machine.first(there, now), there)
        if name in self._services or known.is_of_this_boot:
            # Announced, and yet without a route: this process died in between, or somebody took it away by hand.
            lost = one.standing.state == "up" and not there
            if lost or self._is_judged_anew(name, rule):
                return Known(Standing("unproven", now, was_up=lost), False, {}, one.why)
            return one
        standing = machine.after_boot(one.standing, now)
        return Known(standing, False, one.pulses if standing.state == "down" else {}, one.why)

    def _is_judged_anew(self, name: str, rule: ServiceRule) -> bool:
        """Whether a service is down by checks alone that are no more, or that look at something else now: what they saw
        says nothing, as after a change with a wrong check that was undone."""
        one, before = self._services.get(name), self._rules.get(name)
        if one is None or before is None or one.standing.state != "down" or one.announced:
            return False
        now = {check.name: check.looks_at for check in rule.checks}
        sick = [check for check in before.checks if one.pulses.get(check.name, Pulse()).well is False]
        return bool(sick) and all(now.get(check.name) != check.looks_at for check in sick)

    def _look(self) -> None:
        wanted = {(name, check.name): check for name, rule in self._rules.items() for check in rule.checks}
        for key, looker in list(self._lookers.items()):
            if wanted.get(key) != looker.rule:
                looker.end()
                del self._lookers[key]
                self._tallies.pop(key, None)
        for (service, name), check in wanted.items():
            if (service, name) not in self._lookers:
                self._lookers[service, name] = Looker(service, check, self._results)
                self._lookers[service, name].start()

    def _take(self, seen: Seen) -> None:
        service, name = seen.looker.key
        if self._lookers.get(seen.looker.key) is not seen.looker:
            return
        tally = self._tallies.setdefault(seen.looker.key, Tally())
        tally.seconds = seen.seconds
        tally.good, tally.bad = tally.good + seen.good, tally.bad + (not seen.good)
        one = self._services[service]
        before = one.pulses.get(name) or machine.fresh(one.standing)
        pulse = before.after(seen.good, seen.looker.rule)
        if pulse.well is not before.well:
            self._tell(f"{service}: {name} is {'well' if pulse.well else 'sick'}: {seen.reason}")
        why = one.why if seen.good else f"{name}: {seen.reason}"
        self._services[service] = Known(one.standing, one.announced, {**one.pulses, name: pulse}, why)

    def _act(self) -> None:
        """Decide about every service, and make the kernel agree where a decision has changed."""
        now = time.monotonic()
        for name, one in self._services.items():
            pulses = [one.pulses.get(check.name) or machine.fresh(one.standing) for check in self._rules[name].checks]
            standing = one.standing.after(pulses, self._rules[name].hold, now)
            why = "" if standing.state == "up" and not any(pulse.streak for pulse in pulses) else one.why
            self._services[name] = Known(standing, one.announced, self._kept(name), why)
        decided = self._decided(now)
        moved = [name for name, one in self._services.items() if decided[name] != one.announced]
        if moved:
            self._move(decided, moved)
        elif _lasting(self._services) != _lasting(self._written):
            with record.locked():
                if links.generation() == self._generation:
                    self._remember()

    def _kept(self, name: str) -> dict[str, Pulse]:
        wanted = {check.name for check in self._rules[name].checks}
        return {check: pulse for check, pulse in self._services[name].pulses.items() if check in wanted}

    def _decided(self, now: float) -> dict[str, bool]:
        others = elsewhere.told(now)
        standings = {name: one.standing for name, one in self._services.items()}
        return {
            name: machine.announced(name, standings, self._rules[name], others.get(name)) for name in self._services
        }

    def _move(self, decided: dict[str, bool], moved: list[str]) -> None:
        with record.locked():
            if links.generation() != self._generation:
                # Another generation has been applied since: it is followed first.
                return
            live = routes.live()
            # Withdrawing comes first, and before anything is written: it must not wait for a disk.
            gone = {route for name in moved if not decided[name] for route in self._routes[name]}
            routes.remove(gone & live)
            routes.add({route for name in moved if decided[name] for route in self._routes[name]} - live)
            for name in moved:
                one = self._services[name]
                self._services[name] = Known(one.standing, decided[name], one.pulses, one.why)
                self._changes[name] += 1
                self._tell(f"{name} is {'announced' if decided[name] else f'withdrawn ({one.why})'}")
            self._remember()

    def _remember(self) -> None:
        try:
            record.write(self._services)
            self._written = dict(self._services)
        except OSError as error:
            self._complain(f"what is known cannot be kept: {error}")

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (TidegateError, OSError) as error:
            self._complain(str(error))

    def _complain(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._tell(text)


def run() -> list[str]:
    """Check until told to stop, or until the runtime that is to check is another one: systemd then starts that.

    Raises:
        Failed: another checker runs on this host.
    """
    over: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        over.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with _alone():
        checker, own = Checker(_print), links.runtime()
        is_ready, beaten = False, 0.0
        try:
            while not over and links.runtime() == own:
                checker.turn()
                if not is_ready and checker.has_seen_all:
                    is_ready = True
                    notify.tell("READY=1")
                if time.monotonic() - beaten >= _BEAT:
                    beaten = time.monotonic()
                    if checker.beat():
                        notify.tell("WATCHDOG=1")
        finally:
            checker.end()
    return []


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    paths().run.mkdir(mode=0o755, parents=True, exist_ok=True)
    with lock_file().open("w") as file:
        # Whoever asks whether a checker runs holds it for an instant.
        if not lock.taken(file, _BEAT):
            raise Failed("a checker runs on this host already")
        yield


def is_running() -> bool:
    """Whether a checker runs on this host."""
    try:
        with lock_file().open() as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def lock_file() -> Path:
    """Held by the checker for as long as it lives."""
    return paths().run / "health.lock"


def _lasting(services: dict[str, Known]) -> dict[str, Any]:
    """What is worth writing down: everything but the words."""
    return {name: (one.standing, one.announced, one.pulses) for name, one in services.items()}


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
