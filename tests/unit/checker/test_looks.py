"""Looks at real servers and commands on this machine, honest and hostile ones: always an answer, always in time."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from tidegate.checker.looks import look
from tidegate.checker.rules import CheckRule

SECONDS = 0.6


def seen(kind, target, timeout=SECONDS, **expected):
    """What a look says; the test fails if it takes longer than it may."""
    begun = time.monotonic()
    found = look(CheckRule("x", kind, target, 2.0, timeout, 1, 1, expected))
    assert time.monotonic() - begun < timeout + 0.4
    return found


@contextmanager
def serving(talk, family=socket.AF_INET, wrap=lambda connection: connection):
    """A TCP server that treats each connection with ``talk``; yields its port."""
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        server.listen()
        server.settimeout(0.05)
        over = threading.Event()
        worker = threading.Thread(target=_serve, args=(server, talk, wrap, over))
        worker.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            worker.join()


def _serve(server, talk, wrap, over):
    while not over.is_set():
        try:
            with server.accept()[0] as plain:
                plain.settimeout(2)
                with wrap(plain) as connection:
                    talk(connection, over)
        except OSError:
            continue


def http(answer):
    def talk(connection, _):
        talk.request = connection.recv(4096)
        connection.sendall(answer)

    return talk


def trickle(text, pause):
    """A byte now and then: each arrives before any time-out of a single read."""

    def talk(connection, over):
        connection.recv(4096)
        for byte in text:
            if over.wait(pause):
                return
            connection.sendall(bytes([byte]))

    return talk


class TestHttp:
    @pytest.mark.parametrize(
        ("status", "wanted", "good"),
        [(200, {}, True), (204, {}, True), (503, {}, False), (301, {}, False), (301, {"status": 301}, True)],
    )
    def test_the_status_decides(self, status, wanted, good):
        with serving(http(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as port:
            assert seen("http", f"http://127.0.0.1:{port}/", **wanted)[0] is good

    def test_what_is_asked_for(self):
        talk = http(b"HTTP/1.1 200 OK\r\n\r\n")
        with serving(talk) as port:
            assert seen("http", f"http://www.example.net:{port}/health?full", address="127.0.0.1") == (
                True,
                "status 200",
            )
        assert talk.request.startswith(b"GET /health?full HTTP/1.1\r\n")
        assert f"Host: www.example.net:{port}\r\n".encode() in talk.request

    def test_ipv6(self):
        with serving(http(b"HTTP/1.1 200 OK\r\n\r\n"), socket.AF_INET6) as port:
            assert seen("http", f"http://[::1]:{port}/")[0]

    def test_text_in_the_body(self):
        with serving(http(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nis well")) as port:
            assert seen("http", f"http://127.0.0.1:{port}/", body="well")[0]
            good, reason = seen("http", f"http://127.0.0.1:{port}/", body="HTTP/1.1")
        assert not good
        assert "is not in the answer" in reason

    def test_text_in_a_body_that_comes_in_chunks(self):
        with serving(
            http(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwe \r\n3\r\nare\r\n0\r\n\r\n")
        ) as port:
            assert seen("http", f"http://127.0.0.1:{port}/", body="we are")[0]

    @pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500, b"H" * 500])
    def test_a_server_that_trickles_is_not_waited_for(self, text):
        with serving(trickle(text, 0.1)) as port:
            good, reason = seen("http", f"http://127.0.0.1:{port}/", body="never")
        assert not good
        assert "within 0.6 s" in reason

    def test_an_endless_answer_is_read_so_far_and_no_further(self):
        def flood(connection, over):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not over.is_set():
                connection.sendall(b"x" * 65536)

        with serving(flood) as port:
            assert not seen("http", f"http://127.0.0.1:{port}/", body="never")[0]

    @pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 OK\r\n\r\n", b"\x00\xff\r\n\r\n"])
    def test_what_is_not_http(self, answer):
        with serving(http(answer)) as port:
            assert seen("http", f"http://127.0.0.1:{port}/") == (False, "the answer is not HTTP")

    def test_nobody_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            good, reason = seen("http", f"http://127.0.0.1:{taken.getsockname()[1]}/")
        assert not good
        assert "refused" in reason

    def test_a_certificate_that_nobody_vouches_for(self, tmp_path):
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=www.example.net"]
        subprocess.run(
            ["openssl", "req", *options, "-keyout", key, "-out", certificate], capture_output=True, check=True
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        wrap = lambda plain: context.wrap_socket(plain, server_side=True)  # noqa: E731
        with serving(http(b"HTTP/1.1 200 OK\r\n\r\n"), wrap=wrap) as port:
            good, reason = seen("http", f"https://www.example.net:{port}/", address="127.0.0.1")
        assert not good
        assert "TLS" in reason

    def test_tls_that_never_answers(self):
        with serving(lambda connection, over: over.wait(2)) as port:
            assert not seen("http", f"https://127.0.0.1:{port}/")[0]


class TestTcp:
    def test_a_connection_is_enough(self):
        with serving(lambda *_: None) as port:
            assert seen("tcp", f"127.0.0.1:{port}") == (True, "connected")

    def test_no_answer_at_all(self):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            good, reason = seen("tcp", f"127.0.0.1:{full.getsockname()[1]}")
            for one in waiting:
                one.close()
        assert not good
        assert "no answer within" in reason


class TestDns:
    def test_a_server_that_does_not_answer(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            found = seen("dns", f"127.0.0.1:{silent.getsockname()[1]}", question="www.example.net")
        assert not found[0]

    def test_a_server_that_answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(2)

            def answer():
                query, sender = server.recvfrom(4096)
                record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x0a"
                server.sendto(query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:] + record, sender)

            worker = threading.Thread(target=answer)
            worker.start()
            target = f"127.0.0.1:{server.getsockname()[1]}"
            found = seen("dns", target, question="www.example.net", answer="192.0.2.10")
            worker.join()
        assert found == (True, "the answer is 192.0.2.10")


class TestCommand:
    def test_the_exit_status_decides(self):
        assert seen("command", ["/bin/sh", "-c", "echo fine; exit 0"]) == (True, "exit status 0: fine")
        assert seen("command", ["/bin/sh", "-c", "echo broken >&2; exit 3"]) == (False, "exit status 3: broken")

    def test_no_shell_reads_it(self):
        assert seen("command", ["/bin/echo", "$(id); `id` | cat"]) == (True, "exit status 0: $(id); `id` | cat")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_it_does_not_run_as_root(self):
        assert seen("command", ["/usr/bin/id", "-un"])[1] == "exit status 0: nobody"
        assert seen("command", ["/usr/bin/id", "-un"], user="daemon")[1] == "exit status 0: daemon"
        assert "no user" in seen("command", ["/bin/true"], user="no-such-user")[1]

    def test_no_such_program(self):
        good, reason = seen("command", ["/nonexistent/check"])
        assert not good
        assert "/nonexistent/check" in reason

    def test_one_that_hangs_is_killed_with_all_its_children(self, tmp_path):
        tmp_path.chmod(0o777)
        script = "sleep 30 & echo $! > %s/child; sleep 30" % tmp_path  # noqa: UP031
        for parent in tmp_path.parents:
            if parent.stat().st_uid == os.geteuid() and parent.parts[1:2] == ("tmp",):
                parent.chmod(0o755)
        good, reason = seen("command", ["/bin/sh", "-c", script])
        assert not good
        assert "not done within" in reason
        child = int((tmp_path / "child").read_text())
        end = time.monotonic() + 2
        while time.monotonic() < end and _lives(child):
            time.sleep(0.02)
        assert not _lives(child)

    def test_one_that_leaves_a_child_behind_is_done_when_it_is_done(self):
        begun = time.monotonic()
        assert seen("command", ["/bin/sh", "-c", "sleep 30 & echo ok"], timeout=3) == (True, "exit status 0: ok")
        assert time.monotonic() - begun < 1

    def test_one_that_prints_without_end_is_stopped(self):
        assert not seen("command", ["/bin/sh", "-c", "while :; do echo spam; done"])[0]


def test_a_kind_that_a_newer_policy_may_know():
    good, reason = seen("grpc", "127.0.0.1:1")
    assert not good
    assert "grpc" in reason


def _lives(process):
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
