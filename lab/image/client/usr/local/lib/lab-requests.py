"""Requests at a fixed rate, each over a connection of its own, until it is told to stop; then what became of them.

    lab-requests.py RATE REPORT URL...

Every request counts once: it is answered or it is lost, nothing is tried again. The rate does not depend on answers: a
slow one keeps no other back. On SIGTERM it waits for those under way and writes REPORT, a JSON document. Until then
http://127.0.0.1:9481/metrics says who answered how quickly, for Prometheus: what users feel of a host.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds without an answer after which a request is lost."""
AT_ONCE = 64
LOSSES_KEPT = 20
METRICS = ("127.0.0.1", 9481)
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
SECONDS = "lab_client_answer_seconds"


class Tally:
    """What became of the requests so far."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.lock = threading.Lock()
        self.sent = 0
        self.answered: dict[str, int] = {}
        self.losses: list[dict[str, object]] = []
        self.lost = 0
        self.slowest = 0.0
        self.buckets: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def answer(self, host: str, seconds: float) -> None:
        """One was answered by a host."""
        with self.lock:
            self.sent += 1
            self.answered[host] = self.answered.get(host, 0) + 1
            self.slowest = max(self.slowest, seconds)
            self.seconds[host] = self.seconds.get(host, 0.0) + seconds
            known = self.buckets.get(host, [0] * len(BUCKETS))
            self.buckets[host] = [count + (seconds <= most) for count, most in zip(known, BUCKETS, strict=True)]

    def loss(self, url: str, at: float, why: str) -> None:
        """One was not answered, or not with 200."""
        with self.lock:
            self.sent += 1
            self.lost += 1
            if len(self.losses) < LOSSES_KEPT:
                self.losses.append({"at": round(at - self.begun, 3), "url": url, "why": why})

    def report(self, now: float) -> dict[str, object]:
        """Everything, as plain data."""
        with self.lock:
            return {
                "sent": self.sent,
                "lost": self.lost,
                "answered": dict(sorted(self.answered.items())),
                "losses": list(self.losses),
                "slowest": round(self.slowest, 4),
                "seconds": round(now - self.begun, 1),
            }

    def text(self) -> str:
        """How long answers took, by the host that gave them."""
        lines = [f"# TYPE {SECONDS} histogram"]
        with self.lock:
            for host, count in self.answered.items():
                limits = [*zip(BUCKETS, self.buckets[host], strict=True), ("+Inf", count)]
                lines += [f'{SECONDS}_bucket{{host="{host}",le="{most}"}} {number}' for most, number in limits]
                lines += [f'{SECONDS}_sum{{host="{host}"}} {self.seconds[host]}']
                lines += [f'{SECONDS}_count{{host="{host}"}} {count}']
        return "\n".join(lines) + "\n"


def show(tally: Tally) -> None:
    """Serve the figures, until the process ends."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = tally.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the journal quiet."""

    threading.Thread(target=ThreadingHTTPServer(METRICS, Answer).serve_forever, daemon=True).start()


def ask(url: str, tally: Tally) -> None:
    """One request, one connection."""
    begun = time.monotonic()
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status}: {text.strip()}")
        tally.answer(text.split(" ")[0], time.monotonic() - begun)
    except (OSError, http.client.HTTPException) as error:
        tally.loss(url, begun, f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def write(path: str, document: object) -> None:
    """Put a document in place at once and whole."""
    new = f"{path}.new"
    with open(new, "w") as stream:  # noqa: PTH123
        json.dump(document, stream)
    os.replace(new, path)  # noqa: PTH105


def main(rate: float, report: str, urls: list[str]) -> None:
    """Send until SIGTERM or SIGINT."""
    over = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: over.set())
    begun = time.monotonic()
    tally, number = Tally(begun), 0
    show(tally)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while not over.wait(max(0.0, begun + number / rate - time.monotonic())):
            pool.submit(ask, urls[number % len(urls)], tally)
            number += 1
            if number % max(1, int(rate)) == 0:
                write(report, tally.report(time.monotonic()))
    write(report, {**tally.report(time.monotonic()), "over": True})


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
