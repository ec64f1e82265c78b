"""A host with one wire, in a namespace of its own, and generations to apply there."""

import contextlib
import json
import shlex
import shutil
import socket
import threading

import pytest

from tidegate.tc import command, live
from tidegate.tc.program import OBJECT
from tidegate.tc.render import render


class Host:
    """The namespace that is shaped."""

    def __init__(self, namespace):
        self.run = namespace.run

    def tc(self, line):
        """Output of a tc command, said as one would type it."""
        return self.run("tc", *shlex.split(line))


@pytest.fixture
def host(wire, machine):
    """The host's end of the wire; the test runs in its namespace. Skipped where the kernel cannot shape."""
    with wire.host.entered():
        if refusal := command.try_in_empty_namespace(live._PROBE):
            pytest.skip(f"this kernel cannot shape: {refusal}")
        for here, there, number in ((wire.host, wire.peer, 3), (wire.peer, wire.host, 2)):
            mac = json.loads(there.run("ip", "-j", "link", "show", "eth0"))[0]["address"]
            for address in (f"198.51.100.{number}", f"2001:db8:1::{number}"):
                here.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")
        yield Host(wire.host)


@pytest.fixture
def generation(host, tmp_path, objects):
    """A function that makes a generation of shaped interfaces, for the namespace of ``host`` and never outside it."""
    made = iter(range(1000))

    def make(*interfaces):
        directory = tmp_path / f"generation-{next(made)}"
        directory.mkdir()
        for name, text in render({"interfaces": list(interfaces)}).items():
            (directory / name).write_text(text)
        shutil.copy(objects / OBJECT, directory)
        return directory

    return make


@pytest.fixture
def send(host):
    """A function that sends UDP datagrams from the host's end to the peer's."""

    def send(count=1, size=100, *, to=("198.51.100.3", 9), source=("", 0), dscp=0):
        family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            level, option = (
                (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
                if family == socket.AF_INET6
                else (socket.IPPROTO_IP, socket.IP_TOS)
            )
            sock.setsockopt(level, option, dscp << 2)
            sock.bind(source)
            for _ in range(count):
                sock.sendto(b"x" * size, to)

    return send


@pytest.fixture
def arrived(wire):
    """A function that counts the datagrams that reached port 7 of the peer, waiting a little for the last of them."""
    with wire.peer.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        receiver.bind(("198.51.100.3", 7))
        receiver.settimeout(0.5)

        def count():
            received = 0
            with contextlib.suppress(TimeoutError):
                while receiver.recv(2000):
                    received += 1
            return received

        yield count


@pytest.fixture
def come(wire):
    """A function that has the peer send so many datagrams at once; how many arrived."""

    def come(count=1, port=7, size=100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("198.51.100.2", port))
            receiver.settimeout(0.5)
            with wire.peer.entered():
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sender:
                for _ in range(count):
                    sender.sendto(b"x" * size, ("198.51.100.2", port))
            received = 0
            with contextlib.suppress(TimeoutError):
                while received < count:
                    receiver.recv(4000)
                    received += 1
            return received

    return come


@pytest.fixture
def apply_and_die(monkeypatch):
    """A function that applies a generation and dies after so many lines of the first batch."""

    def apply_and_die(made, survived):
        batch = command.batch

        def killed(lines):
            batch(lines[:survived])
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(command, "batch", killed)
            live.apply(made, None)

    return apply_and_die


class Stream:
    """Datagrams from the host's end to a port of the peer's while a block lasts: about a megabyte a second at most."""

    def __init__(self, wire, port):
        with wire.peer.entered():
            self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.setsockopt(socket.SOL_SOCKET, 33, 64 * 2**20)  # SO_RCVBUFFORCE: only others' loss counts
        self._receiver.bind(("198.51.100.3", port))
        self._receiver.settimeout(1)
        self._port, self._done = port, threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = self.received = 0

    def _send(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self._done.wait(0.001):
                sock.sendto(b"x" * 1000, ("198.51.100.3", self._port))
                self.sent += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        with self._receiver, contextlib.suppress(TimeoutError):
            while self.received < self.sent:
                self._receiver.recv(2000)
                self.received += 1


@pytest.fixture
def stream(wire):
    """A function that makes a stream to a port of the peer's."""
    return lambda port: Stream(wire, port)
