"""A lab whose edges have had their first highstate, and what scenarios ask of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path

from scenario import EDGES, failed_states

from lab import prometheus

REPO = Path(__file__).resolve().parents[2]


class SteadyFleet:
    """Everything a lab can do, and what a fleet under Tidegate can."""

    def __init__(self, lab):
        self.lab = lab

    def __getattr__(self, name):
        return getattr(self.lab, name)

    def begin(self):
        """The first highstate; afterwards only the policy leads home."""
        returned = self.highstate("edge*")
        assert set(returned) == set(EDGES)
        for edge, states in returned.items():
            assert failed_states(states) == {}, edge
        self.lab.settle()

    # --- Salt --------------------------------------------------------------------------------------------------------

    def highstate(self, target, *arguments, pillar=None):
        """Run a highstate and wait for it; what each minion returned."""
        return self.salt(target, "state.apply", *arguments, *_pillar(pillar), timeout=150)

    def begin_highstate(self, host, pillar=None):
        """Start a highstate and do not wait: its host may not be there to answer."""
        self.run("master", "salt", "--async", host, "state.apply", *_pillar(pillar))

    def call(self, host, function, *arguments):
        """What one minion returns; the test fails if it does not answer."""
        returned = self.salt(host, function, *arguments, timeout=30)
        assert host in returned, f"{host} did not answer {function}"
        return returned[host]

    def answers(self, host):
        """Whether the minion answers its master."""
        return self.salt(host, "test.ping", timeout=3).get(host) is True

    # --- the host ----------------------------------------------------------------------------------------------------

    def status(self, host):
        """``traffic.status``, asked on the host itself: a minion that is cut off has one too."""
        done = self.exec(host, "/usr/bin/python3", "-E", "-s", "-B", "/var/lib/tidegate/restore", "status")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def status_file(self, host):
        """The record of the change under way, or nothing."""
        done = self.exec(host, "cat", "/var/lib/tidegate/transaction.json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def has_default_route(self, host):
        """Whether the host knows a way home (IPv4)."""
        return bool(self.exec(host, "ip", "route", "show", "default").stdout.strip())

    def dropped(self, rule):
        """Packets that a rule has dropped on all edges."""
        return sum(self.call(edge, "xdp.counters")[rule]["packets"] for edge in EDGES)

    def prometheus_hosts(self, query):
        """The hosts of which the lab's Prometheus has an answer to a query."""
        url = f"{prometheus.url(self.lab.topology)}/api/v1/query"
        told = json.loads(self.run("client", "curl", "-sS", "-m5", "--get", url, "--data-urlencode", f"query={query}"))
        return {series["metric"].get("host") for series in told["data"]["result"]}

    def a_class(self, host):
        """Some leaf class on a host's link, as tc names it."""
        text = self.run(host, "tc", "class", "show", "dev", "eth0")
        return next(line.split()[2] for line in text.splitlines() if "parent 1de:1" in line)

    def contend(self, host, router, sources, seconds):
        """TCP from several source addresses of a host to its router at once: Mbit/s of each, over ``seconds``.

        Not to the client: its answers to the anycast address may go to another edge.
        """
        ports = {name: str(5300 + number) for number, name in enumerate(sources)}
        for port in ports.values():
            self.run(router, "iperf3", "--server", "--one-off", "--daemon", "--port", port)
            self.until(lambda port=port: self.run(router, "ss", "-Hltn", f"sport = :{port}"))
        command = [
            "iperf3",
            "--json",
            "--client",
            self.lab.topology.address(self.lab.topology.host(router)),
            "--time",
            str(seconds),
            "--omit",
            "1",
        ]
        name_of = self.lab.container(self.lab.topology.host(host))
        running = {
            name: subprocess.Popen(
                self.lab.engine.exec_command(name_of, [*command, "--bind", source, "--port", ports[name]]),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            )
            for name, source in sources.items()
        }  # fmt: skip
        told = {name: json.loads(process.communicate(timeout=seconds + 30)[0]) for name, process in running.items()}
        assert not [one["error"] for one in told.values() if "error" in one]
        return {name: one["end"]["sum_received"]["bits_per_second"] / 1e6 for name, one in told.items()}

    # --- policies and templates --------------------------------------------------------------------------------------

    def served_pillar(self):
        """The pillar folder that the master reads now."""
        return (self.lab.state / "pillar").resolve()

    @contextmanager
    def broken_template(self, name, old, new):
        """The master serves a state tree with one edited template, as if somebody had overridden it."""
        path = f"traffic/templates/{name}"
        text = (REPO / "salt" / path).read_text()
        assert old in text
        self.lab.override(path, text.replace(old, new))
        try:
            yield
        finally:
            self.lab.override(path, None)

    def _write(self, host, path, text):
        self.copy(host, {path: text.encode()})

    def copy(self, host, files):
        """Put files on a host: path to content."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        self.lab.engine.copy_in(self.lab.container(self.lab.topology.host(host)), buffer.getvalue())

    # --- without a master, and the verify suite ----------------------------------------------------------------------

    def lend_packages(self, host):
        """Give a host the Python packages of the master: what compiles a policy, and what runs the verify suite."""
        self.run(host, "mkdir", "-p", "/tmp/lent")
        self._untar(host, "/tmp/lent", self._tar_of("master", "/opt/master", ["."]))
        self._untar(host, "/tmp", self._tar_of("master", "/srv/tidegate", ["tests/verify"]))

    def without_master(self, host):
        """A highstate by ``salt-call --local``, from the repository and a minion configuration of the host's own."""
        self._install_masterless(host)
        lent = "$(echo /opt/salt/lib/python3.*/site-packages)/lent.pth"
        self.run(host, "sh", "-c", f"echo /tmp/lent > {lent}")
        try:
            done = self.exec(
                host, "salt-call", "--config-dir=/tmp/masterless", "--local", "--out=json", "state.apply", timeout=180
            )
        finally:
            self.run(host, "sh", "-c", f"rm {lent}")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["local"]

    def _install_masterless(self, host):
        self.lend_packages(host)
        folders = ["salt", "_modules", "_states", "_utils", "_pillar"]
        self.run(host, "mkdir", "-p", "/tmp/repo", "/tmp/masterless", "/tmp/repo/pillar")
        self._untar(host, "/tmp/repo", self._tar_of("master", "/srv/tidegate", folders))
        self._untar(host, "/tmp/repo/pillar", self._tar_of("master", "/srv/pillar", ["."]))
        conf = {
            "id": host,
            "file_client": "local",
            "cachedir": "/tmp/masterless/cache",
            "file_roots": {"base": ["/tmp/repo/salt"]},
            "pillar_roots": {"base": ["/tmp/repo/pillar"]},
            "pillar_dirs": ["/tmp/repo/_pillar"],
            "utils_dirs": ["/tmp/repo/_utils"],
            "ext_pillar": [{"tidegate": {}}],
        }
        self._write(host, "/tmp/masterless/minion", json.dumps(conf))

    def verify(self, *arguments, part=None):
        """Run the verify suite, or one file of it, from this machine against edges; pytest's exit code."""
        hosts = [name for name in arguments if name in EDGES]
        engine = self.lab.engine.command
        urls = ",".join(f"{engine}://{self.lab.container(self.lab.topology.host(name))}" for name in hosts)
        options = [argument for argument in arguments if argument not in EDGES]
        suite = f"tests/verify/test_{part}.py" if part else "tests/verify"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite, f"--hosts={urls}"]
        done = subprocess.run([*command, *options], cwd=REPO, capture_output=True, text=True, check=False)
        print(done.stdout)
        return done.returncode

    @staticmethod
    def verify_command(url):
        """The verify suite's command line on a host of the lab."""
        suite = "/srv/tidegate/tests/verify" if url.startswith("salt") else "/tmp/tests/verify"
        python = ["env", "PYTHONPATH=/opt/master:/tmp/lent", "PYTHONDONTWRITEBYTECODE=1", "/opt/salt/bin/python"]
        return [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", suite, f"--hosts={url}"]

    def _tar_of(self, host, folder, names):
        command = ["tar", "-C", folder, "--exclude=__pycache__", "-cf", "-", *names]
        words = self.lab.engine.exec_command(self.lab.container(self.lab.topology.host(host)), command)
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout

    def _untar(self, host, folder, tar):
        words = self.lab.engine.exec_command(
            self.lab.container(self.lab.topology.host(host)), ["tar", "-C", folder, "-xf", "-"]
        )
        subprocess.run(words, input=tar, capture_output=True, check=True)


def _pillar(values):
    return [] if values is None else [f"pillar={json.dumps(values)}"]
