"""How fast trees of shaping change: ten thousand classes read, compared, changed, made; and what it costs to classify.

Run as root: `python bench/shaping.py`; `--json` prints figures for `bench/RESULTS.md`. Everything happens in a network
namespace of the process's own. Peers in the same run: `tc -batch` of the whole tree, one `tc` process per command
(measured over some, told for all), and pyroute2 where it is installed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from planting.changing import changing
from planting.classifying import classifying
from planting.flowing import flowing
from planting.making import fetched, making
from planting.seclusion import seclusion


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2500, help="each has four classes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["make", "change", "classify", "flow"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as peers:
        if options.only in (None, "make"):
            fetched(Path(peers))
        with seclusion() as folder:
            found = measured(folder, options)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for part, figures in found.items():
        print(part if isinstance(figures, dict) else f"{part}: {figures}")
        for name, figure in figures.items() if isinstance(figures, dict) else ():
            shown = "not installed" if figure is None else f"{figure:.3f}" if isinstance(figure, float) else figure
            print(f"  {name:40} {shown}")


def measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures, by part; the flows come last, for they take eth0 away."""
    found: dict[str, Any] = {"classes": options.customers * 4 + 2}
    if options.only in (None, "classify"):
        found["nanoseconds a packet"] = classifying(folder)
    if options.only in (None, "change"):
        found["seconds, live"] = changing(folder, options.customers)
    if options.only in (None, "make"):
        found["seconds to make"] = making(folder, options.customers)
    if options.only in (None, "flow"):
        found["mbit/s"] = flowing(folder)
    return found


if __name__ == "__main__":
    main()
