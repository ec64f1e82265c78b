"""The container engine: docker or podman, and the flags it needs on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

LABEL = "tidegate.lab"

# Limits that a machine without CAP_SYS_RESOURCE can give, and the runtime that takes a hybrid cgroup layout.
_LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
_VARIANTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    ((), ()),
    ((), _LIMITS),
    (("--runtime", "runc"), ()),
    (("--runtime", "runc"), _LIMITS),
)
# What `podman --systemd=always` does by itself.
_DOCKER_SYSTEMD = (
    *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
    *("--env", "container=docker", "--stop-signal", "SIGRTMIN+3"),
)


class EngineError(Exception):
    """The engine is missing, or refused something; the message holds what it said."""


@dataclass(frozen=True)
class Container:
    """One container of a lab, as the engine tells it."""

    name: str
    host: str
    lab: str
    state: str
    """``created``, ``running``, ``exited`` ..."""


@dataclass(frozen=True)
class Engine:
    """A container engine; every method is one command of it."""

    command: str
    runtime: tuple[str, ...] = ()
    """Options of podman itself."""
    limits: tuple[str, ...] = ()
    """Options of ``run``, ``create`` and ``build``."""

    @classmethod
    def find(cls) -> Engine:
        """The engine that ``TIDEGATE_ENGINE`` names, else a docker that answers, else podman.

        Raises:
            EngineError: there is none.
        """
        named = os.environ.get("TIDEGATE_ENGINE")
        for command in [named] if named else ["docker", "podman"]:
            if shutil.which(command):
                engine = cls(command)
                if engine._try("info").returncode == 0:
                    return engine
        raise EngineError(f"no container engine: {named or 'neither docker nor podman'} answers; run script/setup")

    def fit(self, image: str, *, building: bool) -> Engine:
        """This engine with the flags that a container needs here, found by trying.

        Args:
            image: what to try with.
            building: whether images are to be built too; podman 5 may need flags for that alone.

        Raises:
            EngineError: none of the known combinations runs ``image``.
        """
        errors = []
        for runtime, limits in _VARIANTS:
            if runtime and self.command != "podman":
                continue
            engine = replace(self, runtime=runtime, limits=limits)
            answer = engine._try("run", "--rm", "--privileged", "--network", "none", *limits, image, "true")
            if answer.returncode == 0 and building:
                answer = engine._try(
                    "build", "--quiet", "--network", "host", *limits, "-", stdin=f"FROM {image}\nRUN true\n".encode()
                )
                engine._try("rmi", answer.stdout.strip())
            if answer.returncode == 0:
                return engine
            errors.append(f"{' '.join((*runtime, *limits)) or 'no flags'}: {answer.stderr.strip()}")
        raise EngineError("no container runs here:\n  " + "\n  ".join(errors))

    def has_image(self, image: str) -> bool:
        """Whether an image is there."""
        return self._try("image", "inspect", image).returncode == 0

    def import_image(self, tar: Path, image: str) -> None:
        """Make an image of a root file system."""
        self._run("import", str(tar), image)

    def build(self, folder: Path, target: str, image: str, args: Mapping[str, str], log: Path) -> None:
        """Build one target of ``folder``'s Containerfile; the engine's words go to ``log``.

        Raises:
            EngineError: the build failed; the message ends with the log's last lines.
        """
        command = [self.command, *self.runtime, "build", "--network", "host", *self.limits]
        command += ["--file", str(folder / "Containerfile"), "--target", target, "--tag", image]
        command += [word for name, value in args.items() for word in ("--build-arg", f"{name}={value}")]
        with log.open("w") as stream:
            done = subprocess.run([*command, str(folder)], stdout=stream, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            end = "\n".join(log.read_text().splitlines()[-20:])
            raise EngineError(f"building {target} failed ({done.returncode}); {log} ends:\n{end}")

    def create(self, name: str, host: str, lab: str, image: str, mounts: Iterable[tuple[Path, str]]) -> None:
        """Make a container that will boot systemd, without any network of the engine's."""
        systemd = ("--systemd", "always") if self.command == "podman" else _DOCKER_SYSTEMD
        volumes = [f"--volume={source}:{target}:ro" for source, target in mounts]
        labels = ["--label", f"{LABEL}={lab}", "--label", f"{LABEL}.host={host}"]
        self._run(
            *("create", "--name", name, "--hostname", host, "--privileged", "--network", "none"),
            *(*systemd, *self.limits, *labels, *volumes, image, "/usr/local/sbin/lab-init"),
        )

    def copy_in(self, name: str, tar: bytes) -> None:
        """Unpack a tar archive over a container's root; it need not run."""
        self._run("cp", "-", f"{name}:/", stdin=tar)

    def start(self, name: str) -> None:
        """Start a container that is stopped; nothing happens to one that runs."""
        self._run("start", name)

    def kill(self, name: str) -> None:
        """End every process of a container at once, as a loss of power would."""
        self._run("kill", "--signal", "KILL", name)
        self._run("wait", name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove containers, running or not, with their disks."""
        if names := list(names):
            at_once = ("--time", "0") if self.command == "podman" else ()
            self._run("rm", "--force", *at_once, "--volumes", *names)

    def pid(self, name: str) -> int:
        """The process id, on this machine, of a running container's first process."""
        return int(self._run("inspect", "--format", "{{.State.Pid}}", name))

    def containers(self, lab: str | None = None) -> list[Container]:
        """The containers of one lab, or of all labs, running or not."""
        wanted = LABEL if lab is None else f"{LABEL}={lab}"
        names = self._run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={wanted}").split()
        if not names:
            return []
        told = json.loads(self._run("inspect", "--type", "container", *names))
        return [
            Container(
                name=one["Name"].lstrip("/"),
                host=one["Config"]["Labels"][f"{LABEL}.host"],
                lab=one["Config"]["Labels"][LABEL],
                state=one["State"]["Status"],
            )
            for one in told
        ]

    def exec_command(self, name: str, command: Iterable[str], *, terminal: bool = False) -> list[str]:
        """The command line that runs ``command`` in a container."""
        return [self.command, "exec", "--interactive", *(["--tty"] if terminal else []), name, *command]

    def _try(self, *words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        command = [self.command, *self.runtime, *words]
        # A session of its own: Ctrl-C in the middle of it would leave a container that the engine cannot start again.
        done = subprocess.run(command, input=stdin or b"", capture_output=True, check=False, start_new_session=True)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def _run(self, *words: str, stdin: bytes | None = None) -> str:
        done = self._try(*words, stdin=stdin)
        if done.returncode:
            raise EngineError(f"{self.command} {words[0]} {words[-1]}: {done.stderr.strip() or done.returncode}")
        return done.stdout
