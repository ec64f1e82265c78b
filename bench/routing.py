"""BIRD's configuration for 1,000 neighbors (2,000 sessions) rendered and loaded, beside ARouteServer in the same run.

ARouteServer comes from PyPI into a virtual environment that is gone afterwards; its network look-ups are off. Each of
the two reads its own description of the same clients and writes a whole configuration, as a process of its own. The
live part needs root: it runs BIRD in a network namespace of its own. BIRDs are those of `script/fetch-birds`.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median
from typing import Any

from tidegate.policy.routing import TRANSIT_FREE

REPOSITORY = Path(__file__).resolve().parent.parent
TEMPLATES = REPOSITORY / "salt" / "traffic" / "templates"
BIRDS = Path(os.environ.get("TIDEGATE_CACHE", Path.home() / ".cache" / "tidegate")) / "bird"
CLIENTS = 1000
SET = 100_000
VERSIONS = {"2.0": ((2, 0, 12), "2.0.11"), "2.17": ((2, 17, 6), "2.16"), "3.1": ((3, 1, 8), "3.0")}
"""Series → our version, and the nearest that ARouteServer writes for."""

GENERAL = """
cfg:
  rs_as: 64500
  router_id: 10.0.0.1
  gtsm: false
  filtering:
    next_hop: {policy: strict}
    ipv4_pref_len: {min: 8, max: 24}
    ipv6_pref_len: {min: 16, max: 48}
    max_as_path_len: 64
    reject_invalid_as_in_as_path: true
    transit_free: {action: reject, asns: "TRANSIT_FREE"}
    never_via_route_servers: {peering_db: false}
    irrdb: {tag_as_set: false, enforce_origin_in_as_set: false, enforce_prefix_in_as_set: false}
    rpki_bgp_origin_validation: {enabled: false}
    max_prefix: {general_limit_ipv4: 1000, general_limit_ipv6: 1000, action: block, peering_db: {enabled: false}}
  blackhole_filtering:
    policy_ipv4: propagate-unchanged
    policy_ipv6: propagate-unchanged
    announce_to_client: true
    client_community: {peering_db: false}
  graceful_shutdown: {enabled: true}
"""


def addresses(number: int) -> tuple[str, str]:
    """The IPv4 and IPv6 address of a client."""
    return f"10.1.{number // 250}.{number % 250 + 2}", f"2001:db8:1::{number + 2:x}"


def policy(clients: int = CLIENTS) -> dict[str, Any]:
    """The clients as a policy of ours: one template, two neighbors a client."""
    neighbors = {
        f"client{number:04}-v{kind}": {
            "template": "client",
            "match": "all",
            "address": address,
            "asn": 65600 + number,
        }
        for number in range(clients)
        for kind, address in zip((4, 6), addresses(number), strict=True)
    }
    template = {
        "role": "rs-client",
        "export": {"learned": ["rs-client"]},
        "import": {
            "prefixes": ["anything"],
            "max_prefix": {"limit": 1000, "action": "block"},
            "blackhole": {},
            "by_community": [{"community": "64500:80", "local_pref": 80}],
        },
    }
    interface = {"device": "eth0", "addresses": ["10.1.0.1/16", "2001:db8:1::1/64"]}
    host = {"pop": "ix1", "role": "rs", "class": "a", "router_id": "10.0.0.1", "interfaces": {"ix": interface}}
    return {
        "fleet": {"regions": {"eu": {"pops": {"ix1": {}}}}, "hosts": {"rs1.ix1": host}},
        "routing": {
            "asn": 64500,
            "templates": {"client": template},
            "neighbors": neighbors,
            "sets": {"anything": {"prefixes": ["0.0.0.0/0+", "::/0+"]}},
        },
    }


def render_ours(series: str, written: Path, out: Path) -> None:
    """What the child process does: read, check, compile, render."""
    from tidegate.bird.render import render
    from tidegate.policy.load import examine
    from tidegate.policy.plans import compile_host

    loaded = examine(json.loads(written.read_text()))
    assert loaded.policy is not None, loaded.problems[:3]
    section = compile_host(loaded.policy, "rs1.ix1").document["bird"]
    files = render(section, version=VERSIONS[series][0], templates=TEMPLATES, secrets={}, key=b"bench")
    for name, text in files.items():
        (out / name).write_text(text)


def measured(command: list[Any]) -> dict[str, float]:
    """Wall clock and processor seconds, and peak memory in MB, of a process and what it starts."""
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}")
    wall = time.monotonic() - began
    return {"wall": wall, "processor": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024}


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The least of every figure."""
    return {key: round(min(run[key] for run in runs), 2) for key in runs[0]}


def arouteserver(folder: Path) -> list[Any]:
    """ARouteServer in an environment of its own, set up for the clients; the command that renders."""
    venv.create(folder / "venv", with_pip=True)
    subprocess.run([folder / "venv/bin/pip", "install", "-q", "arouteserver"], check=True, stderr=subprocess.DEVNULL)
    program = folder / "venv/bin/arouteserver"
    subprocess.run(
        [program, "setup", "--dest-dir", folder / "ars"], check=True, capture_output=True, input=b"yes\n" * 9
    )
    (folder / "general.yml").write_text(GENERAL.replace("TRANSIT_FREE", ", ".join(map(str, TRANSIT_FREE))))
    entries = [{"asn": 65600 + number, "ip": list(addresses(number))} for number in range(CLIENTS)]
    (folder / "clients.yml").write_text(json.dumps({"clients": entries}))
    files = ("--general", folder / "general.yml", "--clients", folder / "clients.yml")
    quiet = ("--logging-level", "ERROR", "--ignore-issues", "*")
    return [program, "bird", "--cfg", folder / "ars/arouteserver.yml", *files, *quiet]


