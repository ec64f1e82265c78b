"""A real Prometheus of the tests' own, and an exporter for it: each host is a target that serves what a test says."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOSTS = ("edge1.lhr1", "edge2.lhr1", "edge1xlhr1")
"""The last is what an unescaped dot would let in."""
INTERVAL = 0.2
PATIENCE = 30


@dataclass
class Metered:
    """A running Prometheus; ``texts`` is what each host exports."""

    url: str
    process: subprocess.Popen
    texts: dict

    def export(self, texts):
        """Let hosts export this, and wait until it has been scraped."""
        self.texts.clear()
        self.texts.update({host: f"{text}\n" for host, text in texts.items()})
        marks = {host: f"mark{time.monotonic_ns()}" for host in HOSTS}
        for host, mark in marks.items():
            self.texts[host] = self.texts.get(host, "") + f'mark{{is="{mark}"}} 1\n'
        for mark in marks.values():
            until(lambda mark=mark: self.value(f'mark{{is="{mark}"}}'))

    def value(self, query):
        """What Prometheus answers, by a way of its own."""
        return self._data(f"query?{urllib.parse.urlencode({'query': query})}")["result"]

    @property
    def version(self):
        """Its version: (2, 42)."""
        return tuple(map(int, self._data("status/buildinfo")["version"].split(".")[:2]))

    def _data(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/api/v1/{path}", timeout=5) as response:
            return json.load(response)["data"]


def missing():
    """Why no Prometheus can be started here, or ``None``."""
    return None if shutil.which("prometheus") else "Prometheus is not installed (Debian: prometheus)"


@contextlib.contextmanager
def running(history=None) -> Iterator[Metered]:
    """A Prometheus that scrapes `HOSTS`, in the block; or one that has this past instead, as OpenMetrics has it."""
    folder = Path(tempfile.mkdtemp(prefix="tg-prometheus-"))
    texts: dict[str, str] = {}
    exporter = ThreadingHTTPServer(("127.0.0.1", 0), _exporter(texts))
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    process = None
    try:
        configuration = _configuration(exporter.server_port) if history is None else {}
        (folder / "prometheus.yml").write_text(json.dumps(configuration))
        if history is not None:
            _remember(folder, history)
        port = _free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(_command(folder, port), stdout=log, stderr=log, cwd=folder)
        server = Metered(f"http://127.0.0.1:{port}", process, texts)
        until(lambda: _ready(server, folder / "log"))
        yield server
    finally:
        if process is not None:
            process.kill()
            process.wait()
        exporter.shutdown()
        exporter.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def until(true, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.05)


def _remember(folder, history):
    """Blocks of samples of the past, written as Prometheus itself would have."""
    (folder / "history").write_text(history)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history", "data"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _command(folder, port):
    watched = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return [
        *watched, "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip


def _configuration(port):
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": f"/{host}", "instance": f"{host}:9100"}}
        for host in HOSTS
    ]
    scraped = {"job_name": "edges", "scrape_interval": f"{int(INTERVAL * 1000)}ms", "scrape_timeout": "200ms"}
    return {"scrape_configs": [{**scraped, "static_configs": targets}]}


def _exporter(texts):
    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(texts.get(self.path[1:], "").encode())

        def log_message(self, *_):
            pass

    return Exporter


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ready(server, log):
    assert server.process.poll() is None, log.read_text()[-2000:]
    try:
        return server.value("vector(1)")
    except OSError:
        return False
