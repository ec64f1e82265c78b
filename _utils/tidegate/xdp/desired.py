"""``xdp.json``: what a generation wants the kernel to run. Written by ``render``, read by ``live`` and ``health``."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from tidegate.host.errors import Refused
from tidegate.xdp.section import XdpSection
from tidegate.xdp.verdict import SALT_MASTER

FILE = "xdp.json"
OBJECT = "xdp.bpf.o"
MASTERS_FILE = "management.json"


class Desired(XdpSection):
    """The section, and the name its content goes by in the kernel: 16 hex digits."""

    marker: str


def read(generation: Path) -> Desired:
    """What a generation wants; raises ``Refused`` if it does not say: missing never means nothing."""
    path = generation / FILE
    try:
        desired: Desired = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read ({error}): stage the generation again") from None
    missing = {"marker", "interfaces", "rules", "management"}
    if isinstance(desired, dict):
        missing -= set(desired)
    if missing:
        raise Refused(f"{path} lacks {', '.join(sorted(missing))}: stage the generation again")
    return desired


def balances(desired: Desired) -> bool:
    """Whether the host balances anything, or takes balanced packets out of their wrapping."""
    return desired.get("balancing") is not None


class Masters(NamedTuple):
    """The Salt masters' addresses, and the ports at which they publish and take returns."""

    addresses: tuple[str, ...] = ()
    ports: tuple[int, ...] = SALT_MASTER


def masters(generation: Path) -> Masters:
    """The Salt masters as they were when the generation was staged; none if staging had none to tell."""
    path = generation / MASTERS_FILE
    try:
        found = json.loads(path.read_text())
        ports = (found.get("publish_port", SALT_MASTER[0]), found.get("return_port", SALT_MASTER[1]))
        return Masters(tuple(str(ip_address(address)) for address in found["masters"]), ports)
    except FileNotFoundError:
        return Masters()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path} cannot be read ({error!r}): stage the generation again") from None
