"""The lab as a whole: what ``lab/lab`` and the fleet tests do with it."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import cables, customer, images, pillar, prometheus, requests, router, salt_config, topology
from lab.engine import Container, Engine
from lab.progress import Progress
from lab.topology import Host

REPO = Path(__file__).resolve().parent.parent
DEFAULT_NAME = "tidegate"
_AT_ONCE = 4  # containers that are made or started side by side; more only queue on the engine's lock


# There is no DNS: a name that /etc/hosts does not know fails at once instead of after ten seconds.
_NSSWITCH = "".join(f"{database}: files\n" for database in ("passwd", "group", "shadow", "hosts"))
_BOOTED = "until [ -S /run/systemd/private ]; do sleep 0.1; done; exec systemctl is-system-running --wait"


class LabError(Exception):
    """The lab is not in the state that was asked for; the message says which host and what was seen."""


class Fleet:
    """One lab, found by its name; it holds no state of its own, so any number of processes may use it."""

    def __init__(self, name: str = DEFAULT_NAME, engine: Engine | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
            raise LabError(f"{name!r} is no lab name: lower-case letters, digits and dashes")
        self.name = name
        self.engine = engine or Engine.find()
        self.topology = topology.load()
        self.state = images.cache() / "lab" / name

    # --- the life of a lab -----------------------------------------------------------------------------------------

    def up(self, progress: Progress | None = None) -> None:
        """Bring up what is missing, from nothing or from a part of a lab; a running lab is left alone.

        Raises:
            EngineError, CableError, LabError: a step failed; ``down`` cleans up.
        """
        progress = progress or Progress(5)
        with progress.step("Images"):
            self.engine = images.ensure(self.engine, progress)
        with progress.step("Machines"):
            if not (self.state / "pillar").exists():
                self.policy(REPO / "pillar")
            (self.state / "salt").mkdir(exist_ok=True)
            states = self._usable_containers()
            new = [host for name, host in self.topology.hosts.items() if states.get(name, "created") == "created"]
            self._each([host for host in new if host.name not in states], self._create)
            self._each(new, self._configure)
        with progress.step("Power and cables"):
            running = [host for name, host in self.topology.hosts.items() if states.get(name) == "running"]
            # One that runs without cables was started by an `up` that was interrupted.
            ready = {host for host in running if cables.is_plugged(self.pid(host))}
            off = [host for host in self.topology.hosts.values() if host not in ready]
            self._power_on(off, fresh=off)
        with progress.step("Boot"):
            self.wait_for_boot(self.topology.hosts.values())
        with progress.step("Salt minions"):
            self.wait_for_minions(progress)
            self._teach_probe_hosts()

    def down(self) -> None:
        """Remove every container of this lab and its files, whatever state they are in."""
        self.engine.remove(container.name for container in self.containers())
        shutil.rmtree(self.state, ignore_errors=True)

    def kill(self, name: str) -> None:
        """Cut a host's power: every process ends at once, its disk stays."""
        self.engine.kill(self.container(self.topology.host(name)))

    def start(self, name: str, *, fresh: bool = False) -> None:
        """Power a host on and plug its cables again.

        Args:
            name: the host.
            fresh: give it an installer's default route; without, an edge finds its way home by BGP or not at all.

        Raises:
            LabError: it did not boot.
        """
        host = self.topology.host(name)
        self._power_on([host], fresh=[host] if fresh else [])
        self.wait_for_boot([host])

    def settle(self, timeout: float = 60) -> None:
        """Take the installer's default routes away once BGP has brought its own, so that only the policy leads home.

        Raises:
            LabError: a host has no default route from BGP yet; its installer's route stays.
        """

        def unsettled() -> list[str]:
            return [
                f"{host.name} (IPv{family})"
                for host in self.topology.edges
                for family in (4, 6)
                if not self._has_learned_default(host, family)
            ]

        left = _wait_until_empty(unsettled, timeout)
        if left:
            raise LabError(f"no default route learned by BGP after {timeout:.0f} s on {', '.join(left)}")
        for host in self.topology.edges:
            for family in ("-4", "-6"):
                cables.remove_installer_routes(self.pid(host), family=family)

    # --- using it --------------------------------------------------------------------------------------------------

    def exec(self, name: str, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command on a host; its exit code and output are the caller's to judge."""
        words = self.engine.exec_command(self.container(self.topology.host(name)), command)
        return subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )

    def salt(self, target: str, function: str, *arguments: str, timeout: int = 120) -> dict[str, Any]:
        """Run ``salt TARGET FUNCTION`` on the master.

        Returns:
            What each minion returned. A minion that did not answer is missing, so that nothing passes for it.

        Raises:
            LabError: the master did not answer in JSON.
        """
        done = self.exec(
            "master", "salt", "--out=json", "--static", "--hide-timeout", f"--timeout={timeout}", target, function,
            *arguments, timeout=timeout + 60,
        )  # fmt: skip
        try:
            return dict(json.loads(done.stdout or "{}"))
        except ValueError:
            raise LabError(f"salt {target} {function}: {done.stdout}{done.stderr}") from None

    def start_requests(self, rate: float = requests.RATE, path: str = "/") -> None:
        """Let the client ask the anycast addresses, in turn, so many times a second, until `stop_requests`.

        Raises:
            RequestsError: it does already, or cannot.
        """
        requests.start(self.exec, self.topology.vips, rate, path)

    def stop_requests(self) -> requests.Requests:
        """End the client's requests and count what became of them.

        Raises:
            RequestsError: there are none.
        """
        return requests.stop(self.exec)

    def policy(self, source: Path) -> Path:
        """Give the master another pillar directory; the minions see it at their next highstate."""
        self.state.mkdir(parents=True, exist_ok=True)
        return pillar.publish(source, self.state)

    def override(self, path: str, text: str | None) -> None:
        """Put a file before the repository's state tree, as a site does that has templates of its own, or take it away.

        Args:
            path: Below ``salt/``, such as ``traffic/templates/bird/announce.j2``.
            text: What it holds; None for the repository's file again.
        """
        file = self.state / "salt" / path
        if text is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    # --- looking at it ---------------------------------------------------------------------------------------------

    def containers(self) -> list[Container]:
        """This lab's containers."""
        return self.engine.containers(self.name)

    def container(self, host: Host) -> str:
        """The name of a host's container."""
        return f"{self.name}-{host.name}"

    def pid(self, host: Host) -> int:
        """A running host's first process, as this machine numbers it."""
        return self.engine.pid(self.container(host))

    def system_state(self, host: Host) -> str:
        """What systemd says of a host: ``running``, ``starting``, ``degraded`` ..."""
        done = self.exec(host.name, "systemctl", "is-system-running")
        return done.stdout.strip() or "off"

    def system_states(self) -> dict[Host, str]:
        """What systemd says of each host, all asked at once."""
        hosts = list(self.topology.hosts.values())
        return dict(zip(hosts, self._each(hosts, self.system_state), strict=True))

    def wait_for_boot(self, hosts: Iterable[Host], timeout: float = 120) -> None:
        """Wait until systemd has started everything.

        Raises:
            LabError: a host still boots after ``timeout`` seconds, or a unit failed there.
        """
        for host in hosts:
            done = self.exec(host.name, "timeout", str(timeout), "sh", "-c", _BOOTED, timeout=timeout + 30)
            state = done.stdout.strip() or "off"
            if state != "running":
                failed = self.exec(host.name, "systemctl", "--failed", "--no-legend", "--plain").stdout.strip()
                raise LabError(f"{host.name} is {state} instead of running: {failed}{done.stderr}")

    def wait_for_minions(self, progress: Progress | None = None, timeout: float = 120) -> None:
        """Wait until every minion answers its master.

        Raises:
            LabError: some did not within ``timeout`` seconds.
        """
        wanted = {host.name for host in self.topology.minions}

        def silent() -> list[str]:
            keys = set(self.exec("master", "ls", "/etc/salt/pki/master/minions").stdout.split())
            missing = wanted - keys or wanted - set(self.salt("*", "test.ping", timeout=5))
            if progress:
                progress.note(f"{len(wanted) - len(missing)} of {len(wanted)}")
            return sorted(missing)

        if left := _wait_until_empty(silent, timeout):
            raise LabError(f"no answer from the Salt minions on {', '.join(left)} after {timeout:.0f} s")

    # --- how -------------------------------------------------------------------------------------------------------

    def _usable_containers(self) -> dict[str, str]:
        """States by host; a container that an interrupted start or stop left half-way is removed."""
        containers = self.containers()
        self.engine.remove(it.name for it in containers if it.state not in ("created", "running", "exited"))
        return {it.host: it.state for it in self.containers()}

    def _create(self, host: Host) -> None:
        name = self.container(host)
        mounts = [(REPO, salt_config.REPO), (self.state, "/srv/lab")] if host.role == "master" else []
        self.engine.create(name, host.name, self.name, images.tag(host.image), mounts)

    def _configure(self, host: Host) -> None:
        self.engine.copy_in(self.container(host), _tar({"etc/nsswitch.conf": _NSSWITCH, **self._files(host)}))

    def _files(self, host: Host) -> dict[str, str]:
        """What tells this host's disk from that of others with its image."""
        if host.role == "router":
            return {"etc/frr/frr.conf": router.frr_conf(self.topology, host)}
        if host.role == "customer":
            return {"etc/lab-gobgp.toml": customer.gobgp_conf(self.topology, host)}
        if host.role == "master":
            # Salt's package has both; `tidegate` takes the first for the sign of a master.
            return {"etc/salt/master": "", "etc/salt/master.d/lab.conf": salt_config.master(REPO)}
        master = self.topology.address(self.topology.by_role("master")[0])
        files = {"etc/salt/minion.d/lab.conf": salt_config.minion(host.name, master)}
        if host.role == "edge":
            return {**files, "etc/lab-origin.env": f"VIPS={' '.join(self.topology.vips)}\n"}
        return {**files, "etc/prometheus/prometheus.yml": prometheus.config(self.topology)}

    def _teach_probe_hosts(self) -> None:
        """A minion that gets no highstate has the modules that probe from it only when somebody syncs them."""
        for host in self.topology.by_role("client"):
            self.salt(host.name, "saltutil.sync_all")

    def _power_on(self, hosts: list[Host], *, fresh: Iterable[Host]) -> None:
        self._each(hosts, lambda host: self.engine.start(self.container(host)))
        running = {container.host for container in self.containers() if container.state == "running"}
        pids = {host: self.pid(host) for host in self.topology.hosts.values() if host.name in running}
        cables.plug(self.topology, hosts, pids, fresh=fresh)

    def _has_learned_default(self, host: Host, family: int) -> bool:
        told = self.exec(host.name, "ip", f"-{family}", "-json", "route", "show", "default").stdout
        return any(route.get("protocol") == "bird" for route in json.loads(told or "[]"))

    @staticmethod
    def _each(hosts: Iterable[Host], act: Callable[[Host], Any]) -> list[Any]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(act, hosts))


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, int(time.time())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _wait_until_empty(look: Callable[[], list[str]], timeout: float) -> list[str]:
    """Look again until nothing is left or the time is over; returns what is left."""
    end = time.monotonic() + timeout
    while (left := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return left
