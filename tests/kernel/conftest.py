"""Network namespaces and a BPF file system for tests that need a kernel; gone afterwards, whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.bpf import libbpf
from tidegate.host.errors import TidegateError

REPOSITORY = Path(__file__).parents[2]
OBJECTS = REPOSITORY / "salt" / "traffic" / "bpf"
CLONE_NEWNET = 0x40000000
ARRAY = 2

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Namespace:
    """A network namespace. ``run`` starts commands in it; ``entered`` moves this thread there for a while.

    Both leave /sys alone (``ip netns exec`` remounts it, which hides pins).
    """

    name: str

    @property
    def path(self) -> Path:
        return Path("/run/netns", self.name)

    def command(self, *words: object) -> list[str]:
        return ["nsenter", f"--net={self.path}", "--", *map(str, words)]

    def run(self, *words: object, check: bool = True) -> str:
        """Output of a command in the namespace; a failure shows what the command said."""
        return run(*self.command(*words), check=check)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _setns(os.open(self.path, os.O_RDONLY))
            yield
        finally:
            _setns(outside)


@dataclass(frozen=True)
class Wire:
    """Two namespaces joined by a veth pair, ``eth0`` at both ends.

    host 198.51.100.2/31 and 2001:db8:1::2/64, peer 198.51.100.3/31 and 2001:db8:1::3/64.
    """

    host: Namespace
    peer: Namespace


def run(*words: object, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _setns(descriptor: int) -> None:
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def _needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def namespaces() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def namespace(namespaces: contextlib.ExitStack):
    """A function that makes a namespace with loopback up; call it as often as needed."""

    def make() -> Namespace:
        new = Namespace(f"tg-{os.getpid()}-{next(_numbers)}")
        run("ip", "netns", "add", new.name)
        namespaces.callback(run, "ip", "netns", "delete", new.name, check=False)
        new.run("ip", "link", "set", "lo", "up")
        return new

    return make


@pytest.fixture
def wire(namespace) -> Wire:
    host, peer = namespace(), namespace()
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", peer.name)
    for end, number in ((host, 2), (peer, 3)):
        end.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", "eth0")
        end.run("ip", "address", "add", f"2001:db8:1::{number}/64", "dev", "eth0", "nodad")
        end.run("ip", "link", "set", "eth0", "up")
    return Wire(host, peer)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory and a BPF file system of the test's own, in force through ``host.paths``."""
    mount, state = tmp_path / "bpf", tmp_path / "state"
    mount.mkdir()
    state.mkdir()
    run("mount", "-t", "bpf", "bpf", mount)
    monkeypatch.setenv("TIDEGATE_BPFFS", str(mount / "tidegate"))
    monkeypatch.setenv("TIDEGATE_STATE", str(state))
    try:
        yield tmp_path
    finally:
        run("umount", "--lazy", mount)


@pytest.fixture(scope="session")
def objects() -> Path:
    """Where the BPF objects are; built now if the sources changed and there is a compiler."""
    try:
        os.close(libbpf.map_create(ARRAY, "probe", 4, 4, 1, 0))
    except TidegateError as error:
        pytest.skip(f"no BPF here: {error}")
    if shutil.which("clang") or list(Path("/usr/bin").glob("clang-[0-9]*")):
        run(REPOSITORY / "script" / "build-bpf")
    elif not (OBJECTS / "xdp.bpf.o").is_file():
        pytest.skip("no clang to build the BPF objects with, and none are built")
    return OBJECTS
