"""The checker's systemd units: it, and what happens when it is gone.

``tidegate-health.service`` runs the checker. Whenever it ends, for whatever reason, it starts
``tidegate-health-lost.timer``; a checker that is back and has looked at everything stops that timer. If none is back
after ``LOST`` seconds, ``tidegate-health-lost.service`` does what the policy says (``checker/loss.py``). A timer that
runs already is not wound up again, so a checker that dies again and again is lost too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tidegate.checker import daemon, links
from tidegate.host import durable
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.host.runtime import command

SERVICE = "tidegate-health.service"
LOST_TIMER = "tidegate-health-lost.timer"
LOST_SERVICE = "tidegate-health-lost.service"
LOST = 5
"""Seconds for which a checker may be gone before it is lost."""
WATCHDOG = 10
_SYSTEM = Path("/etc/systemd/system")
_WANTS = _SYSTEM / "multi-user.target.wants"
_SECONDS = 30


def units() -> dict[str, str]:
    """The text of each unit."""
    runtime = paths().state / links.CHECKER
    return {SERVICE: _service(runtime), LOST_TIMER: _lost_timer(), LOST_SERVICE: _lost_service(runtime)}


def lacking() -> list[str]:
    """What there is to do until the checker runs, now and after a boot; a line each."""
    lines = [f"+ {_SYSTEM / name}" for name in _missing()]
    lines += [] if (_WANTS / SERVICE).is_symlink() else [f"+ enable {SERVICE}"]
    return lines + ([] if daemon.is_running() else [f"+ start {SERVICE}"])


def surplus() -> list[str]:
    """What there is to take away where no service has checks."""
    return [f"- {_SYSTEM / name}" for name in units() if (_SYSTEM / name).is_file()]


def ensure(start: bool) -> None:
    """Install, enable and start what is lacking; the start is not waited for.

    Raises:
        Failed: systemd refused.
    """
    missing = _missing()
    for name in missing:
        durable.write(_SYSTEM / name, units()[name].encode())
    if missing:
        _systemctl("daemon-reload")
    if not (_WANTS / SERVICE).is_symlink():
        _systemctl("enable", SERVICE)
    if start and not daemon.is_running():
        _systemctl("start", "--no-block", SERVICE)


def remove() -> None:
    """Stop the checker and take its units away; silent if there are none."""
    if not surplus():
        return
    for verb in ("disable", "stop"):
        subprocess.run(["systemctl", verb, SERVICE], capture_output=True, timeout=_SECONDS, check=False)
    subprocess.run(["systemctl", "stop", LOST_TIMER, LOST_SERVICE], capture_output=True, timeout=_SECONDS, check=False)
    for name in units():
        (_SYSTEM / name).unlink(missing_ok=True)
    _systemctl("daemon-reload")


def _missing() -> list[str]:
    return [name for name, text in units().items() if _text(_SYSTEM / name) != text]


def _service(runtime: Path) -> str:
    return f"""\
# Managed by Tidegate.
[Unit]
Description=Tidegate: withdraw services that are sick
ConditionPathExists={runtime}
After=tidegate-restore.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={" ".join(command(runtime, "checker"))}
# Ready means that everything has been looked at once.
ExecStartPost=-/usr/bin/env systemctl stop --no-block {LOST_TIMER} {LOST_SERVICE}
ExecStopPost=-/usr/bin/env systemctl start --no-block {LOST_TIMER}
Restart=always
RestartSec=500ms
WatchdogSec={WATCHDOG}s
TimeoutStopSec=5s
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
"""


def _lost_timer() -> str:
    return f"""\
# Managed by Tidegate.
[Unit]
Description=Tidegate: the checker has been gone for {LOST} s

[Timer]
OnActiveSec={LOST}s
AccuracySec=100ms
"""


def _lost_service(runtime: Path) -> str:
    return f"""\
# Managed by Tidegate.
[Unit]
Description=Tidegate: do what the policy says where the checker is gone
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={" ".join(command(runtime, "checker-lost"))}
Restart=on-failure
RestartSec=2s
"""


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
