"""A web server that says which host answered, and counts: enough to see anycast at work, and to judge it.

/health answers ok, /metrics what Prometheus reads, every other path the host and its PoP, /page with 40 kB below.
Two files make it a bad one: /run/lab-origin.fail (answers are a 500) and /run/lab-origin.delay (seconds before each).
"""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = socket.gethostname()
POP = HOST.rpartition(".")[2]
FAIL, DELAY = Path("/run/lab-origin.fail"), Path("/run/lab-origin.delay")
FILLER = ("." * 99 + "\n") * 400
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Counts:
    """Answers by code, and how long they took, in the text format of Prometheus."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.codes = {200: 0, 500: 0}
        self.buckets = dict.fromkeys(BUCKETS, 0)
        self.seconds = 0.0

    def add(self, code: int, seconds: float) -> None:
        """Count one answer."""
        with self.lock:
            self.codes[code] += 1
            self.seconds += seconds
            for bucket in BUCKETS:
                self.buckets[bucket] += seconds <= bucket

    def text(self) -> str:
        """All series, those of no answer yet too: a ratio of two needs both."""
        name = "lab_origin_request_seconds"
        with self.lock:
            total = sum(self.codes.values())
            lines = ["# TYPE lab_origin_requests_total counter"]
            lines += [f'lab_origin_requests_total{{code="{code}"}} {count}' for code, count in self.codes.items()]
            lines += [f"# TYPE {name} histogram"]
            lines += [f'{name}_bucket{{le="{bucket}"}} {count}' for bucket, count in self.buckets.items()]
            lines += [f'{name}_bucket{{le="+Inf"}} {total}', f"{name}_sum {self.seconds}", f"{name}_count {total}"]
        return "\n".join(lines) + "\n"


COUNTS = Counts()


class Answer(BaseHTTPRequestHandler):
    """Answers every path, and counts those that clients ask for."""

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/metrics":
            self._answer(200, COUNTS.text(), "text/plain; version=0.0.4; charset=utf-8")
        elif self.path == "/health":
            self._answer(200, "ok\n")
        else:
            self._serve()

    def _serve(self) -> None:
        begun = time.monotonic()
        if DELAY.exists():
            time.sleep(float(DELAY.read_text()))
        code = 500 if FAIL.exists() else 200
        client = self.client_address[0].removeprefix("::ffff:")
        COUNTS.add(code, time.monotonic() - begun)
        below = FILLER if self.path == "/page" else ""
        self._answer(code, f"{HOST} in {POP} answered {client}\n{below}")

    def _answer(self, code: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the journal quiet."""


class Server(ThreadingHTTPServer):
    """IPv6 and IPv4 on one socket."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    threading.Thread(target=Server(("::", 8080), Answer).serve_forever, daemon=True).start()
    Server(("::", 80), Answer).serve_forever()
