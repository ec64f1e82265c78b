"""How fast trees of shaping change: ten thousand classes read, compared, changed, made; and what it costs to classify.

Run as root: `python bench/shaping.py`; `--json` prints figures for `bench/RESULTS.md`. Everything happens in a network
namespace of the process's own. Peers in the same run: `tc -batch` of the whole tree, one `tc` process per command
(measured over some, told for all), and pyroute2 where it is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tidegate.bpf import libbpf
from tidegate.bpf.loader import load as load_object
from tidegate.bpf.slots import Slots
from tidegate.tc import classifier, command, live, show, survey, tables
from tidegate.tc.change import difference
from tidegate.tc.render import render
from tidegate.tc.section import ShapedInterface, TrafficClass
from tidegate.tc.tree import Tree, load, plant

OBJECT = Path(__file__).resolve().parent.parent / "salt" / "traffic" / "bpf" / "tc.bpf.o"
NEWNET, NEWNS, PRIVATE = 0x40000000, 0x00020000, (1 << 18) | (1 << 14)
KBIT = 1_000
LINK = 100_000_000_000
SINGLE = 200
"""Commands of which each has a process of its own; ten thousand would take half a minute."""
EMPTY = '#include <linux/bpf.h>\n__attribute__((section("tc"), used)) int empty(void *skb) { return -1; }\n'
RUNS = 1_000_000


def tree(customers: int, changed: int = 0) -> ShapedInterface:
    """Customers with three classes each, so 4 × customers + 1 in all; the first ``changed`` have other guarantees."""
    classes: list[TrafficClass] = []
    for number in range(customers):
        minor, more = 0x10 + number * 4, 8 * KBIT if number < changed else 0
        classes.append(_class(f"c{number}", minor, [_to(number)], inner=True, fallback=minor + 3))
        classes.append(_class(f"c{number}/voice", minor + 1, [{**_any(), "dscp": [46]}], parent=minor, more=more))
        classes.append(_class(f"c{number}/web", minor + 2, [{**_any(), "protocol": 6}], parent=minor))
        classes.append(_class(f"c{number}/bulk", minor + 3, [], parent=minor))
    classes.append(_class("rest", 0xFFF0, [], default=True))
    return {"name": "uplink", "device": "eth0", "rate": LINK, "classes": classes}


def _class(name: str, minor: int, match: list[Any], default: bool = False, more: int = 0, **keys: Any) -> TrafficClass:
    rate = 4_000 * KBIT if keys.get("inner") else 1_000 * KBIT + more
    made = {"name": name, "minor": minor, "priority": 1, "guarantee": rate, "ceiling": LINK, "default": default}
    return {**made, "match": match, **keys}  # type: ignore[typeddict-item,return-value]


def _any() -> dict[str, Any]:
    return dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))


def _to(number: int) -> dict[str, Any]:
    return {**_any(), "destination": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32"]}


@contextmanager
def seclusion() -> Iterator[Path]:
    """A network namespace with eth0, mounts of its own with a BPF file system, and a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNET | NEWNS) or libc.mount(b"none", b"/", None, PRIVATE, None):
        sys.exit("bench/shaping.py: needs root, for a network namespace of its own")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bpf").mkdir()
        libc.mount(b"bpf", os.fsencode(folder / "bpf"), b"bpf", 0, None)
        os.environ |= {"TIDEGATE_BPFFS": str(folder / "bpf" / "tidegate"), "TIDEGATE_STATE": str(folder)}
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
        run("ip", "link", "set", "eth0", "up")
        try:
            yield folder
        finally:
            libc.umount2(os.fsencode(folder / "bpf"), 2)


def run(*words: str) -> None:
    """A command that must succeed."""
    subprocess.run(words, check=True, capture_output=True)


