"""Probes against real servers on the loopback, honest and hostile ones."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager

import pytest

from tidegate.host import dns
from tidegate.host.errors import Failed, Refused
from tidegate.minion.probe import probe


@contextmanager
def serving(talk, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    """A server that treats each connection (or each datagram) with ``talk``; yields its port."""
    with socket.socket(family, kind) as server:
        server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.settimeout(0.05)
        over = threading.Event()
        worker = threading.Thread(target=_serve, args=(server, kind, talk, over))
        worker.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            worker.join()


def _serve(server, kind, talk, over):
    while not over.is_set():
        try:
            if kind == socket.SOCK_STREAM:
                connection, _ = server.accept()
                with connection:
                    talk(connection)
            else:
                query, sender = server.recvfrom(4096)
                for answer in talk(query):
                    server.sendto(answer, sender)
        except (TimeoutError, OSError):
            continue


def http(status, body=b"", headers=b""):
    def talk(connection):
        talk.request = connection.recv(4096)
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body))

    return talk


class TestHttp:
    def test_an_answer(self):
        with serving(http(200, b"edge1.lhr1 is well")) as port:
            found = probe("http", f"http://127.0.0.1:{port}/health?full", body="is well")
        assert found == {"ok": True, "status": 200, "reason": "status 200", "seconds": found["seconds"]}
        assert 0 <= found["seconds"] < 5

    @pytest.mark.parametrize(
        ("status", "wanted", "ok"), [(503, {}, False), (301, {}, False), (301, {"status": 301}, True)]
    )
    def test_the_status_decides(self, status, wanted, ok):
        with serving(http(status, headers=b"Location: file:///etc/passwd\r\n")) as port:
            found = probe("http", f"http://127.0.0.1:{port}/", **wanted)
        assert (found["ok"], found["status"]) == (ok, status)

    def test_a_body_without_the_text(self):
        with serving(http(200, b"maintenance")) as port:
            found = probe("http", f"http://127.0.0.1:{port}/", body="welcome")
        assert not found["ok"]
        assert "'welcome' is not in the answer" in found["reason"]

    def test_another_address_keeps_the_name(self):
        talk = http(200)
        with serving(talk) as port:
            assert probe("http", f"http://www.example.net:{port}/", address="127.0.0.1")["ok"]
        assert f"Host: www.example.net:{port}".encode() in talk.request

    def test_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            found = probe("http", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        assert not found["ok"]
        assert "refused" in found["reason"]
        assert found["status"] is None

    def test_who_speaks_no_http(self):
        with serving(lambda connection: connection.sendall(b"220 mail.example.net ESMTP\r\n")) as port:
            assert not probe("http", f"http://127.0.0.1:{port}/")["ok"]

    def test_https_wants_a_certificate_that_is_trusted(self):
        with serving(http(200)) as port:
            assert not probe("http", f"https://127.0.0.1:{port}/", timeout=2)["ok"]

    @pytest.mark.parametrize("slow", ["silent", "trickling headers", "trickling body"])
    def test_it_takes_no_longer_than_it_may(self, slow):
        over = threading.Event()

        def talk(connection):
            if slow == "trickling body":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not over.wait(0.1):
                if slow != "silent":
                    connection.sendall(b"x")

        with serving(talk) as port:
            begun = time.monotonic()
            found = probe("http", f"http://127.0.0.1:{port}/", timeout=0.5, body="y")
            took = time.monotonic() - begun
            over.set()
        assert not found["ok"]
        assert took < 1.5


class TestTcp:
    @pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")])
    def test_a_connection_is_enough(self, family, host):
        with serving(lambda connection: None, family) as port:
            assert probe("tcp", f"{host}:{port}")["ok"]

    def test_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            assert not probe("tcp", f"127.0.0.1:{unused.getsockname()[1]}")["ok"]


def answering(*addresses, code=0):
    def talk(query):
        head = query[:2] + struct.pack("!5H", 0x8180 | code, 1, len(addresses), 0, 0)
        kinds = [(28, socket.AF_INET6) if ":" in address else (1, socket.AF_INET) for address in addresses]
        records = [
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, 16 if kind == 28 else 4) + socket.inet_pton(family, address)
            for address, (kind, family) in zip(addresses, kinds, strict=True)
        ]
        return [head + query[12:] + b"".join(records)]

    return talk


def ask(talk, **expected):
    with serving(talk, kind=socket.SOCK_DGRAM) as port:
        return probe("dns", f"127.0.0.1:{port}", **{"question": "www.example.net", "timeout": 1, **expected})


class TestDns:
    def test_an_answer(self):
        found = ask(answering("192.0.2.10", "192.0.2.11"), answer="192.0.2.11")
        assert (found["ok"], found["status"]) == (True, "NOERROR")
        assert found["answers"] == ["192.0.2.10", "192.0.2.11"]

    def test_an_ipv6_answer(self):
        assert ask(answering("2001:db8::1"), type="AAAA", answer="2001:db8::1")["ok"]

    def test_another_address_than_expected(self):
        found = ask(answering("203.0.113.1"), answer="192.0.2.10")
        assert not found["ok"]
        assert found["reason"] == "192.0.2.10 is not in the answer: 203.0.113.1"

    @pytest.mark.parametrize(("code", "name"), [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (9, "RCODE9")])
    def test_a_server_that_says_no(self, code, name):
        found = ask(answering(code=code))
        assert (found["ok"], found["status"]) == (False, name)

    def test_no_such_record(self):
        assert not ask(answering())["ok"]

    def test_answers_to_other_questions_are_not_heard(self):
        def forged(query):
            other = dns.query("www.example.org", "A")
            yield bytes([query[0] ^ 1]) + query[1:2] + answering("203.0.113.1")(query)[0][2:]
            yield answering("203.0.113.1")(query[:2] + other[2:])[0]
            yield from answering("192.0.2.10")(query)

        assert ask(forged)["answers"] == ["192.0.2.10"]

    def test_a_lost_packet_is_sent_again(self):
        seen = []

        def lossy(query):
            seen.append(query)
            return answering("192.0.2.10")(query) if len(seen) == 2 else []

        assert ask(lossy)["ok"]

    def test_a_silent_server(self):
        found = ask(lambda query: [], timeout=0.4)
        assert not found["ok"]
        assert found["seconds"] < 1

    @pytest.mark.parametrize("cut", [0, 5, 11])
    def test_a_cut_message(self, cut):
        with pytest.raises(Failed, match="not a DNS message"):
            dns.parse(answering("192.0.2.10")(dns.query("a.example", "A"))[0][:-4][:cut])

    def test_a_record_of_a_wrong_length(self):
        with pytest.raises(Failed, match="not a DNS message"):
            dns.parse(answering("192.0.2.10")(dns.query("a.example", "A"))[0][:-1])


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("icmp", "192.0.2.1", {}),
        ("http", "file:///etc/passwd", {}),
        ("http", "ftp://192.0.2.1/", {}),
        ("http", "http://", {}),
        ("http", "http://[::1", {}),
        ("http", "http://192.0.2.1:99999/", {}),
        ("http", "http://user:word@192.0.2.1/", {}),
        ("http", "http://192.0.2.1/\r\nX: y", {}),
        ("http", "http://192.0.2.1/", {"colour": "blue"}),
        ("tcp", "192.0.2.1", {}),
        ("tcp", "2001:db8::1", {}),
        ("tcp", "192.0.2.1:0", {}),
        ("tcp", "192.0.2.1:https", {}),
        ("dns", "192.0.2.53", {}),
        ("dns", "192.0.2.53", {"question": "a..b"}),
        ("dns", "192.0.2.53", {"question": "x" * 64}),
        ("dns", "192.0.2.53", {"question": "bücher.example"}),
        ("dns", "192.0.2.53", {"question": "a.example", "type": "ANY"}),
        ("tcp", "192.0.2.1:80", {"timeout": 0}),
        ("tcp", "192.0.2.1:80", {"timeout": 1000}),
        ("tcp", "192.0.2.1:80", {"timeout": "5"}),
    ],
)
def test_what_is_no_probe_is_refused_and_nothing_is_sent(kind, target, expected):
    with pytest.raises(Refused):
        probe(kind, target, **expected)
