"""A web server that says which host answered: enough to see anycast at work."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = socket.gethostname()
POP = HOST.rpartition(".")[2]


class Answer(BaseHTTPRequestHandler):
    """Every path answers with the host and its PoP; /health with ok."""

    def do_GET(self) -> None:
        """Answer one request."""
        client = self.client_address[0].removeprefix("::ffff:")
        text = "ok" if self.path == "/health" else f"{HOST} in {POP} answered {client}"
        body = f"{text}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the journal quiet."""


class Server(ThreadingHTTPServer):
    """IPv6 and IPv4 on one socket."""

    address_family = socket.AF_INET6
    daemon_threads = True


if __name__ == "__main__":
    threading.Thread(target=Server(("::", 8080), Answer).serve_forever, daemon=True).start()
    Server(("::", 80), Answer).serve_forever()
