"""How long the waves of a large fleet take: choosing them, and all that `tidegate rollout plan` prints.

Run `python bench/waves.py` from anywhere; `--json` prints figures for `bench/RESULTS.md`. Ends with 1 if the plan
takes more than a second of processor time. Loading the policy is not in it: `bench/compile.py` measures that.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import Any

from compile import fleet_of, timed
from rich.console import Console

from tidegate.cli import rollout_view
from tidegate.policy.load import examine
from tidegate.policy.model import Policy
from tidegate.rollout.order import rank
from tidegate.rollout.waves import Wave, assign

MOST_SECONDS = 1.0

WAVES: list[dict[str, Any]] = [
    {"name": "canary", "one_per": "class"},
    {"name": "pops", "one_per": "pop"},
    {"name": "pop", "one_per": "region", "unit": "pop"},
    {"name": "quarter", "percent": 25},
    {"name": "half", "percent": 50},
    {"name": "three-quarters", "percent": 75, "unit": "pop"},
    {"name": "all", "match": "all"},
]
"""Every way to choose that costs something."""


def chosen(policy: Policy) -> list[Wave]:
    """The waves, from names that nothing has been worked out from yet."""
    rank.cache_clear()
    return assign(policy)


def page(policy: Policy) -> str:
    """What `tidegate rollout plan` does once the policy is loaded."""
    text = io.StringIO()
    Console(file=text, width=100).print(rollout_view.page(rollout_view.Plan.of(policy, chosen(policy))))
    return text.getvalue()


def data(policy: Policy) -> str:
    """The same with `--json`."""
    return json.dumps(rollout_view.Plan.of(policy, chosen(policy)).as_dict(), indent=2, ensure_ascii=False)


def measure(size: int, times: int) -> dict[str, Any]:
    """All figures. Every run starts from a policy that nothing has been worked out from yet."""
    document = {**fleet_of(size), "rollout": {"waves": WAVES}}
    problems = examine(document).problems
    if problems:
        sys.exit("\n".join(map(str, problems[:10])))
    fresh = iter([Policy.model_validate(document) for _ in range(3 * times)])
    sizes = [len(wave.hosts) for wave in assign(Policy.model_validate(document))]
    return {
        "hosts": size,
        "hosts_in_waves": sizes,
        "assign": timed(lambda: chosen(next(fresh)), times),
        "plan": timed(lambda: page(next(fresh)), times),
        "plan_json": timed(lambda: data(next(fresh)), times),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.hosts, options.times)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        sizes = ", ".join(map(str, figures["hosts_in_waves"]))
        print(f"{options.hosts} hosts in waves of {sizes}; {options.times} runs, seconds: min / median / processor")
        for name in ("assign", "plan", "plan_json"):
            best, middle, processor = figures[name].values()
            print(f"  {name:20} {best:8.3f} / {middle:.3f} / {processor:.3f}")
    sys.exit(max(figures["plan"]["cpu_s"], figures["plan_json"]["cpu_s"]) > MOST_SECONDS)


if __name__ == "__main__":
    main()
