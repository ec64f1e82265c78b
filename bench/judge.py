"""How often the judge is wrong, how soon it is right, and how long it takes; Kayenta's algorithm beside it.

Run `python bench/judge.py` from anywhere. It takes half an hour on one core; `--runs 200` gives a rough picture.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from judging.cells import LATENCY, nothing_wrong, something_wrong
from judging.noise import lognormal
from judging.trial import Outcomes, lower, outcomes, upper
from judging.world import BEFORE, SOAK, Cell, Fleet, recording, samples

from tidegate.judge.comparison import Comparison
from tidegate.judge.judge import judge, judge_recording
from tidegate.judge.metric import Metric, Samples
from tidegate.judge.picture import picture

PICTURES = {
    "judge-pass": "AR(1) 0.9",
    "judge-fail": "errors × 5",
    "judge-inconclusive": "lognormal, AR(1) 0.8",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--only", default="", help="cells whose name has this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw those of docs/judge.md there, no more")
    options = parser.parse_args()
    if options.pictures:
        draw(options.pictures)
        return
    chosen = [[cell for cell in part if options.only in cell.name] for part in (nothing_wrong(), something_wrong())]
    document: dict[str, Any] = {"runs": options.runs}
    if not options.json:
        print(f"{options.runs} runs of {BEFORE} + {SOAK} ticks each; per cent; bounds one-sided at 95 %")
    document["nothing wrong"] = list(_table(chosen[0], options.runs, _FALSE, options.json))
    document["something wrong"] = list(_table(chosen[1], options.runs, _RIGHT, options.json))
    document["speed"] = speed()
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, seconds in document["speed"].items():
        print(f"{name}: {seconds} s")


_FALSE = ("aborted", "at most", "passed", "tick of pass", "Kayenta at the end", "Kayenta ever")
_RIGHT = ("aborted", "at least", "tick of abort", "passed", "Kayenta at the end", "Kayenta ever")


def _table(cells: Sequence[Cell], runs: int, columns: Sequence[str], quiet: bool) -> Iterable[dict[str, Any]]:
    """One row a cell, printed as soon as it is there: it is a table of Markdown."""
    if not quiet:
        print(f"\n| world | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for cell in cells:
        row = _row(outcomes(cell, runs))
        if not quiet:
            print(f"| {cell.name} | {' | '.join(str(row[name]) for name in columns)} |", flush=True)
        yield {"world": cell.name, **row}


def _row(found: Outcomes) -> dict[str, Any]:
    aborted = found.aborted > 0
    return {
        "aborted": _percent(aborted.mean()),
        "at most": _percent(upper(aborted)),
        "at least": _percent(lower(aborted)),
        "tick of abort": int(median(found.aborted[aborted])) if aborted.any() else "–",
        "passed": _percent((found.passed > 0).mean()),
        "tick of pass": int(median(found.passed[found.passed > 0])) if found.passed.any() else "–",
        "Kayenta at the end": _percent(found.kayenta_end.mean()),
        "Kayenta ever": _percent(found.kayenta_ever.mean()),
    }


def _percent(share: float) -> float:
    return float(f"{100 * share:.3g}") if share < 0.1 else round(100 * float(share), 1)


def speed(metrics: int = 50, hosts: int = 200, times: int = 7) -> dict[str, float]:
    """Seconds to judge 50 metrics of 200 hosts with 60 samples: from their blocks, and from raw series."""
    cell = Cell("", lognormal(), fleet=Fleet(20, hosts // 40, hosts // 40), definition=LATENCY, metrics=metrics)
    values = samples(cell, np.random.default_rng(1))
    recorded = recording(cell, values)
    raw = _raw(cell, values, recorded.comparison)
    return {
        f"{metrics} metrics × {hosts} hosts × {BEFORE + SOAK} samples, from blocks": _timed(
            lambda: judge_recording(recorded), times
        ),
        "the same from raw series": _timed(lambda: judge(raw, recorded.comparison, recorded.now), times),
    }


def _raw(cell: Cell, values: np.ndarray, comparison: Comparison) -> list[Metric]:
    times = comparison.step * (np.arange(-BEFORE, SOAK) + 1.0)
    hosts = list(comparison.pops)
    return [
        Metric(cell.definition, {host: Samples(times, one[:, number]) for number, host in enumerate(hosts)})
        for one in values
    ]


def draw(folder: Path) -> None:
    """The pictures of docs/judge.md, each of one run of a cell."""
    cells = {cell.name: cell for cell in (*nothing_wrong(), *something_wrong())}
    for file, name in PICTURES.items():
        values = samples(cells[name], np.random.default_rng(5))
        (folder / f"{file}.svg").write_bytes(picture(judge_recording(recording(cells[name], values))))


def _timed(work: Any, times: int) -> float:
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return round(min(spent), 3)


if __name__ == "__main__":
    main()
