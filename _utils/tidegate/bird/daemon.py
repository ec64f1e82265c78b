"""The BIRD of this host: its program, its unit, and the conversation that reconfigures it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tidegate.bird import conf, parse
from tidegate.bird.control import Control, NotRunning, Rejected
from tidegate.bird.parse import Version
from tidegate.host.errors import Failed, Refused
from tidegate.host.paths import paths

UNIT = "bird.service"
_START_TIMEOUT = 15.0
_CONFIGURE_TIMEOUT = 60.0
"""A configuration with a million set entries takes seconds to parse, and BIRD answers nobody meanwhile."""
_POLL = 0.05
_SHUTTING_DOWN = 6
_CONFIGURATION_ERROR = 8002


def program() -> str | None:
    """Where BIRD is installed; systems keep it outside an ordinary user's path."""
    return shutil.which("bird", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def installed_version() -> Version:
    """The version of the installed program.

    Raises:
        Refused: there is none, or it does not say.
    """
    bird = program()
    if bird is None:
        raise Refused("BIRD is not installed: install the package bird2 or bird3")
    found = parse.version(_run([bird, "--version"]))
    if found is None:
        raise Refused(f"{bird} --version does not say a version")
    return found


def refusal(file: Path) -> str | None:
    """What the installed BIRD has against a configuration file, explained; none: it accepts it. Touches nothing."""
    bird = program()
    if bird is None:
        return "BIRD is not installed"
    try:
        done = subprocess.run(
            [bird, "-p", "-c", str(file)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CONFIGURE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{bird} -p could not be run: {error}"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"{bird} -p died of signal {-done.returncode}"
    return conf.explain(done.stderr or done.stdout, file.read_text(encoding="utf-8", errors="replace"))


def connect() -> Control | None:
    """A conversation with the running daemon; none: it does not run."""
    try:
        return Control(paths().bird_socket)
    except NotRunning:
        return None


def connect_or_start() -> Control:
    """A conversation with the daemon, started by its unit if need be.

    Raises:
        Refused: it does not run and could not be started.
    """
    control = connect()
    if control is None:
        start()
        control = connect()
    if control is None:
        raise Refused(f"BIRD was started but does not answer on {paths().bird_socket}")
    return control


def start() -> None:
    """Start the unit and wait for its socket.

    Raises:
        Refused: no systemd, or the unit does not start.
    """
    if not has_systemd():
        raise Refused("BIRD does not run, and there is no systemd here to start it")
    done = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True, timeout=90, check=False)
    if done.returncode != 0:
        raise Refused(f"systemctl start {UNIT}: {done.stderr.strip()}")
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end:
        control = connect()
        if control is not None:
            control.close()
            return
        time.sleep(_POLL)


def has_systemd() -> bool:
    """Whether systemd runs this host (``sd_booted(3)``)."""
    return Path("/run/systemd/system").is_dir()


def is_booting() -> bool:
    """Whether the host is still starting: units ordered after the one we run in are not to be waited for."""
    return has_systemd() and _run(["systemctl", "is-system-running"]).strip() in ("initializing", "starting")


def has_unit() -> bool:
    """Whether systemd knows BIRD's unit."""
    done = subprocess.run(["systemctl", "cat", UNIT], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def running_marker(control: Control) -> str | None:
    """The marker of the configuration that the daemon runs; none: it is not one of Tidegate's."""
    try:
        return control.command("eval TIDEGATE_MARKER").lines[-1].text.strip()
    except Rejected:
        return None


def check(control: Control, file: Path) -> None:
    """Let the daemon judge a configuration file; what it runs stays.

    Raises:
        Refused: it does not accept the file.
    """
    try:
        control.command(f'configure check "{file}"', _CONFIGURE_TIMEOUT)
    except Rejected as error:
        raise Refused(f"BIRD refuses the configuration: {_explained(error, file)}") from None


def configure(control: Control, file: Path, timeout: int | None) -> None:
    """Make the daemon run a configuration file, and wait until it does.

    Args:
        control: The conversation.
        file: What to run.
        timeout: Seconds after which BIRD goes back by itself unless ``confirm`` comes; ``None``: never.

    Raises:
        Failed: it does not run it; a refused file leaves the running configuration, but ends a pending undo.
    """
    undo = "" if timeout is None else f" timeout {timeout}"
    try:
        reply = control.command(f'configure "{file}"{undo}', _CONFIGURE_TIMEOUT)
    except Rejected as error:
        raise Failed(f"BIRD refuses the configuration: {_explained(error, file)}") from None
    if reply.code == _SHUTTING_DOWN:
        raise Failed("BIRD is shutting down and ignores the configuration")
    _await_completion(control)
    planned = conf.marker(file.read_text(encoding="utf-8", errors="replace"))
    running = running_marker(control)
    if running != planned:
        raise Failed(f"BIRD took the configuration {planned} but runs {running}")


def confirm(control: Control) -> None:
    """End a pending undo: what runs, stays. Nothing pending is fine too."""
    control.command("configure confirm")


def _await_completion(control: Control) -> None:
    end = time.monotonic() + _CONFIGURE_TIMEOUT
    while parse.reconfiguring(control.command("show status")):
        if time.monotonic() > end:
            raise Failed(f"BIRD is still reconfiguring after {_CONFIGURE_TIMEOUT:.0f} s")
        time.sleep(_POLL)


def _explained(error: Rejected, file: Path) -> str:
    if error.code != _CONFIGURATION_ERROR:
        return error.message
    return conf.explain(error.message, file.read_text(encoding="utf-8", errors="replace"))


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{' '.join(command)}: {error}") from None
    return done.stdout + done.stderr
