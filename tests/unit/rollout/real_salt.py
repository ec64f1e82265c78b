"""A Salt master and minions of the tests' own, on loopback, in a temporary folder; gone with the tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

REPO = Path(__file__).parents[3]
PATIENCE = 60
"""Seconds until a minion must be there."""


class Salt:
    """A running master: its options, its processes, and how to start minions."""

    def __init__(self, folder: Path, config: dict | None = None) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}
        self._ports = _free_ports(2)
        self._config = config or {}
        _write(folder / "master", self._master())

    @property
    def opts(self):
        """The master's options, as Salt reads them."""
        from salt.config import master_config

        return master_config(str(self.folder / "master" / "master"))

    def start_master(self):
        """Start it, and wait until it takes jobs."""
        self._start("master")
        socket_ = self.folder / "master" / "sock" / "publish_pull.ipc"
        until(lambda: socket_.exists() and _open(self._ports[1]), "the master")

    def start_minion(self, id_):
        """Start a minion, and wait until the master reaches it."""
        _write(self.folder / id_, self._minion(id_))
        self._start(id_)
        until(lambda: self._answers(id_), f"the minion {id_}")

    def stop(self, name, signal=15):
        """End the master or a minion and everything it has started."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)

    def _answers(self, id_):
        import salt.client

        with salt.client.LocalClient(mopts=self.opts) as client:
            return client.cmd(id_, "test.ping", timeout=2) == {id_: True}

    def _start(self, name):
        kind = "master" if name == "master" else "minion"
        program = Path(sys.executable).with_name(f"salt-{kind}")
        with (self.folder / name / "output").open("ab") as output:
            command = [program, "-c", self.folder / name]
            # A group of its own: Salt starts many processes, and all of them have to end with the tests.
            self.processes[name] = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)

    def _master(self):
        publish, answer = self._ports
        root = self.folder / "master"
        return {
            **_common(root),
            "publish_port": publish,
            "ret_port": answer,
            "auto_accept": True,
            "worker_threads": 1,
            "file_roots": {"base": [str(REPO / "salt")]},
            "pillar_roots": {"base": [str(root / "pillar")]},
            "engines_dirs": [str(REPO / "_engines")],
            "utils_dirs": [str(REPO / "_utils")],
            "token_dir": str(root / "tokens"),
            "sqlite_queue_dir": str(root / "queues"),
            "syndic_dir": str(root / "syndics"),
            **self._config,
        }

    def _minion(self, id_):
        publish, answer = self._ports
        return {
            **_common(self.folder / id_),
            "id": id_,
            "master": "127.0.0.1",
            "publish_port": publish,
            "master_port": answer,
            "recon_default": 100,
            "recon_max": 1000,
            "random_reauth_delay": 1,
            "acceptance_wait_time": 1,
            "enable_fqdns_grains": False,
            "enable_gpu_grains": False,
        }


@contextlib.contextmanager
def running(minions=("edge1", "edge2"), **config) -> Iterator[Salt]:
    """A master with minions, in the block."""
    folder = Path(tempfile.mkdtemp(prefix="tg-salt-"))
    salt = Salt(folder, config)
    try:
        salt.start_master()
        for id_ in minions:
            salt.start_minion(id_)
        yield salt
    finally:
        for name in list(salt.processes):
            salt.stop(name)
        shutil.rmtree(folder, ignore_errors=True)


def missing():
    """Why no master can be started here, or ``None``."""
    return None if Path(sys.executable).with_name("salt-master").exists() else "salt-master is not installed"


def until(holds, what, patience=PATIENCE):
    """Wait until something holds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.2)
    raise TimeoutError(f"{what} did not come up within {patience} s")


def _common(root):
    return {
        "root_dir": str(root),
        "interface": "127.0.0.1",
        "pki_dir": str(root / "pki"),
        "cachedir": str(root / "cache"),
        "sock_dir": str(root / "sock"),
        "pidfile": str(root / "pid"),
        "conf_file": str(root / ("master" if root.name == "master" else "minion")),
        "log_file": str(root / "log"),
        "log_level_logfile": "warning",
        "log_level": "error",
        "user": _user(),
        "ipc_mode": "ipc",
    }


def _user():
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _write(folder, config):
    folder.mkdir(exist_ok=True)
    (folder / ("master" if folder.name == "master" else "minion")).write_text(yaml.safe_dump(config))


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