def sides(folder: Path, rounds: int) -> dict[str, Any]:
    """Both renderers, in turn, and each series' own parser on what they wrote."""
    written = folder / "policy.json"
    written.write_text(json.dumps(policy()))
    theirs = arouteserver(folder)
    found: dict[str, Any] = {}
    for series, (_, nearest) in VERSIONS.items():
        out = folder / series
        out.mkdir()
        ours = [sys.executable, __file__, "--child", series, written, out]
        other = [*theirs, "--target-version", nearest, "-o", out / "theirs.conf"]
        runs = [(measured(ours), measured(other)) for _ in range(rounds)]
        one, two = best([run[0] for run in runs]), best([run[1] for run in runs])
        found[series] = {"ours": one, "arouteserver": two, "ratio": round(two["processor"] / one["processor"], 1)}
        program = BIRDS / series / "bin" / "bird"
        if program.exists():
            for name, file in (("ours", out / "bird.conf"), ("arouteserver", out / "theirs.conf")):
                times = [measured([program, "-p", "-c", file]) for _ in range(rounds)]
                found[series][f"bird -p {name}"] = best(times)["processor"]
    return found


def live(series: str, rounds: int) -> dict[str, Any]:
    """One change among 2,000 sessions, and one prefix among 100,000, rendered and live. Inside its own namespace."""
    from tidegate.bird import live as subsystem
    from tidegate.bird.effects import effects
    from tidegate.bird.render import render
    from tidegate.policy.load import examine
    from tidegate.policy.plans import compile_host

    folder = Path(tempfile.mkdtemp(prefix="tg-"))
    os.environ |= {
        "TIDEGATE_STATE": str(folder / "state"),
        "TIDEGATE_BIRD_CONF": str(folder / "bird.conf"),
        "TIDEGATE_BIRD_SOCKET": str(folder / "ctl"),
        "PATH": f"{BIRDS / series / 'bin'}:{os.environ['PATH']}",
    }
    for command in ("link set lo up", "link add eth0 type veth peer name eth9", "address add 10.1.0.1/16 dev eth0"):
        subprocess.run(["ip", *command.split()], check=True)
    subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
    (folder / "bird.conf").write_text("router id 10.0.0.1; protocol device {}")
    bird = subprocess.Popen(["bird", "-f", "-c", folder / "bird.conf", "-s", folder / "ctl"], stderr=subprocess.DEVNULL)
    try:
        while not (folder / "ctl").exists():
            time.sleep(0.05)
        loaded = examine(policy())
        assert loaded.policy is not None
        plain: Any = compile_host(loaded.policy, "rs1.ix1").document["bird"]
        version = VERSIONS[series][0]

        def bring(section: Any, number: int) -> tuple[float, str]:
            began = time.monotonic()
            generation = folder / f"g{number}"
            generation.mkdir()
            files = render(section, version=version, templates=TEMPLATES, secrets={}, key=b"bench")
            for name, text in files.items():
                (generation / name).write_text(text)
            subsystem.apply(generation, None)
            return time.monotonic() - began, files["bird.conf"]

        _, before = bring(plain, 0)
        changed = []
        for number in range(1, rounds + 1):
            section = copy.deepcopy(plain)
            section["neighbors"][number]["import_"]["local_pref"] = 50 + number
            seconds, after = bring(section, number)
            touched = effects(before, after)
            before = after
            assert not touched.restarted
            changed.append(seconds)
        few = {**plain, "neighbors": plain["neighbors"][:2]}
        prefixes = [f"{16 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.0/24" for n in range(SET)]
        few = copy.deepcopy(few)
        few["sets"]["anything"]["ipv4"] = prefixes
        bring(few, rounds + 1)
        swapped = []
        for number in range(rounds):
            few["sets"]["anything"]["ipv4"] = [f"1.0.{number}.0/24", *prefixes[1:]]
            swapped.append(bring(few, rounds + 2 + number)[0])
        return {
            "one of 1,000 neighbors changed and live": [round(min(changed), 2), round(median(changed), 2)],
            "one of 100,000 prefixes changed and live": [round(min(swapped), 2), round(median(swapped), 2)],
        }
    finally:
        bird.kill()
        bird.wait()
        subprocess.run(["rm", "-rf", folder], check=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--live", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        render_ours(wanted.child[0], Path(wanted.child[1]), Path(wanted.child[2]))
        return
    if wanted.live:
        print(json.dumps(live(wanted.live, wanted.rounds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = sides(Path(folder), wanted.rounds)
    for series, figures in found.items():
        if os.geteuid() == 0 and (BIRDS / series / "bin" / "bird").exists():
            inside = ["unshare", "-n", sys.executable, __file__, "--live", series, "--rounds", str(wanted.rounds)]
            figures.update(json.loads(subprocess.run(inside, check=True, capture_output=True, text=True).stdout))
    print(json.dumps(found, indent=1) if wanted.json else _table(found))


def _table(found: dict[str, Any]) -> str:
    return "\n".join(
        f"{series}  {what}: {figure}" for series, figures in found.items() for what, figure in figures.items()
    )


if __name__ == "__main__":
    main()
