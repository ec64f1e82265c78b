"""BIRD killed while it is being configured: the error says so, and it starts again from what was confirmed."""

from __future__ import annotations

import os
import threading

import pytest

from tidegate.bird import conf, daemon, live
from tidegate.host.errors import Failed

from .conftest import PASSWORD, until


def second_service(section):
    section["services"].append({"name": "dns", "ipv4": ["203.0.113.0/24"], "ipv6": []})
    announced = {**section["neighbors"][0]["export"][0], "service": "dns", "prefixes": ["203.0.113.0/24"]}
    section["neighbors"][0]["export"].append(announced)


@pytest.fixture
def killed_while_it_reads(edge, tmp_path):
    """A function that makes a generation BIRD is killed in the middle of: it reads a pipe that says nothing more.

    The first to read the pipe is ``configure check``, which is let through; the second is ``configure``, which finds
    another pipe in its place: that one cannot be opened while the first is still being read.
    """
    pipe, opened = tmp_path / "pipe", []
    os.mkfifo(pipe)

    def serve():
        for reading in ("check", "configure"):
            with pipe.open("w"):  # opens when BIRD does
                opened.append(reading)
                if reading == "configure":
                    edge.bird.stop()
                else:
                    pipe.unlink()
                    os.mkfifo(pipe)

    thread = threading.Thread(target=serve, daemon=True)

    def make():
        generation = edge.generation(second_service)
        with (generation / "bird.conf").open("a") as file:
            file.write(f'include "{pipe}";\n')
        thread.start()
        return generation

    yield make, opened
    thread.join(10)
    assert not thread.is_alive()


def starts_from(edge, neighbor, first):
    """Nothing of the candidate is left, and BIRD, started again, runs and announces what was confirmed."""
    assert edge.bird.conf.read_text() == (first / "bird.conf").read_text()
    assert [path.name for path in edge.bird.conf.parent.iterdir() if "candidate" in path.name] == []
    assert edge.live_routes() == {"192.0.2.0/24", "2001:db8:100::/48"}
    edge.bird.start()
    assert edge.bird.marker() == conf.marker((first / "bird.conf").read_text())
    assert live.diff(first) == []
    until(lambda: "192.0.2.0/24" in neighbor.prefixes(), "announced again")
    assert "203.0.113.0/24" not in neighbor.prefixes()


def test_killed_while_it_reads_the_candidate(edge, neighbor, killed_while_it_reads):
    make, opened = killed_while_it_reads
    first = edge.confirmed(edge.generation())
    with pytest.raises(Failed, match="the connection to BIRD broke at 'configure \"") as failed:
        live.apply(make(), 60)
    assert opened == ["check", "configure"]
    assert PASSWORD not in str(failed.value)
    starts_from(edge, neighbor, first)


def test_killed_when_it_has_taken_the_candidate_but_is_not_done(edge, neighbor, monkeypatch):
    first = edge.confirmed(edge.generation())
    wait = daemon._await_completion

    def killed(control):
        edge.bird.stop()
        wait(control)

    with monkeypatch.context() as patch, pytest.raises(Failed, match="the connection to BIRD broke"):
        patch.setattr(daemon, "_await_completion", killed)
        live.apply(edge.generation(second_service), 60)
    starts_from(edge, neighbor, first)


def test_after_it_the_same_change_can_be_made(edge, neighbor, killed_while_it_reads):
    make, _ = killed_while_it_reads
    edge.confirmed(edge.generation())
    with pytest.raises(Failed):
        live.apply(make(), 60)
    edge.bird.start()
    edge.confirmed(edge.generation(second_service))
    until(lambda: "203.0.113.0/24" in neighbor.prefixes(), "the new service announced")
