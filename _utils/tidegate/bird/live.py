"""What BIRD runs on this host: read, compare, apply, confirm, remove. See ``host/subsystem.py`` for the shape.

A candidate reaches BIRD from a file beside ``bird.conf``, which itself changes only once the change is confirmed: so
whatever restarts BIRD meanwhile, it starts from what is proven. Services are announced by routes in a kernel table
(``routes.py``), so that withdrawing one needs no reconfiguration.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.bird import conf, daemon, desired, interfaces, parse, routes, services
from tidegate.bird.control import Control
from tidegate.bird.desired import Desired
from tidegate.bird.effects import effects
from tidegate.bird.parse import OLDEST, Version
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.paths import paths


def version() -> Version:
    """The BIRD that is installed, for example ``(2, 17, 6)``; raises ``Refused`` if there is none."""
    return daemon.installed_version()


def problems(generation: Path) -> list[str]:
    """Why this host's BIRD cannot run the generation, one sentence each; touches nothing."""
    try:
        installed, planned = version(), desired.read(generation)
    except Refused as error:
        return [str(error)]
    if installed < OLDEST:
        return [f"BIRD {parse.dotted(installed)} is too old: {parse.dotted(OLDEST)} or newer is needed"]
    found = interfaces.problems(planned)
    if daemon.has_systemd() and not daemon.has_unit():
        found.append(f"systemd has no {daemon.UNIT}: the package is not fully installed")
    running = _daemon_version()
    if running is not None and running != installed:
        found.append(
            f"BIRD {parse.dotted(running)} runs although {parse.dotted(installed)} is installed: restart it first"
        )
    refused = daemon.refusal(generation / "bird.conf")
    if refused:
        found.append(f"BIRD refuses the configuration: {refused}")
    return found


def diff(generation: Path) -> list[str]:
    """What ``apply`` and ``confirm`` would change: service routes, then the configuration. Secrets are hidden."""
    planned = desired.read(generation)
    lines = _route_changes(planned)
    control = daemon.connect()
    if control is None:
        lines.append("+ start BIRD")
        running = None
    else:
        with control:
            running = daemon.running_marker(control)
    if running != planned.marker:
        before = _running_conf(running)
        if running is not None and conf.marker(before) == running:
            lines += effects(before, planned.conf).lines()
        lines += _conf_changes(before, planned)
    elif _text(paths().bird_conf) != planned.conf:
        lines.append(f"~ {paths().bird_conf} is not what BIRD runs: edited by hand, or not confirmed yet")
        lines += conf.difference(_text(paths().bird_conf), planned.conf)
    return lines


def withdraw(generation: Path) -> list[str]:
    """Withdraw the prefixes that the generation no longer announces, before anything else changes.

    Returns:
        A line for each.
    """
    return [f"- announce {prefix}" for prefix in services.withdraw(desired.read(generation))]


def apply(generation: Path, timeout: int | None) -> None:
    """Make BIRD run the generation and announce its services, but for those that are sick.

    With ``timeout``, BIRD itself goes back to what it ran before unless ``confirm`` comes. With ``None`` the file BIRD
    starts from is replaced too; at boot, where BIRD is not yet to be started, nothing more is done.

    Raises:
        Refused: BIRD does not accept the configuration, or does not run and cannot be started; nothing was changed.
        Failed: BIRD did not take it, or a route could not be set.
    """
    planned = desired.read(generation)
    if timeout is None:
        _apply_for_good(planned, generation)
    else:
        _apply_on_trial(planned, generation, timeout)


def confirm(generation: Path) -> None:
    """Make the generation permanent: end BIRD's pending undo, then replace the file BIRD starts from.

    Raises:
        Failed: BIRD does not run the generation, for its undo was quicker; the file stays as it was.
    """
    planned = desired.read(generation)
    control = daemon.connect()
    if control is None:
        raise Failed("BIRD does not run, so what it was to run cannot be confirmed")
    with control:
        daemon.confirm(control)
        running = daemon.running_marker(control)
    if running != planned.marker:
        raise Failed(f"BIRD runs {running or 'a configuration that is not ours'}, not {planned.marker}: it went back")
    _install(planned)


