"""What a highstate that changes nothing costs: ours against a plain formula of one file and one service.

Both run as jobs on one edge of a lab that this starts and removes, alternating, over the master, on a warm minion. The
time is that of the whole job as the master's own client sees it. `--json` prints figures for `bench/RESULTS.md`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.fleet import Fleet
from lab.progress import Progress

EDGE = "edge1.lhr1"
PLAIN = """\
/etc/bird/plain.conf:
  file.managed:
    - source: salt://plain/plain.conf
    - mode: '0644'
the service runs:
  service.running:
    - name: bird
    - enable: True
"""
# Run with the master's Python, in one process: the start of a `salt` command would hide the difference.
CLOCK = """
import json, sys, time
import salt.client
edge, rounds = sys.argv[1], int(sys.argv[2])
client = salt.client.LocalClient()
seconds = {"tidegate": [], "plain": []}
for number in range(rounds + 2):
    for name, sls in (("tidegate", "traffic"), ("plain", "plain")):
        begun = time.perf_counter()
        returned = client.cmd(edge, "state.apply", [sls], timeout=60)[edge]
        took = time.perf_counter() - begun
        assert isinstance(returned, dict), returned
        assert all(state["result"] for state in returned.values()), returned
        if number >= 2:
            assert not any(state["changes"] for state in returned.values()), returned
            seconds[name].append(took)
print(json.dumps(seconds))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.rounds)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name in ("tidegate", "plain"):
        print(f"  {name:10} {figures[name]['min_s']:.3f} / {figures[name]['median_s']:.3f}  (min / median, seconds)")
    print(f"  ratio      {figures['ratio_median']:.2f} of the medians, {figures['ratio_min']:.2f} of the minima")


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of both, and their ratio."""
    fleet = Fleet(f"bench-{os.getpid()}")
    try:
        fleet.up(Progress(5))
        _give(fleet, {"srv/plain/plain/init.sls": PLAIN, "srv/plain/plain/plain.conf": "# nothing\n" * 100})
        _serve_both(fleet)
        first = fleet.salt("edge*", "state.apply", timeout=150)
        if not first or not all(state["result"] for one in first.values() for state in one.values()):
            raise SystemExit(f"the first highstate failed: {first}")
        done = fleet.exec("master", "/opt/salt/bin/python", "-c", CLOCK, EDGE, str(rounds), timeout=600)
        if done.returncode:
            raise SystemExit(done.stderr)
        seconds = json.loads(done.stdout.splitlines()[-1])
    finally:
        fleet.down()
    figures: dict[str, Any] = {
        name: {"min_s": min(values), "median_s": median(values)} for name, values in seconds.items()
    }
    figures["ratio_median"] = figures["tidegate"]["median_s"] / figures["plain"]["median_s"]
    figures["ratio_min"] = figures["tidegate"]["min_s"] / figures["plain"]["min_s"]
    return figures


def _serve_both(fleet: Fleet) -> None:
    conf = fleet.exec("master", "cat", "/etc/salt/master.d/lab.conf").stdout
    both = conf.replace("- /srv/tidegate/salt", "- /srv/tidegate/salt\n  - /srv/plain")
    _give(fleet, {"etc/salt/master.d/lab.conf": both})
    fleet.exec("master", "systemctl", "restart", "salt-master")
    fleet.wait_for_minions()


def _give(fleet: Fleet, files: dict[str, str]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    fleet.engine.copy_in(fleet.container(fleet.topology.host("master")), buffer.getvalue())


if __name__ == "__main__":
    main()
