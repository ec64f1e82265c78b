"""What the checker knows of every service, kept across its own restart and the host's: ``STATE/services.json``.

Whoever adds or removes a service's routes holds ``locked()``: the checker, and what applies a generation. So what the
kernel has and what is written here never disagree for longer than one of the two is at work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tidegate.checker.machine import Pulse, Standing
from tidegate.host import durable, lock
from tidegate.host.paths import paths
from tidegate.host.record import boot_id

_PATIENCE = 10.0


@dataclass(frozen=True)
class Known:
    """One service: how it stands, its checks by name, whether it is announced, and why it is not well."""

    standing: Standing
    announced: bool
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Record:
    """All services that have checks. ``boot`` is the boot of the host in which this was so; times are of its clock."""

    boot: str = ""
    services: Mapping[str, Known] = field(default_factory=dict)

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the host has not restarted since."""
        return self.boot == boot_id()


def read() -> Record:
    """What is known; nothing if the file is missing or damaged, so that every service has to be proven again."""
    try:
        document = durable.read_json(_path())
        if document is None:
            return Record()
        return Record(str(document["boot"]), {name: _known(one) for name, one in document["services"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def write(services: Mapping[str, Known]) -> None:
    """Remember the services as they are now. The caller holds the lock."""
    durable.write_json(_path(), {"boot": boot_id(), "services": {name: asdict(one) for name, one in services.items()}})


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the lock on the services' routes. Everybody holds it for moments: who has it for longer hangs, and is
    waited for no more, because a sick service must be withdrawn whatever else is stuck."""
    paths().state.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (paths().state / "services.lock").open("w") as file:
        lock.taken(file, _PATIENCE)
        yield


def _known(entry: Mapping[str, Any]) -> Known:
    pulses = {name: Pulse(**pulse) for name, pulse in entry["pulses"].items()}
    return Known(Standing(**entry["standing"]), bool(entry["announced"]), pulses, str(entry["why"]))


def _path() -> Path:
    return paths().state / "services.json"
