"""The control-socket client against a socket that behaves, and against ones that do not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from tidegate.bird.control import Control, NotRunning, Rejected
from tidegate.host.errors import Failed

BANNER = b"0001 BIRD 2.17.6 ready.\n"


@pytest.fixture
def bird(tmp_path):
    """A function that serves these bytes, piece by piece, to whoever connects, then stays silent; the socket's path."""
    path, server, open_connections = tmp_path / "ctl", socket.socket(socket.AF_UNIX), []

    def serve(*pieces: bytes, hang_up: bool = False):
        def talk():
            connection, _ = server.accept()
            open_connections.append(connection)
            with contextlib.suppress(OSError):  # whoever has heard enough hangs up first
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.01)
                if hang_up:
                    connection.shutdown(socket.SHUT_RDWR)

        server.bind(str(path))
        server.listen()
        threading.Thread(target=talk, daemon=True).start()
        return path

    yield serve
    for one in (*open_connections, server):
        one.close()


def test_a_reply_in_pieces_with_continuations_and_asynchronous_lines(bird):
    path = bird(BANNER, b"1002-first\n sec", b"ond\n+ a message to nobody\n1003-th", b"ird\n0013 done\n")
    with Control(path, timeout=2) as control:
        reply = control.command("show status")
    assert control.banner == "BIRD 2.17.6 ready."
    assert [(line.code, line.text) for line in reply.lines] == [
        (1002, "first"),
        (1002, "second"),
        (1003, "third"),
        (13, "done"),
    ]
    assert reply.text(1002) == "first\nsecond"
    assert reply.code == 13


@pytest.mark.parametrize("code", [8002, 8003, 9001])
def test_errors_are_raised_with_their_code(bird, code):
    path = bird(BANNER, b"0002-Reading\n%d it is wrong\n" % code)
    with Control(path, timeout=2) as control, pytest.raises(Rejected) as rejected:
        control.command("configure")
    assert (rejected.value.code, rejected.value.message) == (code, "it is wrong")


def test_progress_is_no_error(bird):
    with Control(bird(BANNER, b"0002-Reading\n0004 Reconfiguration in progress\n"), timeout=2) as control:
        assert control.command("configure").code == 4


def test_silence_ends_in_time(bird):
    with Control(bird(BANNER), timeout=0.2) as control, pytest.raises(Failed, match="in time"):
        control.command("show status")


def test_a_trickle_ends_in_time_too(bird):
    with Control(bird(BANNER, *[b"1002-more\n"] * 200), timeout=0.3) as control, pytest.raises(Failed, match="in time"):
        control.command("show route")


def test_a_broken_connection_is_a_failure(bird):
    with Control(bird(BANNER, b"1002-half", hang_up=True), timeout=2) as control, pytest.raises(Failed):
        control.command("show status")


@pytest.mark.parametrize("greeting", [b"220 smtp ready\n", b"garbage\n", b"", b"\xff\xfe\n"])
def test_whoever_is_not_bird_is_not_running(bird, greeting):
    with pytest.raises(NotRunning):
        Control(bird(greeting), timeout=0.2)


def test_no_socket_is_not_running(tmp_path):
    with pytest.raises(NotRunning):
        Control(tmp_path / "none")


def test_a_command_is_one_line(bird):
    with Control(bird(BANNER), timeout=1) as control, pytest.raises(ValueError, match="one line"):
        control.command("show status\ndown")
