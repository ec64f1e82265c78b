"""A filter to try packets on, and generations to put in force."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.balancing.section import Balancing
from tidegate.bpf import libbpf
from tidegate.bpf.loader import Loaded, load
from tidegate.bpf.slots import Slots
from tidegate.xdp import counters, management, policy, render
from tidegate.xdp.section import Rule, XdpSection

sys.path.insert(0, str(Path(__file__).parent))  # frames

ANY = {
    "source": None,
    "destination": None,
    "protocol": None,
    "source_port": None,
    "destination_port": None,
    "dscp": None,
}
VERDICTS = {1: "drop", 2: "pass"}


@dataclass
class Bench:
    """A private instance of the program, run on single frames; packets come in on ``lo``."""

    loaded: Loaded
    slots: Slots
    marker: int = 0

    def use(self, *rules: Rule, devices: tuple[str, ...] = ("lo",)) -> None:
        """Put rules in force."""
        self.marker += 1
        names = dict.fromkeys(rule["name"] for rule in rules)
        desired = {
            "marker": f"{self.marker:016x}",
            "interfaces": [{"name": device, "device": device, "mode": "native"} for device in devices],
            "rules": list(rules),
            "management": {"neighbors": []},
        }
        reserved = counters.reserve(self.loaded.maps, self.slots, names)
        self.slots.flip(
            self.slots.prepare(policy.compile_tables(desired, reserved, ["lo"]), desired["marker"]), timeout=None
        )

    def verdict(self, frame: bytes, program: str = "tidegate_filter") -> str:
        return VERDICTS[libbpf.test_run(self.loaded.programs[program], frame)[0]]

    def output(self, frame: bytes) -> tuple[str, bytes]:
        """The verdict, and the frame as the program left it."""
        value, out = libbpf.test_output(self.loaded.programs["tidegate_filter"], frame)
        return VERDICTS[value], out

    def preflight(self, frame: bytes) -> str:
        """The verdict of the pre-flight program on the slot in force."""
        trial = self.slots.in_force.to_bytes(4, "little") + socket.if_nametoindex("lo").to_bytes(4, "little")
        libbpf.map_update(self.loaded.maps["trials"], bytes(4), trial)
        return self.verdict(frame, "preflight")

    def counted(self) -> dict[str, int]:
        return {name: tally.packets for name, tally in counters.of_rules(self.loaded.maps, self.slots).items()}

    def totals(self) -> dict[str, int]:
        return {name: tally.packets for name, tally in counters.totals(self.loaded.maps).items()}

    def spare(self, *peers: management.Peer) -> None:
        management.prune(self.loaded.maps, peers)


@pytest.fixture(scope="session")
def loaded(objects: Path) -> Iterator[Loaded]:
    with load(objects / "xdp.bpf.o") as loaded:
        yield loaded


@pytest.fixture
def bench(loaded: Loaded) -> Bench:
    """The program as it is when it was just loaded."""
    for name in ("config", "slots", "counters", "counter_names", "totals"):
        info = libbpf.map_info(loaded.maps[name])
        size = info.value_size * (libbpf.possible_cpus() if name in ("counters", "totals") else 1)
        for number in range(info.max_entries):
            libbpf.map_update(loaded.maps[name], number.to_bytes(4, "little"), bytes(size))
    management.prune(loaded.maps, [])
    return Bench(loaded, Slots(loaded.maps))


@pytest.fixture
def rule():
    """A function that makes a rule: ``rule("drop", source=["192.0.2.0/24"])``."""

    def make(action: str, name: str = "rule", devices: tuple[str, ...] = ("lo",), **conditions: object) -> Rule:
        return {"name": name, "action": action, "devices": list(devices), **ANY, **conditions}

    return make


@pytest.fixture
def generation(machine: Path, objects: Path):
    """A function that stages rules on ``eth0`` as a generation directory."""

    def make(
        *rules: Rule,
        devices: tuple[str, ...] = ("eth0",),
        mode: str = "native",
        neighbors: tuple[str, ...] = (),
        masters: tuple[str, ...] = (),
        balancing: Balancing | None = None,
    ) -> Path:
        section: XdpSection = {
            "interfaces": [{"name": f"if-{device}", "device": device, "mode": mode} for device in devices],
            "rules": list(rules),
            "management": {"neighbors": list(neighbors)},
        }
        if balancing is not None:
            section["balancing"] = balancing
        text = render.render(section)["xdp.json"]
        directory = machine / "state" / "generations" / json.loads(text)["marker"]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "xdp.json").write_text(text)
        (directory / "management.json").write_text(json.dumps({"masters": list(masters)}))
        shutil.copy(objects / "xdp.bpf.o", directory)
        return directory

    return make
