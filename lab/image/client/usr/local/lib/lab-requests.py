"""Requests at a fixed rate, each over a connection of its own, until it is told to stop; then what became of them.

    lab-requests.py RATE REPORT URL...

Every request counts once: it is answered or it is lost, nothing is tried again. The rate does not depend on answers: a
slow one keeps no other back. On SIGTERM it waits for those under way and writes REPORT, a JSON document.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds without an answer after which a request is lost."""
AT_ONCE = 64
LOSSES_KEPT = 20


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

    def answer(self, host: str, seconds: float) -> None:
        """One was answered by a host."""
        with self.lock:
            self.sent += 1
            self.answered[host] = self.answered.get(host, 0) + 1
            self.slowest = max(self.slowest, seconds)

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
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while not over.wait(max(0.0, begun + number / rate - time.monotonic())):
            pool.submit(ask, urls[number % len(urls)], tally)
            number += 1
            if number % max(1, int(rate)) == 0:
                write(report, tally.report(time.monotonic()))
    write(report, {**tally.report(time.monotonic()), "over": True})


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
