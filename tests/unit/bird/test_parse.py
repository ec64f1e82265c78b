"""Replies recorded from real daemons of every version, read back as values."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tidegate.bird import parse
from tidegate.bird.control import Control, Line, Reply

REPLIES = Path(__file__).parent / "replies"


@pytest.fixture(params=["2.0", "2.17", "3.1"])
def replies(request, tmp_path):
    """The recorded conversation, through the real client: status, protocols, two tables of routes."""
    path = tmp_path / "ctl"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        recorded = (REPLIES / f"bird-{request.param}.txt").read_bytes()
        kept = []

        def talk():
            kept.append(server.accept()[0])
            kept[0].sendall(recorded)

        thread = threading.Thread(target=talk)
        thread.start()
        with Control(path, timeout=5) as control:
            thread.join()
            yield [parse.version(control.banner), *(control.command("recorded") for _ in range(4))]
        kept[0].close()


def test_status(replies):
    version, status, *_ = replies
    assert version in {(2, 0, 12), (2, 17, 6), (3, 1, 8)}
    assert parse.version(status.text(1000)) == version
    assert not parse.reconfiguring(status)


def test_sessions(replies):
    found = parse.sessions(replies[2])
    assert sorted(found) == ["ib_v6", "lhr1_transit_v4", "nobody"]
    transit = found["lhr1_transit_v4"]
    assert (transit.state, transit.address, transit.asn) == ("Established", "198.51.100.3", 64601)
    assert (transit.local_asn, transit.imported, transit.exported) == (4200000000, 2, 1)


def test_a_description_that_looks_like_a_state_is_not_one(replies):
    nobody = parse.sessions(replies[2])["nobody"]
    assert not nobody.established
    assert (nobody.imported, nobody.exported) == (0, 0)


def test_routes(replies):
    assert parse.prefixes(replies[3]) == ["0.0.0.0/0", "100.64.0.0/10", "192.0.2.0/24", "2001:db8:100::/48"]
    assert parse.prefixes(replies[4]) == ["2001:db8:100::/48"]


def test_reconfiguration_in_progress_is_seen():
    assert parse.reconfiguring(Reply((Line(1000, "BIRD 2.17.6"), Line(13, "Reconfiguration in progress"))))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("BIRD version 2.0.12", (2, 0, 12)),
        ("BIRD version 2.17.6", (2, 17, 6)),
        ("BIRD version 3.1.8\n", (3, 1, 8)),
        ("BIRD 2.15 ready.", (2, 15, 0)),
        ("BIRD version 2.0.12-71-g0a1b2c3", (2, 0, 12)),
        ("bash: bird: command not found", None),
    ],
)
def test_versions(text, version):
    assert parse.version(text) == version
