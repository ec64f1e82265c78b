"""A host whose three subsystems are variables, and whose plug can be pulled before any step.

Only the decisions of the transaction are tested on it; what the real subsystems do is tested in ``tests/kernel`` and,
with systemd, Salt and real power cuts, in ``tests/fleet``.
"""

from __future__ import annotations

from types import SimpleNamespace

from tidegate.host import deadman, durable, generation, record, restore, transaction
from tidegate.host.check import Check
from tidegate.host.errors import Failed
from tidegate.host.subsystems import Subsystem

NOTHING = "nothing"


class PlugPulled(BaseException):
    """The process is gone: not an Exception, so no handler in the code under test can survive it."""


class Machine:
    """What runs, by subsystem: a generation's id, or ``NOTHING``."""

    def __init__(self, monkeypatch, tmp_path):
        self.runs = {"xdp": NOTHING, "tc": NOTHING, "bird": NOTHING}
        self.bird_file = NOTHING
        self.refuses: set[str] = set()
        self.sick: set[str] = set()
        self.timer = False
        self.boots = 0
        self.steps_left: int | None = None
        self._take_over(monkeypatch, tmp_path)

    def step(self):
        """Everything with an effect passes here; the plug is pulled when the steps run out."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise PlugPulled
            self.steps_left -= 1

    def lose_power(self):
        """Off and on again: kernel state is gone, BIRD reads its file, the boot unit runs."""
        self.steps_left = None
        self.boots += 1
        self.timer = False
        self.runs = {"xdp": NOTHING, "tc": NOTHING, "bird": NOTHING}
        failures = restore.boot()
        if self.runs["bird"] == NOTHING:
            self.runs["bird"] = self.bird_file
        return failures

    def lose_agent(self):
        """The minion is killed; the dead-man's time comes."""
        self.steps_left = None
        return restore.undo_expired() if self.timer else []

    def _take_over(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path / "state"))
        monkeypatch.setenv("TIDEGATE_BIRD_CONF", str(tmp_path / "bird.conf"))
        subsystems = tuple(self._subsystem(name) for name in ("xdp", "tc", "bird"))
        monkeypatch.setattr(transaction, "SUBSYSTEMS", subsystems)
        monkeypatch.setattr(transaction, "subsystem", lambda name: {each.name: each for each in subsystems}[name])
        monkeypatch.setattr(transaction, "bird", SimpleNamespace(withdraw=lambda directory: self.step() or []))
        monkeypatch.setattr(record, "boot_id", lambda: str(self.boots))
        monkeypatch.setattr(deadman, "arm", lambda runtime, seconds: self._set_timer(True))
        monkeypatch.setattr(deadman, "disarm", lambda: self._set_timer(False))
        monkeypatch.setattr(deadman, "stop_timer", lambda: self._set_timer(False))
        monkeypatch.setattr(deadman, "is_armed", lambda: self.timer)
        monkeypatch.setattr(record, "clear", self._stepping(record.clear))
        for name in ("write", "point"):
            monkeypatch.setattr(durable, name, self._stepping(getattr(durable, name)))

    def _stepping(self, act):
        def stepped(*args, **kwargs):
            self.step()
            return act(*args, **kwargs)

        return stepped

    def _set_timer(self, on):
        self.step()
        self.timer = on

    def _subsystem(self, name):
        live = SimpleNamespace(
            problems=lambda directory: [],
            diff=lambda directory: [] if self.runs[name] == _id(directory) else [f"~ {name}"],
            apply=lambda directory, timeout: self._apply(name, directory, timeout),
            confirm=lambda directory: self._confirm(name, directory),
            remove=lambda: self._put(name, NOTHING),
        )
        health = SimpleNamespace(baseline=dict, checks=lambda directory, before: self._checks(name))
        return Subsystem(name, f"{name}.json", live, health)

    def _apply(self, name, directory, timeout):
        if name in self.refuses and timeout is not None:
            raise Failed(f"{name} refuses")
        self._put(name, _id(directory))
        if name == "bird" and timeout is None:
            self.step()
            self.bird_file = _id(directory)

    def _confirm(self, name, directory):
        self.step()
        if name == "bird":
            self.bird_file = _id(directory)

    def _put(self, name, what):
        self.step()
        self.runs[name] = what

    def _checks(self, name):
        return [Check(name, "bad" if name in self.sick else "ok", "as the test says")]


def make(number: int, runtime: str = "r1") -> generation.Generation:
    """A generation of all three subsystems, different for every number."""
    files = {f"{name}.json": f'{{"number": {number}}}\n'.encode() for name in ("xdp", "tc", "bird")}
    generation.ensure_state()
    return generation.create(files, plan=f"plan{number}", runtime=_runtime(runtime))


def _runtime(name: str) -> str:
    runtimes = generation.paths().state / "runtimes" / name
    runtimes.mkdir(exist_ok=True)
    return name


def _id(directory):
    return directory.name