def seconds(act: Callable[[], object]) -> float:
    """How long it takes, on the wall's clock."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def generation(folder: Path, interface: ShapedInterface, name: str) -> Path:
    """A generation that holds one tree."""
    made = folder / name
    made.mkdir()
    (made / "tc.json").write_text(render({"interfaces": [interface]})["tc.json"])
    shutil.copy(OBJECT, made)
    return made


def lines(wanted: Tree) -> list[str]:
    """The whole tree as ``tc -batch`` takes it."""
    return [f"qdisc add dev {wanted.device} root handle 1de: htb default 0", *difference(wanted, {}).growing()]


def uproot() -> None:
    """No tree any more; the kernel frees its classes for a while after it is gone."""
    run("tc", "qdisc", "del", "dev", "eth0", "root")
    time.sleep(2)


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


def making(folder: Path, customers: int) -> dict[str, float | None]:
    """Seconds to make the tree from nothing, by each means."""
    wanted = plant(tree(customers))
    whole = generation(folder, tree(customers), "made")
    found: dict[str, float | None] = {"tc -batch": seconds(lambda: command.batch(lines(wanted)))}
    uproot()
    found["tidegate, classifier included"] = seconds(lambda: live.apply(whole, None))
    live.remove()
    few = lines(wanted)[:SINGLE]
    spent = seconds(lambda: [run("tc", *line.split()) for line in few])
    found[f"a process per command (from {SINGLE})"] = spent * len(lines(wanted)) / SINGLE
    uproot()
    found["pyroute2"] = pyroute2(wanted)
    if found["pyroute2"] is not None:
        uproot()
    return found


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


def classifying(folder: Path) -> dict[str, int | None]:
    """Nanoseconds a packet, the least of five runs of a million, in the kernel's own test bench."""
    source, empty = folder / "empty.c", folder / "empty.o"
    source.write_text(EMPTY)
    clang = shutil.which("clang") or str(next(iter(sorted(Path("/usr/bin").glob("clang-[0-9]*"))), ""))
    run(
        clang,
        "-target",
        "bpf",
        "-O2",
        "-g",
        f"-I/usr/include/{os.uname().machine}-linux-gnu",
        "-c",
        str(source),
        "-o",
        str(empty),
    )
    handle = libbpf.object_open(str(empty))
    libbpf.object_load(handle, str(empty))
    found: dict[str, int | None] = {"an empty program": _cost(libbpf.object_programs(handle)["empty"], 0)}
    libbpf.object_close(handle)
    for customers in (3, 25, 250, 2500):
        planted = plant(tree(customers))
        with load_object(OBJECT) as loaded:
            slots = Slots(loaded.maps)
            beside = tables.extras(planted)
            fill = lambda number, maps=loaded.maps, beside=beside: tables.fill(maps, number, beside)  # noqa: E731
            slots.flip(slots.prepare(classifier.table(planted), planted.marker, fill), None)
            found[f"{customers * 4 + 2} classes"] = _cost(loaded.programs[classifier.PROGRAM], customers - 1)
    return found


def _cost(program: int, customer: int) -> int:
    address = bytes([10, customer >> 16, customer >> 8 & 255, customer & 255])
    ip = bytes([0x45, 46 << 2, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1]) + address
    frame = b"\2" * 12 + b"\x08\x00" + ip + b"\x04\xd2\x01\xbb" + bytes(36)
    return min(libbpf.test_run(program, frame, RUNS)[1] for _ in range(5))


def flowing(folder: Path) -> dict[str, float]:
    """mbit/s through classes that two floods want, by the classes' counters, beside what the policy says."""
    peer = subprocess.Popen(["unshare", "--net", "sleep", "120"])
    try:
        time.sleep(0.3)
        run("ip", "link", "set", "peer0", "netns", str(peer.pid))
        inside = ["nsenter", "--target", str(peer.pid), "--net", "ip"]
        run(*inside, "link", "set", "peer0", "up")
        run(*inside, "address", "add", "198.51.100.3/31", "dev", "peer0")
        run("ip", "address", "add", "198.51.100.2/31", "dev", "eth0")
        mac = json.loads(subprocess.check_output([*inside, "-j", "link", "show", "peer0"]))[0]["address"]
        run("ip", "neigh", "replace", "198.51.100.3", "lladdr", mac, "dev", "eth0", "nud", "permanent")
        found = {}
        for name, (high, low), ports in CASES:
            got = _shared(folder, name, high, low, ports)
            found |= {f"{name}: {class_}": got[class_] for class_ in ("high", "low")[: len(ports)]}
        return found
    finally:
        peer.kill()
        peer.wait()


