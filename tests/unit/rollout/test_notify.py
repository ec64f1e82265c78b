"""Webhooks against a real server, and the events that Salt's bus gets."""

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tidegate.rollout.event import Event
from tidegate.rollout.notify import SIGNATURE, Notifier, summary

STOPPED = Event("stopped", {"reason": "a gate failed", "wave": "canary"}, 7)


class Bus:
    def __init__(self):
        self.told = []

    def tell(self, tag, data):
        self.told.append((tag, data))


@contextmanager
def server(*answers):
    """A server that answers with these statuses, the last one again and again; what it got, with headers."""
    got, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            status = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", got
    finally:
        running.shutdown()
        running.server_close()


def entry(url, *kinds, secret=None):
    return {"webhook": f"{url}/hook", "events": list(kinds or ("stopped",)), "secret": secret}


def tell(notifier, events, *entries):
    notifier.tell(12, "f" * 64, entries, events)
    assert notifier.drained(10)


def test_everything_is_told_on_the_bus_and_only_what_is_wanted_to_webhooks():
    bus = Bus()
    with server(200) as (url, got):
        events = [Event("wave", {"wave": "canary"}, 6), STOPPED]
        tell(Notifier(bus, {}), events, entry(url))
    assert [tag for tag, _ in bus.told] == ["tidegate/rollout/12/wave", "tidegate/rollout/12/stopped"]
    assert len(got) == 1
    path, headers, body = got[0]
    assert (path, headers["Content-Type"]) == ("/hook", "application/json")
    told = json.loads(body)
    assert (told["rollout"], told["kind"], told["reason"], told["seq"]) == (12, "stopped", "a gate failed", 7)
    assert SIGNATURE not in headers


def test_it_is_signed_with_the_secret_that_the_policy_names():
    with server(200) as (url, got):
        tell(Notifier(Bus(), {"pager": "s3cret"}), [STOPPED], entry(url, secret="pager"))
    _, headers, body = got[0]
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


def test_without_the_secret_nothing_is_sent():
    with server(200) as (url, got):
        tell(Notifier(Bus(), {}), [STOPPED], entry(url, secret="pager"))
    assert not got


@pytest.mark.parametrize(
    ("answers", "tries"),
    [((503, 200), 2), ((503,), 3), ((404,), 1), ((429, 200), 2), ((302, 200), 1)],
    ids=["comes back", "stays away", "is not there", "too many", "sends us elsewhere"],
)
def test_it_tries_again_as_long_as_that_may_help(answers, tries):
    with server(*answers) as (url, got):
        tell(Notifier(Bus(), {}, pauses=(0.01, 0.01)), [STOPPED], entry(url))
    assert [path for path, _, _ in got] == ["/hook"] * tries


def test_nobody_there_holds_nothing_up():
    notifier = Notifier(Bus(), {}, pauses=(0.01,))
    tell(notifier, [STOPPED], entry("http://127.0.0.1:9"))
    with server(200) as (url, got):
        tell(notifier, [STOPPED], entry(url))
    assert len(got) == 1


def test_a_bus_that_fails_holds_nothing_up():
    class Broken:
        def tell(self, tag, data):
            raise RuntimeError("no bus")

    with server(200) as (url, got):
        tell(Notifier(Broken(), {}), [STOPPED], entry(url))
    assert len(got) == 1


def test_many_hosts_and_much_evidence_are_told_in_short():
    hosts = {f"h{n}": {"outcome": "applied", "reason": ""} for n in range(500)}
    told = summary(1, "f", Event("returned", {"jid": "1", "hosts": hosts}))
    assert told["hosts"] == {"count": 500, "some": ["h0", "h1", "h2", "h3", "h4"]}
    verdict = {"gate": "health", "outcome": "pass", "reason": "good", "evidence": {"worst": list(range(1000))}}
    told = summary(1, "f", Event("judged", {"wave": "w", "round": 1, "elapsed": 1.0, "verdicts": [verdict]}))
    assert told["verdicts"] == [{"gate": "health", "outcome": "pass", "reason": "good"}]
