"""What makes a boot restore the confirmed generation before BIRD starts: one unit of ours, and BIRD's own enabled."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tidegate.host import durable
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.host.runtime import command

_SYSTEM = Path("/etc/systemd/system")
_WANTS = _SYSTEM / "multi-user.target.wants"
RESTORE = "tidegate-restore.service"
BIRD = "bird.service"


def unit() -> str:
    """The unit's text: BIRD and the minion wait for it; it tries again until the host runs its generation."""
    restore = paths().state / "restore"
    return f"""\
# Managed by Tidegate.
[Unit]
Description=Tidegate: restore the confirmed generation
# Before the first change there is nothing to restore.
ConditionPathExists={restore}
After=local-fs.target systemd-udevd.service
# Interfaces that are late are waited for, so the network may be set up meanwhile.
Before={BIRD} salt-minion.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={" ".join(command(restore, "boot"))}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def lacking(with_bird: bool) -> list[str]:
    """What is not yet as a boot needs it, a line each; reads two links and a file, so that it costs nothing."""
    lines = [] if _is_installed() else [f"+ {_SYSTEM / RESTORE}"]
    wanted = [RESTORE, BIRD] if with_bird else [RESTORE]
    return lines + [f"+ enable {name}" for name in wanted if not _is_enabled(name)]


def ensure(with_bird: bool) -> list[str]:
    """Install and enable what is lacking; returns what was done.

    Raises:
        Failed: systemd refused.
    """
    lines = lacking(with_bird)
    if lines:
        if not _is_installed():
            durable.write(_SYSTEM / RESTORE, unit().encode())
        _systemctl("daemon-reload")
        _systemctl("enable", RESTORE, *([BIRD] if with_bird else []))
    return lines


def _is_installed() -> bool:
    file = _SYSTEM / RESTORE
    return file.is_file() and file.read_text() == unit()


def _is_enabled(name: str) -> bool:
    if (_WANTS / name).is_symlink():
        return True
    # Enabled in another way than Debian's; slower to ask.
    done = subprocess.run(["systemctl", "is-enabled", name], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "enabled"


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
