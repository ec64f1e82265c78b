"""Killed at any point: every call into the kernel, and every write of its memory, is the one before which the process
ends, in turn."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest

from tidegate.balancing import addresses
from tidegate.balancing import maps as balancing_maps
from tidegate.bpf import libbpf, slots
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.check import worst
from tidegate.xdp import attachment, health, live

from ..balancing.planned import backend, section, service

CALLS = (
    *("object_load", "pin", "map_create", "map_update", "map_update_all", "map_delete", "test_run"),
    *("link_xdp", "link_update", "link_detach"),
)
STORES = ("_fill_addresses", "_fill_all_addresses", "_patched", "_fill_ports", "_store")
"""Steps of a flip that write mapped memory: no call tells of them."""
ICMP, UDP = 1, 17
BALANCING = section(
    service(backends=[backend(f"server{n}", f"198.51.100.{n}") for n in (2, 3)]),
    served=({"name": "web", "vips": ["192.0.2.10"], "ports": [[6, 80]], "address": "198.51.100.2"},),
)
PER_SOURCE = {"rate": 1000, "unit": "packets", "burst": 100, "per": "source", "lengths": [32, 128]}


class Killed(BaseException):
    """No handler in the library may catch this, as none can catch a kill."""


class Executioner:
    """Counts calls that change the kernel and ends the process, as far as a test can, before the n-th."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        kernel = (libbpf, CALLS), (Slots, STORES), (slots, ("grace",))
        for owner, names in (*kernel, (balancing_maps, ("_write",)), (addresses, ("_batch",))):
            for name in names:
                monkeypatch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, call):
        def wrapped(*arguments, **options):
            if self.left is not None:
                if self.left == 0:
                    raise Killed
                self.left -= 1
            return call(*arguments, **options)

        return wrapped

    def survives(self, number: int, act) -> bool:
        self.left = number
        try:
            act()
        except Killed:
            return False
        finally:
            self.left = None
        return True


@pytest.fixture
def executioner(monkeypatch):
    return Executioner(monkeypatch)


@pytest.fixture
def change(wire, generation, rule):
    """From one generation to another that differs in everything: rules, prefixes, interfaces, program, VIPs."""
    wire.host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    old = generation(
        rule("drop", "no-ping", ("eth0",), protocol=ICMP),
        rule("drop", "bogons", ("eth0",), source=["10.0.0.0/8", "2001:db8:bad::/48"]),
        neighbors=("198.51.100.3",),
    )
    new = generation(
        rule("drop", "no-dns", ("eth1",), protocol=UDP, source_port=[[53, 53]]),
        rule("limit", "slow", ("eth0",), length=[[9000, 65535]], limit=PER_SOURCE),
        rule("drop", "bogons", ("eth1", "eth0"), source=["10.0.0.0/8", "192.0.2.0/24"], destination=["203.0.113.0/24"]),
        devices=("eth0", "eth1"),
        neighbors=("198.51.100.5",),
        balancing=BALANCING,
    )
    with (new / "xdp.bpf.o").open("ab") as file:
        file.write(b"\0")
    with wire.host.entered():
        yield old, new


def marker(generation) -> str:
    return json.loads((generation / "xdp.json").read_text())["marker"]


def in_force() -> str | None:
    with pinned_maps(attachment.maps_directory()) as maps:
        slots = Slots(maps)
        return slots.marker(slots.in_force)


def whole(generation) -> bool:
    return worst(health.checks(generation, {})) == "ok" and live.diff(generation) == []


def test_killed_while_applying(change, executioner):
    old, new = change
    for number in itertools.count():
        live.apply(old, timeout=None)
        assert whole(old)
        survived = executioner.survives(number, lambda: live.apply(new, timeout=60))
        assert in_force() in (marker(old), marker(new))
        assert "eth0" in attachment.attachments()
        if number % 2:
            live.apply(new, timeout=60)
            live.confirm(new)
            assert whole(new)
        if survived:
            break
    assert number > 15


def test_killed_before_there_was_anything(change, executioner):
    _, new = change
    for number in itertools.count():
        survived = executioner.survives(number, lambda: live.apply(new, timeout=60))
        live.apply(new, timeout=None)
        assert whole(new)
        live.remove()
        assert not attachment.root().exists()
        if survived:
            break


@pytest.mark.parametrize("act", ["confirm", "remove"])
def test_killed_while_confirming_or_removing(change, executioner, act):
    old, new = change
    for number in itertools.count():
        live.apply(old, timeout=None)
        live.apply(new, timeout=60)
        survived = executioner.survives(number, lambda: live.confirm(new) if act == "confirm" else live.remove())
        if act == "confirm":
            live.confirm(new)
            assert whole(new)
        else:
            live.remove()
            assert not attachment.root().exists()
        if survived:
            break


def test_leftovers_of_a_kill_are_let_go(change, executioner):
    """Programs pinned by a change that never came into force do not pile up."""
    old, new = change
    live.apply(old, timeout=None)
    for number in range(8):
        with shutil.copy(new / "xdp.bpf.o", new / "xdp.bpf.o.new").open("ab") as file:
            file.write(bytes(number + 1))
        (new / "xdp.bpf.o.new").replace(new / "xdp.bpf.o")
        executioner.survives(6, lambda: live.apply(new, timeout=60))
    live.apply(old, timeout=None)
    assert len(list((attachment.root() / "programs").iterdir())) == 2
