"""A sick service is gone at the neighbor in time, and stays gone whatever BIRD, the host and the checker go through."""

from __future__ import annotations

import signal
import socket
import socketserver
import subprocess
import threading
import time

import pytest

from tidegate.bird import health, live, routes
from tidegate.checker import daemon, elsewhere, links, loss, metrics, record
from tidegate.host import durable, runtime
from tidegate.host.check import worst

from .conftest import until

V4, V6 = "192.0.2.0/24", "2001:db8:100::/48"
PORT = 8080
INTERVAL, FALL, RISE, HOLD = 1.0, 2, 2, 1.0


class Origin:
    """A web server inside the edge's namespace that answers with whatever status the test wants."""

    def __init__(self):
        origin = self

        class Answer(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(4096)
                origin.asked += 1
                origin.answered.append((time.monotonic(), origin.status))
                self.request.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % origin.status)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.status, self.asked, self.answered = 200, 0, []
        self._server = Server(("127.0.0.1", PORT), Answer)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Checked:
    """The edge with a checker process of its own, as systemd would run it."""

    def __init__(self, edge, namespace):
        self.edge, self.namespace, self.process = edge, namespace, None
        (edge.folder / "state" / "runtimes").mkdir(exist_ok=True)
        self.runtime = runtime.install()

    def start(self):
        command = runtime.command(self.edge.folder / "state" / "runtimes" / self.runtime, "checker")
        log = (self.edge.folder / "checker.log").open("ab")
        self.process = subprocess.Popen(self.namespace.command(*command), stdout=log, stderr=log)
        until(daemon.is_running, "the checker runs", 5)

    def end(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(10)
            self.process = None

    def generation(self, change=lambda section: None, **health):
        def with_checks(section):
            section["services"][0]["health"] = rule(**health)
            change(section)

        directory = self.edge.generation(with_checks)
        durable.write_json(directory / "manifest.json", {"id": directory.name, "runtime": self.runtime})
        return directory

    def log(self):
        return (self.edge.folder / "checker.log").read_text()


def rule(**changes):
    check = {
        "name": "http",
        "kind": "http",
        "target": f"http://127.0.0.1:{PORT}/health",
        "expected": {},
        "interval": INTERVAL,
        "timeout": 1.0,
        "rise": RISE,
        "fall": FALL,
    }
    return {"checks": [check], "hold": HOLD, "on_all_down": "withdraw", "on_checker_loss": "keep"} | changes


@pytest.fixture
def origin(edge, daemons):
    one = Origin()
    daemons.callback(one.stop)
    return one


@pytest.fixture
def checked(edge, wire, daemons, monkeypatch):
    monkeypatch.setenv("TIDEGATE_RUN", str(edge.folder / "run"))
    one = Checked(edge, wire.host)
    daemons.callback(one.end)
    return one


@pytest.fixture
def announced(checked, edge, neighbor, origin):
    """A generation with a check, announced because it is well."""
    generation = checked.generation()
    live.apply(generation, 60)
    assert edge.live_routes() == set(), "nothing is announced before it is proven"
    live.confirm(generation)
    edge.point("running", generation)
    edge.point("confirmed", generation)
    checked.start()
    until(lambda: {V4, V6} <= set(neighbor.prefixes()), "announced")
    return generation


def gone(neighbor):
    return V4 not in neighbor.prefixes() and V6 not in neighbor.prefixes()


def back(neighbor):
    return {V4, V6} <= set(neighbor.prefixes())


def make_sick(origin, neighbor):
    origin.status = 503
    until(lambda: gone(neighbor), "withdrawn", 10)


def test_a_sick_service_is_gone_at_the_neighbor_in_time_and_comes_back(announced, origin, neighbor, record_property):
    begun = time.monotonic()
    origin.status = 503
    until(lambda: gone(neighbor), "withdrawn", 10)
    end = time.monotonic()
    last = [at for at, status in origin.answered if status == 503][FALL - 1]
    record_property("seconds from a failing check to the prefix gone at the neighbor", round(end - begun, 3))
    print(
        f"gone at the neighbor after {end - begun:.3f} s, {(end - last) * 1000:.0f} ms after the last look that it took"
    )
    assert end - begun <= FALL * INTERVAL + 0.5
    begun = time.monotonic()
    origin.status = 200
    until(lambda: back(neighbor), "announced again", 15)
    assert time.monotonic() - begun >= (RISE - 1) * INTERVAL + HOLD


def test_nothing_that_happens_to_bird_announces_it_again(announced, checked, edge, origin, neighbor):
    make_sick(origin, neighbor)
    edge.bird.ask(f'configure "{edge.bird.conf}"')
    live.apply(announced, 60)
    live.apply(announced, None)
    edge.bird.stop()
    edge.bird.start()
    until(lambda: edge.established("peer_transit") and edge.established("peer_transit6"), "sessions up again")
    changed = checked.generation(lambda section: section["neighbors"][0].update(description="another"))
    live.apply(changed, 60)
    live.confirm(changed)
    until(lambda: edge.established("peer_transit"), "session up")
    asked = origin.asked
    until(lambda: origin.asked > asked + 1, "the checker follows and looks", 10)
    assert gone(neighbor)
    assert edge.live_routes() == set()
    assert live.diff(changed) == []
    origin.status = 200
    until(lambda: back(neighbor), "announced again", 15)


def test_neither_does_the_boot_before_somebody_has_looked(announced, checked, edge, origin, neighbor, monkeypatch):
    checked.end()
    edge.bird.stop()
    routes.remove(routes.live())
    monkeypatch.setattr(record, "boot_id", lambda: "another boot")
    live.apply(announced, None)
    assert edge.live_routes() == set(), "it was well before, but nobody knows whether it is now"


def test_a_killed_checker_leaves_everything_as_it_is_and_goes_on_where_it_was(
    announced, checked, edge, origin, neighbor
):
    checked.end(signal.SIGKILL)
    assert not daemon.is_running()
    assert loss.lost() == []
    assert back(neighbor)
    checked.start()
    make_sick(origin, neighbor)
    checked.end(signal.SIGKILL)
    assert loss.lost() == []
    asked = origin.asked
    checked.start()
    until(lambda: origin.asked > asked + 1, "looked again", 10)
    assert gone(neighbor), "its restart does not forget that the service is sick"
    origin.status = 200
    until(lambda: back(neighbor), "announced again", 15)


def test_a_lost_checker_withdraws_where_the_policy_says_so(announced, checked, edge, origin, neighbor):
    withdrawing = checked.generation(on_checker_loss="withdraw")
    live.apply(withdrawing, 60)
    live.confirm(withdrawing)
    until(lambda: "g2 is looked after" in checked.log(), "the checker follows", 5)
    assert back(neighbor), "another rule withdraws nothing"
    loss.lost()
    assert back(neighbor), "a checker that runs is not lost"
    checked.end(signal.SIGKILL)
    loss.lost()
    until(lambda: gone(neighbor), "withdrawn", 3)
    live.apply(withdrawing, 60)
    assert gone(neighbor), "an apply does not announce it either"
    checked.start()
    until(lambda: back(neighbor), "one good look is enough", 5)


def test_health_says_what_is_sick_and_nothing_is_drift(announced, checked, origin, neighbor):
    until(lambda: worst(health.checks(announced, {})) == "ok", "healthy")
    assert live.diff(announced) == []
    make_sick(origin, neighbor)
    checks = {check.name: check for check in health.checks(announced, {})}
    assert checks["bird.service.web"].status == "bad"
    assert "http: status 503" in checks["bird.service.web"].reason
    assert checks["bird.announced.transit"].status == "ok", "what is withheld is not expected"
    assert checks["bird.checker"].status == "ok"
    assert live.diff(announced) == []
    before = health.baseline()
    assert worst(health.checks(announced, before)) == "ok", "a service that was sick before does not stop a change"
    checked.end()
    checks = {check.name: check for check in health.checks(announced, {})}
    assert checks["bird.checker"].status == "bad"


def test_a_route_put_back_by_hand_is_drift_and_is_taken_away(announced, origin, neighbor):
    make_sick(origin, neighbor)
    routes.add({(4210, V4)})
    assert live.diff(announced) == [f"- announce {V4} (web)"]
    assert {c.name: c for c in health.checks(announced, {})}["bird.service.web"].reason.startswith("withheld, but")
    live.apply(announced, 60)
    assert live.diff(announced) == []


def test_a_generation_without_the_check_announces_at_once(announced, checked, edge, origin, neighbor):
    make_sick(origin, neighbor)
    plain = edge.generation()
    assert "- checks of web" in live.diff(plain)
    live.apply(plain, 60)
    until(lambda: back(neighbor), "announced", 5)
    assert links.generation() == plain.resolve()


def test_a_wrong_check_that_is_undone_is_forgotten_with_the_first_good_look(announced, checked, origin, neighbor):
    wrong = rule()["checks"][0] | {"target": f"http://127.0.0.1:{PORT + 1}/"}
    live.apply(checked.generation(checks=[wrong], hold=60.0), 60)
    until(lambda: gone(neighbor), "withdrawn", 10)
    live.apply(announced, None)
    assert gone(neighbor), "nothing is announced before the look"
    begun = time.monotonic()
    until(lambda: back(neighbor), "announced again", 10)
    assert time.monotonic() - begun < 1.5


def test_a_service_that_gains_a_check_stays_announced(checked, edge, origin, neighbor):
    edge.confirmed(edge.generation())
    until(lambda: back(neighbor), "announced")
    checked_too = checked.generation()
    assert "+ checks of web" in live.diff(checked_too)
    live.apply(checked_too, 60)
    assert edge.live_routes() == {V4, V6}
    checked.start()
    until(lambda: origin.asked > 2, "looked at")
    assert edge.live_routes() == {V4, V6}


def test_a_service_that_is_sick_everywhere_is_kept_if_the_policy_says_so(announced, checked, origin, neighbor):
    keeping = checked.generation(on_all_down="keep")
    live.apply(keeping, 60)
    make_sick(origin, neighbor)
    elsewhere.tell("web", 0, 60)
    until(lambda: back(neighbor), "announced although sick: nobody else has it", 5)
    live.apply(keeping, 60)
    assert live.diff(keeping) == []
    assert back(neighbor)
    elsewhere.tell("web", 1, 60)
    until(lambda: gone(neighbor), "withdrawn: another host has it", 5)


def test_a_server_that_hangs_is_gone_in_time_too(announced, origin, neighbor):
    origin.stop()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", PORT))
        silent.listen(16)
        begun = time.monotonic()
        until(lambda: gone(neighbor), "withdrawn", 10)
        # A look that is not answered takes its whole timeout, 1 s.
        assert time.monotonic() - begun <= FALL * INTERVAL + 1.0 + 0.5


def test_the_metrics_say_it(announced, origin, neighbor):
    until(lambda: 'tidegate_service_announced{service="web"} 1' in metrics.path().read_text(), "announced", 5)
    make_sick(origin, neighbor)
    until(lambda: 'tidegate_service_announced{service="web"} 0' in metrics.path().read_text(), "withdrawn", 5)
    text = metrics.path().read_text()
    assert 'tidegate_service_state{service="web",state="down"} 1' in text
    assert 'tidegate_check_well{service="web",check="http"} 0' in text
    assert 'tidegate_service_changes_total{service="web"} 2' in text


def test_remove_leaves_nothing(announced, edge):
    live.remove()
    assert edge.live_routes() == set()
    assert links.generation() is None
