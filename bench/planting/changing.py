"""Seconds with the tree live: reading, comparing, changing ten of it and all of it."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from planting.policy import generation, lines, tree
from planting.seclusion import seconds
from tidegate.tc import command, live, show, survey
from tidegate.tc.change import difference
from tidegate.tc.tree import load


def changing(folder: Path, customers: int, rounds: int = 5) -> dict[str, float]:
    """Seconds with the tree live: reading, comparing, changing ten of it and all of it."""
    live.apply(generation(folder, tree(customers), "as-was"), None)
    (wanted,) = load(generation(folder, tree(customers, changed=10), "as-will"))
    (before,) = load(folder / "as-was")
    read, compared, ten, processor = [], [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        text = command.show("-j", "-s", "-d", "class", "show", "dev", "eth0")
        middle, spent = time.perf_counter(), time.process_time()
        classes = show.classes(text)
        step = difference(wanted, classes)
        compared.append(time.perf_counter() - middle)
        processor.append(time.process_time() - spent)
        read.append(middle - begin)
        ten.append(seconds(lambda step=step: command.batch(step.growing())))  # type: ignore[misc]
        command.batch(difference(before, survey.read("eth0")).growing())
    noop = [seconds(lambda: live.apply(folder / "as-was", None)) for _ in range(3)]
    whole = [line.replace("class add", "class change") for line in lines(before)[1:]]
    everything = seconds(lambda: command.batch(whole))
    live.remove()
    return {
        "tc class show, best": min(read),
        "tc class show, median": median(read),
        "parse and compare, best": min(compared),
        "parse and compare, median": median(compared),
        "parse and compare, processor": min(processor),
        "change 10, best": min(ten),
        "change 10, median": median(ten),
        "change all by tc -batch": everything,
        "apply that changes nothing": median(noop),
    }
