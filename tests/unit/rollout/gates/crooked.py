"""A server on loopback that answers as a test says: late, byte by byte, elsewhere, or nonsense."""

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Crooked:
    """What it answers: ``status``, ``headers`` and ``body``, whole or one byte every ``drip`` seconds."""

    url: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0.0
    silence: float = 0.0
    requests: list = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def says(self, data, **more):
        self.body = json.dumps({"status": "success", "data": data, **more}).encode()

    def has(self, *values, **more):
        """An instant vector of these values, of hosts a, b, c…"""
        result = [
            {"metric": {"instance": host}, "value": [1.5, value]}
            for host, value in zip("abcdefgh", values, strict=False)
        ]
        self.says({"resultType": "vector", "result": result}, **more)


@contextlib.contextmanager
def running():
    crooked = Crooked()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(crooked))
    server.daemon_threads = True
    crooked.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield crooked
    finally:
        crooked.over.set()
        server.shutdown()
        server.server_close()


def _handler(crooked):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            crooked.requests.append((self.path, dict(self.headers), self.rfile.read(length).decode()))
            crooked.over.wait(crooked.silence)
            with contextlib.suppress(OSError):
                self._answer()

        do_GET = do_POST

        def _answer(self):
            self.send_response(crooked.status)
            for name, value in crooked.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in crooked.body if crooked.drip else ():
                if crooked.over.is_set():
                    return
                self.wfile.write(bytes([byte]))
                time.sleep(crooked.drip)
            if not crooked.drip:
                self.wfile.write(crooked.body)

        def log_message(self, *_):
            pass

    return Handler