MBIT = 1_000_000
SHARED = 50 * MBIT
Want = tuple[int, int, int]
CASES: tuple[tuple[str, tuple[Want, Want], tuple[int, ...]], ...] = (
    ("ceiling 20, alone", ((0, 5, 20), (1, 5, 50)), (1001,)),
    ("guarantees 35 and 15 of 50, equal priority", ((1, 35, 50), (1, 15, 50)), (1001, 1002)),
    ("guarantees 5 and 15, the first goes first: 35 and 15", ((0, 5, 50), (3, 15, 50)), (1001, 1002)),
)
"""Priority, guarantee and ceiling in mbit/s of two classes, and the ports that are flooded."""


def _shared(folder: Path, name: str, high: Want, low: Want, ports: tuple[int, ...]) -> dict[str, float]:
    classes = [_class("rest", 0xFFF0, [], default=True)]
    for number, (title, (priority, guarantee, ceiling)) in enumerate((("high", high), ("low", low))):
        match = {**_any(), "destination_port": [[1001 + number] * 2]}
        made = _class(title, 0x10 + number, [match])
        rates = {"guarantee": guarantee * MBIT, "ceiling": ceiling * MBIT, "priority": priority}
        classes.append({**made, **rates})  # type: ignore[typeddict-item]
    classes[0]["guarantee"] = classes[0]["ceiling"] = 8 * KBIT
    whole: ShapedInterface = {"name": "uplink", "device": "eth0", "rate": SHARED, "classes": classes}
    place = generation(folder, whole, name.replace(" ", "-"))
    live.apply(place, None)
    flood = [sys.executable, "-c", FLOOD, *map(str, ports)]
    flooding = subprocess.Popen(flood)
    time.sleep(1)
    begin, before = time.monotonic(), live.counters(place)["eth0"]
    time.sleep(5)
    elapsed, after = time.monotonic() - begin, live.counters(place)["eth0"]
    flooding.kill()
    flooding.wait()
    live.remove()
    return {title: (after[title]["bytes"] - before[title]["bytes"]) * 8 / elapsed / MBIT for title in ("high", "low")}


FLOOD = """
import socket, sys, time
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for sock, port in zip(sockets, sys.argv[1:]):
    sock.setblocking(False)
    sock.connect(("198.51.100.3", int(port)))
until = time.monotonic() + 30
while time.monotonic() < until:
    for sock in sockets:
        try:
            for _ in range(40):
                sock.send(b"x" * 1400)
        except OSError:
            pass
    time.sleep(0.001)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2500, help="each has four classes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["make", "change", "classify", "flow"])
    options = parser.parse_args()
    with seclusion() as folder:
        found: dict[str, Any] = {"classes": options.customers * 4 + 2}
        if options.only in (None, "classify"):
            found["nanoseconds a packet"] = classifying(folder)
        if options.only in (None, "change"):
            found["seconds, live"] = changing(folder, options.customers)
        if options.only in (None, "flow"):
            found["mbit/s"] = flowing(folder)
        if options.only in (None, "make"):
            found["seconds to make"] = making(folder, options.customers)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for part, figures in found.items():
        print(part if isinstance(figures, dict) else f"{part}: {figures}")
        for name, figure in figures.items() if isinstance(figures, dict) else ():
            shown = "not installed" if figure is None else f"{figure:.3f}" if isinstance(figure, float) else figure
            print(f"  {name:40} {shown}")


if __name__ == "__main__":
    main()
