"""``xdp.json``: what a generation wants the kernel to run. Written by ``render``, read by ``live`` and ``health``."""

from __future__ import annotations

import json
from pathlib import Path

from tidegate.host.errors import Refused
from tidegate.xdp.section import XdpSection

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
    missing = {"marker", "interfaces", "rules", "management"} - set(desired)
    if missing:
        raise Refused(f"{path} lacks {', '.join(sorted(missing))}: stage the generation again")
    return desired


def masters(generation: Path) -> list[str]:
    """Addresses of the Salt masters as they were when the generation was staged; none if staging had none to tell."""
    path = generation / MASTERS_FILE
    try:
        found: list[str] = json.loads(path.read_text())["masters"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} cannot be read ({error!r}): stage the generation again") from None
    return found
