"""What keeps a mistake from lasting: the drop budget, memory, and what another version left behind."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest

from tidegate.bpf import libbpf, memory
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.errors import Refused
from tidegate.xdp import attachment, export, live

UDP = 17


@contextlib.contextmanager
def traffic(wire):
    """UDP from the peer, one port after another, as long as the block lasts."""
    stop = threading.Event()

    def send() -> None:
        with wire.peer.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                for port in range(9000, 9010):
                    with contextlib.suppress(OSError):
                        sender.sendto(b"x", ("198.51.100.2", port))
                time.sleep(0.002)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def in_force() -> str | None:
    with pinned_maps(attachment.maps_directory()) as maps:
        slots = Slots(maps)
        return slots.marker(slots.in_force)


def budget(directory, share: float):
    """The same generation with a drop budget."""
    path = directory / "xdp.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "drop_budget": share}))
    return directory


def marker(directory) -> str:
    return str(json.loads((directory / "xdp.json").read_text())["marker"])


@pytest.fixture
def harmless(wire, generation, rule):
    directory = generation(rule("drop", "nothing", ("eth0",), source=["203.0.113.0/24"]))
    with wire.host.entered():
        live.apply(directory, timeout=None)
        yield directory
        live.remove()


def test_rules_that_drop_more_than_their_budget_take_themselves_back(wire, harmless, generation, rule):
    rash = budget(generation(rule("drop", "rash", ("eth0",), protocol=UDP)), 0.5)
    with traffic(wire), pytest.raises(Refused, match="most by rule 'rash'"):
        live.apply(rash, timeout=60)
    assert in_force() == marker(harmless)
    with traffic(wire):
        before = live.totals()["dropped"].packets
        time.sleep(0.2)
        assert live.totals()["dropped"].packets == before


def test_one_rule_s_own_budget_takes_them_back(wire, harmless, generation, rule):
    rash = generation(rule("drop", "rash", ("eth0",), protocol=UDP, destination_port=[[9000, 9004]], drop_budget=0.2))
    with traffic(wire), pytest.raises(Refused, match="all of them by rule 'rash'"):
        live.apply(rash, timeout=60)
    assert in_force() == marker(harmless)


def test_rules_within_their_budget_stay(wire, harmless, generation, rule):
    careful = budget(generation(rule("drop", "careful", ("eth0",), protocol=UDP, destination_port=[[9000, 9000]])), 0.5)
    with traffic(wire):
        live.apply(careful, timeout=60)
    assert in_force() == marker(careful)
    assert live.rule_counters()["careful"].packets > 0


def test_a_dry_run_is_within_every_budget(wire, harmless, generation, rule):
    trial = budget(generation(rule("count-only", "trial", ("eth0",), protocol=UDP)), 0.0)
    with traffic(wire):
        live.apply(trial, timeout=60)
    assert in_force() == marker(trial)
    assert live.rule_counters()["trial"].packets > 0


def test_the_way_back_is_not_stopped_by_a_budget(wire, harmless, generation, rule):
    proven = budget(generation(rule("drop", "proven", ("eth0",), protocol=UDP)), 0.0)
    with traffic(wire):
        live.apply(proven, timeout=None)
    assert in_force() == marker(proven)


def test_tables_that_do_not_fit_are_refused_before_anything_is_loaded(wire, generation, rule, monkeypatch):
    directory = generation(rule("drop", "large", ("eth0",), source=["10.0.0.0/8", "192.0.2.0/24"]))
    monkeypatch.setattr(memory, "_available", lambda _: 256)
    monkeypatch.setattr(libbpf, "object_load", None)
    with wire.host.entered():
        found = live.problems(directory)
    assert len(found) == 1
    assert "2 prefixes would take" in found[0]


def test_the_kernel_out_of_memory_is_one_sentence():
    with pytest.raises(libbpf.BpfError, match="create the map huge with 4294967295 entries: "):
        libbpf.map_create(2, "huge", 4, 1 << 20, (1 << 32) - 1, 0)


def test_maps_of_another_layout_are_let_go_once_the_change_is_confirmed(wire, generation, rule):
    """An older version's program may be the way back until then."""
    directory = generation(rule("drop", "rule", ("eth0",), protocol=UDP))
    with wire.host.entered():
        live.apply(directory, timeout=60)
        old = attachment.root() / "v0"
        old.mkdir()
        array = libbpf.map_create(2, "slots", 4, 8, 2, 0)
        libbpf.pin(array, old / "slots")
        live.apply(directory, timeout=60)
        assert old.exists()
        live.confirm(directory)
        assert not old.exists()
        assert in_force() == marker(directory)
        live.remove()


def test_counters_survive_a_flip_a_new_program_and_the_process(wire, generation, rule):
    first = generation(rule("count-only", "seen", ("eth0",), protocol=UDP))
    second = generation(
        rule("count-only", "seen", ("eth0",), protocol=UDP), rule("drop", "other", ("eth0",), protocol=47)
    )
    with (second / "xdp.bpf.o").open("ab") as file:
        file.write(b"\0")
    with wire.host.entered():
        live.apply(first, timeout=None)
        with traffic(wire):
            time.sleep(0.1)
        seen = live.rule_counters()["seen"]
        assert seen.packets > 0
        assert seen.bytes > 0
        live.apply(second, timeout=60)
        live.confirm(second)
        after = live.rule_counters()["seen"]
        assert after.packets >= seen.packets
        assert after.bytes >= seen.bytes
        assert 'tidegate_filter_rule_packets_total{rule="seen"}' in export.exported()
        live.remove()
    assert export.exported() == ""
