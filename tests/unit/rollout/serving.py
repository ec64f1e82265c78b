"""A Prometheus of an imitated fleet: what hosts measure follows what they run, on the clock that the test turns."""

import json
import re
import threading
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import numpy as np

NOISE = 0.3


class Measured:
    """Latencies of hosts. A host is ``slower`` by this factor since it runs a plan that is not its first."""

    def __init__(self, scene, slower=1.0):
        self.scene, self.slower = scene, slower
        self.since = {}
        self.url = ""
        self.down = False
        self.asked = 0

    def look(self):
        """Note who runs something else than in the beginning, since now."""
        for name, host in self.scene.world.hosts.items():
            if host.plan != self.scene.old_plans[name]:
                self.since.setdefault(name, self.scene.clock.utc().timestamp())

    def answer(self, query, start, end, step):
        """The series of the hosts in a query, the same whenever it is asked."""
        hosts = [name for name in self.scene.world.hosts if re.search(rf"\b{name}\b", query)]
        return [{"metric": {"host": host}, "values": self._values(host, start, end, step)} for host in hosts]

    def _values(self, host, start, end, step):
        times = np.arange(start, end + step / 2, step)
        seed = sum(map(ord, host))
        noise = [_noise(seed, int(at)) for at in times]
        slow = np.where(times > self.since.get(host, np.inf), np.log(self.slower), 0.0)
        values = np.exp(3 + NOISE * np.array(noise) + slow)
        return [[float(at), f"{value:.6g}"] for at, value in zip(times, values, strict=True)]


@cache
def _noise(seed, at):
    return np.random.default_rng([seed, at]).standard_normal()


@contextmanager
def serving(measured):
    """It answers range queries on loopback, in the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            measured.asked += 1
            start, end = float(fields["start"][0]), float(fields["end"][0])
            step = float(fields["step"][0].removesuffix("ms")) / 1000
            result = [] if measured.down else measured.answer(fields["query"][0], start, end, step)
            data = {"status": "success", "data": {"resultType": "matrix", "result": result}}
            body = json.dumps({"status": "error", "errorType": "internal", "error": "down"} if measured.down else data)
            self.send_response(503 if measured.down else 200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    measured.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield measured
    finally:
        server.shutdown()
        server.server_close()
