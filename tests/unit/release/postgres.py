"""A PostgreSQL server of the tests' own: in a temporary folder, as a user without rights, gone with the tests."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("initdb", "postgres", "psql", "createdb", "pg_dump", "pg_restore")
PATIENCE = 30
"""Seconds until the server must answer."""


@dataclass(frozen=True)
class Server:
    """A running server: where its programs and its socket are."""

    programs: Path
    socket: Path
    process: subprocess.Popen

    def url(self, database):
        """The URL of a database there."""
        return f"postgresql://tidegate@/{database}?host={self.socket}"

    def run(self, program, *arguments, **options):
        """One of PostgreSQL's client programs, against this server."""
        command = [self.programs / program, "-h", self.socket, "-U", "tidegate", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, **options)


def missing():
    """Why no server can be started here, or ``None``."""
    if programs() is None:
        return "PostgreSQL's server is not installed (Debian: postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL refuses to run as root, and setpriv is not installed"
    return None


def programs():
    """The folder of the newest server's programs, if it has all that the tests use."""
    found = shutil.which("postgres")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    candidates = [*folders[::-1], *([Path(found).parent] if found else [])]
    return next((folder for folder in candidates if all((folder / name).exists() for name in NEEDED)), None)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server in the block."""
    folder = Path(tempfile.mkdtemp(prefix="tg-postgres-"))
    data, socket = folder / "data", folder
    process = None
    try:
        prefix = _unprivileged(folder)
        setup = [*prefix, programs() / "initdb", "-D", data, "-U", "tidegate", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*setup, "--locale=C.UTF-8"], check=True, capture_output=True, cwd=folder)
        # The server asks to be ended when this process ends, however it ends.
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={socket}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            command = [*prefix, programs() / "postgres", "-D", data, *options]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        server = Server(programs(), socket, process)
        _wait(server, folder / "log")
        yield server
    finally:
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder):
    """The command that runs another without root's rights, and ends it with this process."""
    watched = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    if os.geteuid() != 0:
        return watched
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [*watched, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait(server, log):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            server.run("psql", "-d", "postgres", "-c", "SELECT 1")
        except subprocess.CalledProcessError:
            if server.process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL does not answer: {log.read_text()[-2000:]}")
