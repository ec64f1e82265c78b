"""The desired policer of one interface: what may come in, in classes, without a queue. Pure.

A class is sure of its guarantee; beyond it, up to its ceiling, it may have what others leave of the interface's rate,
in the order of priority. ``bpf/police.h`` says how three token buckets decide that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidegate.host.errors import Refused
from tidegate.tc.section import ShapedInterface, TrafficClass
from tidegate.tc.tree import Entry, Group, check_device, digest, looks

BURST_SECONDS = 0.05
"""How much may come in at once, as time at the rate: TCP fills a policer no better than it holds a round trip's worth
(Flach et al., "An Internet-Wide Analysis of Traffic Policing", SIGCOMM 2016), and nothing waits that could delay."""
PRIORITIES = 8


@dataclass(frozen=True)
class PolicedClass:
    """One class: rates in bit/s, burst in seconds."""

    name: str
    minor: int
    priority: int
    guarantee: int
    ceiling: int
    burst: float = BURST_SECONDS
    set_dscp: int | None = None


@dataclass(frozen=True)
class Policer:
    """Everything that Tidegate wants of what comes in at one interface; ``entries`` lead to classes by minor."""

    interface: str
    device: str
    rate: int
    classes: tuple[PolicedClass, ...]
    default: int
    entries: tuple[Entry, ...]
    marker: str

    @property
    def groups(self) -> tuple[Group, ...]:
        """None: its classes hold no others."""
        return ()


def hire(interface: ShapedInterface) -> Policer:
    """The policer of one interface of the section."""
    classes = tuple(map(_class, interface["classes"]))
    default = next(each["minor"] for each in interface["classes"] if each["default"])
    entries, _ = looks(interface["classes"])
    said: dict[str, Any] = {
        "interface": interface["name"],
        "device": interface["device"],
        "rate": interface["rate"],
        "classes": [asdict(each) for each in classes],
        "default": default,
        "entries": [asdict(each) for each in entries],
    }
    return restored(said | {"marker": digest(said)})


def document(policer: Policer) -> dict[str, Any]:
    """The policer as a generation holds it."""
    return asdict(policer)


def restored(said: dict[str, Any]) -> Policer:
    """The opposite of ``document``."""
    return Policer(
        **{
            **said,
            "classes": tuple(PolicedClass(**each) for each in said["classes"]),
            "entries": tuple(Entry(**each) for each in said["entries"]),
        }
    )


def load(generation: Path) -> list[Policer]:
    """The policers of a generation's ``tc.json``.

    Raises:
        Refused: the file is missing or damaged: that never means "no policers".
    """
    path = generation / "tc.json"
    try:
        policers = [restored(each) for each in json.loads(path.read_text()).get("policers", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path} cannot be read ({error}): tc is left as it is") from None
    for each in policers:
        check_device(path, each.device)
    return policers


def _class(each: TrafficClass) -> PolicedClass:
    return PolicedClass(
        name=each["name"],
        minor=each["minor"],
        priority=each["priority"],
        guarantee=each["guarantee"],
        ceiling=each["ceiling"],
        burst=each["burst_us"] / 1e6 if "burst_us" in each else BURST_SECONDS,
        set_dscp=each.get("set_dscp"),
    )
