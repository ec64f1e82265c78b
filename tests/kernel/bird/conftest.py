"""An edge and its neighbors: real BIRD daemons of every supported version, in namespaces of their own."""

from __future__ import annotations

import copy
import itertools
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tidegate.bird import daemon, live, parse, routes
from tidegate.bird.control import Control, NotRunning
from tidegate.bird.render import render

TEMPLATES = Path(__file__).parents[3] / "salt" / "traffic" / "templates"
CACHE = Path(os.environ.get("TIDEGATE_CACHE", Path.home() / ".cache" / "tidegate")) / "bird"
PASSWORD = "hunter2; {really}"
INITIAL = "router id 10.0.0.9;\nlog syslog all;\nprotocol device {}\n"

NEIGHBOR = """
router id 10.9.9.9;
protocol device {{}}
protocol static
{{
  ipv4;
  route 0.0.0.0/0 via 198.51.100.3; route 100.64.0.0/10 blackhole; route 192.0.2.128/25 blackhole;
}}
protocol static {{ ipv6; route 2001:db8:ffff::/48 blackhole; }}
template bgp fast
{{
  connect delay time 1; connect retry time 1; error wait time 1, 1; hold time 9;
}}
protocol bgp edge4 from fast
{{
  local 198.51.100.3 as 64601; neighbor 198.51.100.2 as 64500;
  {authentication} password "{password}";
  ipv4 {{ import all; export all; next hop self; }};
}}
protocol bgp edge6 from fast
{{
  local 2001:db8:1::3 as 64601; neighbor 2001:db8:1::2 as 64500;
  ipv6 {{ import all; export all; next hop self; }};
}}
"""
OTHER = """
router id 10.8.8.8;
protocol device {}
protocol bgp edge4
{
  local 198.51.100.5 as 64700; neighbor 198.51.100.4 as 64500;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 { import all; export all; };
}
"""


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Wait for a condition to become true, by asking again; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def since(daemon, session="peer_transit"):
    """Seconds of the day at which a session's state last changed.

    BIRD works the time out anew for every answer, and it wavers by a millisecond: hence ``changed`` and not equality.
    """
    line = daemon.ask(f"show protocols {session}").text(1002)
    hours, minutes, seconds = re.search(r"(\d\d):(\d\d):(\d\d\.\d+)", line).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def changed(before, now):
    """Whether these are two times, and not one told twice."""
    return abs(now - before) > 0.01


@dataclass
class Daemon:
    """One BIRD: started in a namespace from a file, asked over its socket, stopped whatever happens."""

    program: Path
    namespace: Any
    conf: Path
    socket: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = self.namespace.command(self.program, "-f", "-c", self.conf, "-s", self.socket)
        with self.conf.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.answers, f"BIRD answers: {self.conf.with_suffix('.log').read_text()}", 10)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def answers(self) -> bool:
        try:
            Control(self.socket, timeout=5).close()
        except NotRunning:
            return False
        return True

    def ask(self, command: str):
        with Control(self.socket, timeout=5) as control:
            return control.command(command)

    def marker(self) -> str | None:
        with Control(self.socket, timeout=5) as control:
            return daemon.running_marker(control)

    def session(self, protocol: str) -> parse.Session:
        return parse.sessions(self.ask("show protocols all"))[protocol]

    def prefixes(self, what: str = "") -> list[str]:
        return parse.prefixes(self.ask(f"show route {what}"))

    def route(self, prefix: str) -> str:
        """Everything BIRD knows of a route, attributes in 3.x' spelling."""
        text = "\n".join(line.text for line in self.ask(f"show route {prefix} all").lines)
        return text.replace("BGP.as_path", "bgp_path").replace("BGP.", "bgp_")


@dataclass
class Edge:
    """The host under test: its BIRD, the folders Tidegate keeps there, and the plan it is given."""

    bird: Daemon
    version: tuple[int, int, int]
    folder: Path
    section: dict[str, Any]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def generation(self, change: Callable[[dict[str, Any]], None] = lambda section: None, password=PASSWORD) -> Path:
        """A generation's directory for the (changed) section."""
        section = copy.deepcopy(self.section)
        change(section)
        directory = self.folder / "state" / "generations" / f"g{next(self.numbers)}"
        directory.mkdir(parents=True)
        secrets = {"bgp/transit": password}
        files = render(section, version=self.version, templates=TEMPLATES, secrets=secrets, key=b"host key")  # type: ignore[arg-type]
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        return directory

    def point(self, link: str, generation: Path) -> None:
        """Move ``running`` or ``confirmed``, as the transaction does."""
        path = self.folder / "state" / link
        path.unlink(missing_ok=True)
        path.symlink_to(generation)

    def confirmed(self, generation: Path) -> Path:
        """Bring a generation all the way, and wait for its sessions."""
        live.apply(generation, 60)
        live.confirm(generation)
        self.point("running", generation)
        self.point("confirmed", generation)
        until(lambda: self.established("peer_transit") and self.established("peer_transit6"), "sessions up")
        return generation

    def established(self, protocol: str) -> bool:
        return self.bird.session(protocol).established

    def live_routes(self) -> set[str]:
        return {prefix for _, prefix in routes.live()}