def remove() -> None:
    """Give BIRD back the file it had before Tidegate, if it had one, and take away our routes.

    Without one, a BIRD that runs our configuration is stopped: it had none to run.
    """
    control = daemon.connect()
    try:
        if conf.marker(_text(paths().bird_conf)) or (control and daemon.running_marker(control)):
            _restore_initial(control)
    finally:
        if control:
            control.close()
    services.remove()


def _apply_on_trial(planned: Desired, generation: Path, timeout: int) -> None:
    with daemon.connect_or_start() as control:
        if daemon.running_marker(control) == planned.marker:
            services.announce(planned, generation)
            return
        with _candidate(planned) as file:
            daemon.check(control, file)
            # What still runs does not know the new prefixes: they are announced with the new configuration only.
            early = services.announce_early(planned)
            try:
                daemon.configure(control, file, timeout)
            except TidegateError:
                services.take_back(early)
                raise
        services.announce(planned, generation)


def _apply_for_good(planned: Desired, generation: Path) -> None:
    control = daemon.connect()
    if control is None:
        _install(planned)
        services.announce(planned, generation)
        if daemon.has_systemd() and not daemon.is_booting():
            daemon.start()
        return
    with control:
        if daemon.running_marker(control) == planned.marker:
            _install(planned)
            daemon.confirm(control)
        else:
            with _candidate(planned) as file:
                daemon.check(control, file)
            # From here on a BIRD that dies starts again with this: the routes go in first and stay in.
            _install(planned)
            services.announce_early(planned)
            daemon.configure(control, paths().bird_conf, None)
        services.announce(planned, generation)


@contextmanager
def _candidate(planned: Desired) -> Iterator[Path]:
    """The configuration in a file that BIRD, which has dropped root, can read; gone afterwards: it holds secrets."""
    file = paths().bird_conf.with_name("bird.conf.candidate")
    try:
        conf.install(file, planned.conf)
        yield file
    finally:
        file.unlink(missing_ok=True)


def _install(planned: Desired) -> None:
    if _text(paths().bird_conf) != planned.conf:
        conf.install(paths().bird_conf, planned.conf)


def _restore_initial(control: Control | None) -> None:
    initial = paths().generations / "initial" / "bird.conf"
    if initial.is_file():
        conf.install(paths().bird_conf, initial.read_text(encoding="utf-8", errors="surrogateescape"))
        if control:
            daemon.configure(control, paths().bird_conf, None)
        return
    if conf.marker(_text(paths().bird_conf)):
        paths().bird_conf.unlink()
    if control:
        control.command("down")


def _conf_changes(running: str, planned: Desired) -> list[str]:
    lines = conf.difference(running, planned.conf)
    return lines or ["~ bird.conf: something that is not shown changes (a secret, or Tidegate's marker)"]


def _running_conf(marker: str | None) -> str:
    """The text of what BIRD runs: the generation with that marker, else the file BIRD starts from."""
    if marker is not None:
        for link in ("running", "confirmed"):
            text = _text(paths().state / link / "bird.conf")
            if conf.marker(text) == marker:
                return text
    return _text(paths().bird_conf)


def _route_changes(planned: Desired) -> list[str]:
    added, gone, units = services.changes(planned, routes.live())
    lines = [f"+ announce {prefix} ({planned.routes[prefix]})" for _, prefix in sorted(added)]
    return lines + [f"- announce {prefix}{_service_of(prefix)}" for _, prefix in sorted(gone)] + units


def _service_of(prefix: str) -> str:
    try:
        name = desired.read(paths().state / "confirmed").routes.get(prefix)
    except Refused:
        name = None
    return f" ({name})" if name else ""


def _daemon_version() -> Version | None:
    control = daemon.connect()
    if control is None:
        return None
    with control:
        return parse.version(control.banner)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
