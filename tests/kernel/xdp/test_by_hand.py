"""What docs/filtering.md says of bpftool: the filter can be looked at, taken back and taken off without Tidegate."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tidegate.bpf.loader import MAPS_VERSION
from tidegate.host.paths import paths
from tidegate.xdp import live

ICMP = 1


def ping(wire) -> bool:
    command = wire.peer.command("ping", "-c", "1", "-W", "0.3", "198.51.100.2")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def here(wire):
    if not shutil.which("bpftool"):
        pytest.skip("bpftool is not installed")
    with wire.host.entered():
        yield wire


@pytest.fixture
def bpftool(here):
    """A function that runs bpftool as the table has it, where the pins are."""

    def run(line: str):
        words = ["bpftool", "--json", *line.split()]
        done = subprocess.run(words, cwd=paths().bpffs / "xdp", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_what_is_attached_and_counted_can_be_looked_at(here, bpftool, generation, rule):
    live.apply(generation(rule("drop", protocol=ICMP, devices=("eth0",))), None)
    assert not ping(here)

    link = bpftool("link show pinned link-eth0")
    names = bpftool(f"map dump pinned {MAPS_VERSION}/counter_names")
    totals = bpftool(f"map dump pinned {MAPS_VERSION}/totals")

    assert link["type"] == "xdp"
    assert b"rule" in bytes(int(byte, 16) for byte in names[0]["value"])
    assert totals


def test_the_slot_that_was_in_force_before_can_be_put_back(here, bpftool, generation, rule):
    live.apply(generation(rule("allow", protocol=ICMP, devices=("eth0",))), None)
    before = bpftool(f"map dump pinned {MAPS_VERSION}/config")[0]["value"]
    refusing = generation(rule("drop", protocol=ICMP, devices=("eth0",)))
    live.apply(refusing, None)
    assert not ping(here)

    value = " ".join(byte.removeprefix("0x") for byte in before)
    bpftool(f"map update pinned {MAPS_VERSION}/config key hex 00 00 00 00 value hex {value}")

    assert ping(here)
    assert live.diff(refusing), "it is drift"
    live.apply(refusing, None)
    assert not ping(here)


def test_the_filter_can_be_taken_off(here, bpftool, generation, rule):
    made = generation(rule("drop", protocol=ICMP, devices=("eth0",)))
    live.apply(made, None)
    assert not ping(here)

    bpftool("link detach pinned link-eth0")

    assert ping(here)
    assert live.diff(made), "it is drift"
    live.apply(made, None)
    assert not ping(here)
    assert live.diff(made) == []


def test_another_loader_runs_the_program_on_the_same_maps(here, bpftool, generation, rule, objects, tmp_path):
    live.apply(generation(rule("drop", protocol=ICMP, devices=("eth0",))), None)
    bpftool("link detach pinned link-eth0")
    place = paths().bpffs / "by-hand"
    pins = sorted((paths().bpffs / "xdp" / MAPS_VERSION).iterdir())
    maps = " ".join(f"map name {pin.name} pinned {pin}" for pin in pins)

    bpftool(f"prog load {objects / 'xdp.bpf.o'} {place} type xdp {maps}")
    bpftool(f"net attach xdp pinned {place} dev eth0")

    assert not ping(here)
    bpftool("net detach xdp dev eth0")
    assert ping(here)
    place.unlink()
