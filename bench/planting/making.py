"""Seconds to make a tree from nothing, by each means."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from planting.policy import generation, lines, tree
from planting.seclusion import run, seconds
from tidegate.tc import command, live
from tidegate.tc.tree import Tree, plant

QUEUES, ROUNDS = 8, 3
SINGLE = 200
"""Commands of which each has a process of its own; ten thousand would take half a minute."""


def uproot() -> None:
    """No tree any more; the kernel frees its classes for a while after it is gone."""
    run("tc", "qdisc", "del", "dev", "eth0", "root")
    time.sleep(2)


def fetched(folder: Path) -> None:
    """Have pyroute2 from PyPI, in a folder that is gone afterwards; without a network there is none to compare with."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "pyroute2"]
    subprocess.run(pip, check=False, capture_output=True)
    sys.path.append(str(folder))


def pyroute2(wanted: Tree) -> float | None:
    """Seconds that pyroute2 takes to make the tree, ``None`` where it is not installed."""
    try:
        from pyroute2 import IPRoute  # type: ignore[import-not-found]
    except ImportError:
        return None
    with IPRoute() as ipr:
        index = ipr.link_lookup(ifname="eth0")[0]

        def make() -> None:
            ipr.tc("add", "htb", index, 0x1DE0000, default=0)
            for each in wanted.classes:
                options = {"rate": f"{each.rate}bit", "ceil": f"{each.ceiling}bit", "prio": each.priority}
                parent = 0x1DE << 16 | each.parent
                ipr.tc("add-class", "htb", index, 0x1DE << 16 | each.minor, parent=parent, **options)

        return seconds(make)


def alternating(folder: Path, customers: int, queues: int = 0) -> dict[str, float | None]:
    """Seconds of `tc -batch` and of Tidegate in turns, for the machine is another from one minute to the next."""
    wanted = plant(tree(customers, queues=queues))
    whole = generation(folder, tree(customers, queues=queues), f"made-{queues}")
    batch, ours = [], []
    for _ in range(ROUNDS):
        batch.append(seconds(lambda: command.batch(lines(wanted))))
        uproot()
        ours.append(seconds(lambda: live.apply(whole, None)))
        live.remove()
        time.sleep(2)
    layout = f"mq and {queues} trees: " if queues else ""
    return {
        f"{layout}tc -batch, best": min(batch),
        f"{layout}tc -batch, median": median(batch),
        f"{layout}tidegate, with classifier, best": min(ours),
        f"{layout}tidegate, with classifier, median": median(ours),
    }


def making(folder: Path, customers: int) -> dict[str, float | None]:
    """Seconds to make the tree from nothing, by each means."""
    found = alternating(folder, customers) | alternating(folder, customers, QUEUES)
    wanted = plant(tree(customers))
    few = lines(wanted)[:SINGLE]
    spent = seconds(lambda: [run("tc", *line.split()) for line in few])
    found[f"a process per command (from {SINGLE})"] = spent * len(lines(wanted)) / SINGLE
    uproot()
    found["pyroute2"] = pyroute2(wanted)
    if found["pyroute2"] is not None:
        uproot()
    return found