def session(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "protocol": f"peer_{name}",
        "description": name,
        "address": "198.51.100.3",
        "local": "198.51.100.2",
        "device": "eth0",
        "family": "ipv4",
        "asn": 64601,
        "role": "provider",
        "password": None,
        "hold_time": 9,
        "keepalive": 3,
        "import_": {"accept": "all", "max_prefix": {"limit": 100, "action": "block"}, "local_pref": 120},
        "export": [],
    } | changes


def export(*prefixes: str, **changes: Any) -> dict[str, Any]:
    plain = {"service": "web", "communities": [], "large_communities": [], "prepend": 0, "med": None}
    return plain | {"prefixes": list(prefixes)} | changes


def plan() -> dict[str, Any]:
    """One service in both families, announced to a provider over a session for each."""
    announced = export("192.0.2.0/24", communities=["64500:100"], large_communities=["64500:7:8"], prepend=2, med=50)
    return {
        "router_id": "10.0.0.1",
        "asn": 64500,
        "table": 4210,
        "services": [{"name": "web", "ipv4": ["192.0.2.0/24"], "ipv6": ["2001:db8:100::/48"]}],
        "neighbors": [
            session("transit", password={"secret": "bgp/transit"}, export=[announced]),
            session(
                "transit6",
                address="2001:db8:1::3",
                local="2001:db8:1::2",
                family="ipv6",
                export=[export("2001:db8:100::/48")],
            ),
        ],
    }


@pytest.fixture(params=["2.0", "2.17", "3.1"])
def program(request) -> Path:
    path = CACHE / request.param / "bin" / "bird"
    if not path.exists():
        pytest.skip(f"BIRD {request.param} is not fetched: run script/fetch-birds")
    return path


@pytest.fixture
def daemons() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_daemon(program, tmp_path, daemons):
    """A function that starts a BIRD in a namespace from a configuration's text."""

    def make(name: str, namespace: Any, text: str) -> Daemon:
        folder = tmp_path / name
        folder.mkdir()
        conf = folder / "bird.conf"
        conf.write_text(text, encoding="utf-8")
        # Socket paths may have 107 bytes; pytest's folders are longer than one would think.
        one = Daemon(program, namespace, conf, folder / "ctl")
        daemons.callback(one.stop)
        one.start()
        return one

    return make


@pytest.fixture
def neighbor(make_daemon, wire, program) -> Daemon:
    authentication = "" if "/2.0/" in str(program) else "authentication md5;"
    return make_daemon("n", wire.peer, NEIGHBOR.format(password=PASSWORD, authentication=authentication))


@pytest.fixture
def other(make_daemon, wire, namespace) -> Daemon:
    """A second neighbor, on a second link of the edge: 198.51.100.4/31 at the edge, .5 here."""
    peer = namespace()
    wire.host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", peer.name)
    for end, device, number in ((wire.host, "eth1", 4), (peer, "eth0", 5)):
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", device)
        end.run("ip", "link", "set", device, "up")
    return make_daemon("o", peer, OTHER)


@pytest.fixture
def edge(make_daemon, wire, program, tmp_path, monkeypatch) -> Iterator[Edge]:
    """The edge with BIRD running a file that is not ours; the test's thread is inside its namespace."""
    bird = make_daemon("e", wire.host, INITIAL)
    state = tmp_path / "state"
    (state / "generations" / "initial").mkdir(parents=True)
    (state / "generations" / "initial" / "bird.conf").write_text(INITIAL)
    monkeypatch.setenv("TIDEGATE_STATE", str(state))
    monkeypatch.setenv("TIDEGATE_BIRD_CONF", str(bird.conf))
    monkeypatch.setenv("TIDEGATE_BIRD_SOCKET", str(bird.socket))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    # The machine that runs the tests may have systemd and a BIRD of its own: not ours to start.
    monkeypatch.setattr(daemon, "has_systemd", lambda: False)
    with wire.host.entered():
        yield Edge(bird, daemon.installed_version(), tmp_path, plan())
