"""The backends of the VIPs that this host balances: who is well, told to the kernel, the next slot and people.

Looks and turns are those of services' checks. A backend that nobody has looked at takes flows, but is no capacity;
one that is sick takes none, unless all are: then the pool keeps them all, and the check ``pool`` of the service that
announces the VIPs decides (``checker/looks.py``).
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tidegate.balancing import maps as kernel
from tidegate.balancing import metrics, pools
from tidegate.balancing.section import Balancing, Service
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.checker.looker import Looker, Seen
from tidegate.checker.machine import Pulse
from tidegate.checker.rules import CheckRule
from tidegate.host.errors import Refused, TidegateError
from tidegate.xdp import attachment, desired

_AGAIN = 3.0
"""Seconds after which what is known is written again, so that its readers see somebody is still looking."""

Key = tuple[str, str]
"""(service, host)."""


class Pools:
    """All backends that this host looks at. ``turn`` is called by the one thread that decides."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._results: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._lookers: dict[Key, Looker] = {}
        self._pulses: dict[Key, Pulse] = {}
        self._section: Balancing | None = None
        self._marker: str | None = None
        self._due = 0.0

    def follow(self, generation: Path) -> None:
        """Look at the backends of this generation; what is known of those that stay is kept.

        Raises:
            Refused: Its file is damaged; what was looked at is looked at still.
        """
        try:
            found = desired.read(generation)
        except Refused:
            if (generation / desired.FILE).exists():
                raise
            self.end()
            self._section, self._marker = None, None
            return
        self._section, self._marker = found.get("balancing"), found["marker"]
        wanted = dict(_rules(self._section)) if self._section else {}
        for key, looker in list(self._lookers.items()):
            if wanted.get(key) != looker.rule:
                looker.end()
                del self._lookers[key]
        self._pulses = {key: self._pulses.get(key, Pulse()) for key in wanted}
        for key, rule in wanted.items():
            if key not in self._lookers:
                self._lookers[key] = Looker(key[0], rule, self._results)
                self._lookers[key].start()
        self._due = 0.0

    def turn(self) -> None:
        """Take in what was seen; tell everybody if it changes something."""
        changed = False
        with contextlib.suppress(queue.Empty):
            while True:
                changed |= self._take(self._results.get_nowait())
        if self._lookers and (changed or time.monotonic() >= self._due):
            self._due = time.monotonic() + _AGAIN
            pools.write(*self._known())
            self._refresh()

    def beat(self) -> bool:
        """Write the figures; whether every look still moves."""
        if self._section is not None:
            with contextlib.suppress(OSError, TidegateError):
                metrics.write(metrics.text(*self._known()))
        return not any(looker.is_stuck() for looker in self._lookers.values())

    def end(self) -> None:
        """Stop looking; who takes flows stays as it is."""
        for looker in self._lookers.values():
            looker.end()
        self._lookers.clear()
        self._pulses.clear()

    def _take(self, seen: Seen) -> bool:
        key = seen.looker.key
        if self._lookers.get(key) is not seen.looker:
            return False
        before = self._pulses[key]
        after = before.after(seen.good, seen.looker.rule)
        self._pulses[key] = after
        if after.well is before.well:
            return False
        self._tell(f"backend {key[1]} of {key[0]} is {'well' if after.well else 'sick'}: {seen.reason}")
        return True

    def _known(self) -> tuple[dict[str, dict[str, bool | None]], dict[str, float]]:
        members: dict[str, dict[str, bool | None]] = {}
        for (service, host), pulse in self._pulses.items():
            members.setdefault(service, {})[host] = pulse.well
        services = {service["name"]: service for service in (self._section or {"services": []})["services"]}
        return members, {name: pools.capacity(hosts, services[name]) for name, hosts in members.items()}

    def _refresh(self) -> None:
        """Tell the kernel, if it runs this generation."""
        if self._section is None or not self._section["services"]:
            return
        try:
            with pinned_maps(attachment.maps_directory()) as maps:
                if not maps:
                    return
                slots = Slots(maps)
                if slots.marker(slots.in_force) == self._marker:
                    kernel.refresh(maps, slots.in_force, self._section, pools.sick())
        except TidegateError as error:
            self._tell(f"the kernel was not told who is sick: {error}")


def _rules(section: Balancing) -> Iterator[tuple[Key, CheckRule]]:
    for service in section["services"]:
        for backend in service["backends"]:
            if service["check"] is not None:
                yield (service["name"], backend["host"]), _rule(service, backend["host"], backend["address"])


def _rule(service: Service, host: str, address: str) -> CheckRule:
    check = service["check"]
    assert check is not None
    where = f"[{address}]:{check['port']}" if ":" in address else f"{address}:{check['port']}"
    expected: dict[str, Any] = {} if check["status"] is None else {"status": check["status"]}
    return CheckRule(
        name=host,
        kind="http" if check["http"] else "tcp",
        target=f"http://{where}{check['http']}" if check["http"] else where,
        interval=check["interval"],
        timeout=check["timeout"],
        rise=check["rise"],
        fall=check["fall"],
        expected=expected,
    )
